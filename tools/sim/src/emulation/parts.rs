//! [`split`]: the text of a script, put so that its functions are made once and not in each call.
//!
//! A script of ours defines some forty functions once it leaves its fast path. To make them anew in
//! each call cost a fifth of a history's time. What runs is the same: the statements of the text
//! that are at its outermost level, in their order, each call from the first one on.
//!
//! * Statements between two functions become a function without arguments: a part. A call runs the
//!   parts one after another, until one returns something else than [`MORE`].
//! * The locals of the outermost level are declared before the part that sets them, outside of it.
//!   So functions and parts see the same ones. `local a = f()` becomes `a = f()`, and `local a`
//!   becomes `a = nil`: no call finds what an earlier one has left.
//!
//! Each statement stays on its line, as errors name them.
//!
//! It goes by lines: a statement of the outermost level begins in the first column, and all of
//! Lua's text that ships is written so. Where a text is not, it is run as it is.

use std::fmt::Write as _;

/// What a part returns that did not return anything itself.
const MORE: &str = "its_next_part";

/// A statement of the outermost level, all of its lines.
enum Statement<'a> {
    Function(&'a str),
    /// Names, and what comes behind them: `= ...`, or nothing but comments.
    Local(&'a str, &'a str),
    Other(&'a str),
}

/// The text of a chunk that returns a function: to call it does what the script does. None if that
/// cannot be told from the script's lines.
pub(super) fn split(text: &str) -> Option<String> {
    if text.contains("[[") || text.contains("[=") {
        return None; // a string or a comment of several lines
    }
    let (mut chunk, mut calls) = (format!("local {MORE} = {{}} "), String::new());
    let (mut names, mut part, mut parts) = (String::new(), String::new(), 0);
    let mut end_part = |chunk: &mut String, names: &mut String, part: &mut String| {
        if part.is_empty() {
            return;
        }
        parts += 1;
        chunk.push_str(names);
        let _ = write!(chunk, "local function part_{parts}() do {part} end return {MORE} end ");
        let _ = writeln!(calls, "do local it = part_{parts}() if it ~= {MORE} then return it end end");
        names.clear();
        part.clear();
    };
    let (head, statements) = statements(text)?;
    chunk.extend(head.matches('\n'));
    for statement in statements {
        match statement {
            Statement::Function(lines) => {
                end_part(&mut chunk, &mut names, &mut part);
                chunk.push_str(lines);
            }
            Statement::Local(its, value) => {
                let _ = write!(names, "local {its} ");
                let set = if value.starts_with('=') { " " } else { " = nil " };
                let _ = write!(part, "{its}{set}{value}");
            }
            Statement::Other(lines) => part.push_str(lines),
        }
    }
    end_part(&mut chunk, &mut names, &mut part);
    let _ = writeln!(chunk, "return function()\n{calls}end");
    Some(chunk)
}

/// What is in front of the first, and all of them.
fn statements(text: &str) -> Option<(&str, Vec<Statement<'_>>)> {
    let starts = |line: &str| {
        let goes_on = line.starts_with([' ', '\t', '}', ')', '#']) || line.trim().is_empty() || line.starts_with("--");
        !goes_on && !["end", "else", "elseif"].iter().any(|word| first_word(line) == *word)
    };
    let (mut begins, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        if starts(line) {
            begins.push(at);
        }
        at += line.len();
    }
    let ends = begins.iter().copied().skip(1).chain([text.len()]);
    let all: Option<Vec<_>> = begins.iter().zip(ends).map(|(&from, to)| statement(&text[from..to])).collect();
    Some((&text[..*begins.first()?], all?))
}

fn statement(lines: &str) -> Option<Statement<'_>> {
    let Some(local) = lines.strip_prefix("local ") else { return Some(Statement::Other(lines)) };
    if first_word(local) == "function" {
        return Some(Statement::Function(lines));
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_, ".contains(letter);
    let (names, value) = local.split_at(local.find(|letter| !is_name(letter))?);
    // Behind names without a value comes nothing but comments.
    let is_plain = value.starts_with('=') || value.trim_start().is_empty() || value.trim_start().starts_with("--");
    is_plain.then_some(Statement::Local(names.trim(), value))
}

fn first_word(line: &str) -> &str {
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default()
}
