//! No password is ever printed: what stands between `://` and `@` in a text is left out, but for a
//! user's name.

use std::borrow::Cow;

/// The text with `***` for the password of each URL in it.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        // A password may hold any character but a space or a quote, `/` and `@` included.
        let end =
            after.find(|char: char| char.is_whitespace() || matches!(char, '\'' | '"' | '`')).unwrap_or(after.len());
        let (word, behind) = after.split_at(end);
        out.push_str(&without_password(word));
        rest = behind;
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What follows `://`: `user:password@host/…`, or `/path?pass=…` of a socket.
fn without_password(word: &str) -> String {
    let mut out = match word.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{login}@{host}"),
        },
        None => word.to_owned(),
    };
    if let Some(at) = out.find("pass=") {
        let from = at + "pass=".len();
        let to = out[from..].find('&').map_or(out.len(), |length| from + length);
        out.replace_range(from..to, "***");
    }
    out
}

#[cfg(test)]
mod tests;
