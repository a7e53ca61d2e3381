//! Finds the comments in a source, and tells them from strings that look like comments.

use crate::files::Language;

/// A source with every character marked: code or comment.
pub(crate) struct Source<'a> {
    text: &'a str,
    /// Where in `text` comments are: begin and end, none over more than one line.
    comments: Vec<(usize, usize)>,
}

pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    /// What comes before the comment, if there is one: no line has code after its comment.
    pub(crate) code: &'a str,
    pub(crate) comment: Option<&'a str>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str, language: Language) -> Self {
        let mut comments = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let line = rest.find('\n').unwrap_or(rest.len());
            if begins_comment(text, at, language) {
                comments.push((at, at + line));
                at += line;
            } else {
                at += quoted(rest, language).unwrap_or_else(|| rest.chars().next().map_or(1, char::len_utf8));
            }
        }
        Self { text, comments }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let (mut begin, text) = (0, self.text);
        text.split('\n').zip(1..).map(move |(line, number)| {
            let end = begin + line.len();
            let comment = self.comments.iter().find(|(at, _)| (begin..=end).contains(at)).map(|&(at, _)| at - begin);
            begin = end + 1;
            let (code, comment) = comment.map_or((line, None), |at| (&line[..at], Some(&line[at..])));
            Line { number, text: line, code, comment }
        })
    }
}

fn begins_comment(text: &str, at: usize, language: Language) -> bool {
    match language {
        Language::Rust => text[at..].starts_with("//"),
        Language::Lua => text[at..].starts_with("--"),
        // Elsewhere it is a part of a word: `$#`, `${it#...}`.
        Language::Shell => {
            text[at..].starts_with('#') && text[..at].chars().next_back().is_none_or(char::is_whitespace)
        }
    }
}

/// How long the literal is that begins here, if one does.
fn quoted(rest: &str, language: Language) -> Option<usize> {
    match (language, rest.chars().next()?) {
        (Language::Rust, 'r') => raw_string(rest),
        (Language::Rust, '\'') => character(rest),
        (_, '"') => until_quote(rest, '"', true),
        (Language::Lua, '\'') => until_quote(rest, '\'', true),
        (Language::Shell, '\'') => until_quote(rest, '\'', false),
        _ => None,
    }
}

fn until_quote(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut is_escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if escapes => is_escaped = true,
            _ if char == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `r"..."`, `r#"..."#`.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest[1..].chars().take_while(|char| *char == '#').count();
    let inner = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    inner.find(&end).map(|at| 1 + hashes + 1 + at + end.len())
}

/// `'x'` and `'\''`, which a lifetime is not.
fn character(rest: &str) -> Option<usize> {
    let inner = &rest[1..];
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map(|at| 1 + 2 + at + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(1 + length + 1)
}
