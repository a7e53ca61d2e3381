//! Errors for people.

use std::error::Error;

/// What the error says, and what caused it: a failed store says why only as its source.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
