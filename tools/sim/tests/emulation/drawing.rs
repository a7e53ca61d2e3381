//! Chance, and how a program that failed is shown.

use fastrand::Rng;

/// One of several.
pub(crate) fn one_of<'a, T: ?Sized>(rng: &mut Rng, all: &[&'a T]) -> &'a T {
    all[rng.usize(..all.len())]
}

/// The words of a command, as a person can read them.
pub(crate) fn shown(words: &[Vec<u8>]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{:?}", word.escape_ascii().to_string())).collect();
    words.join(" ")
}
