//! A command as the bytes that the server reads: `*count\r\n`, and each word as
//! `$length\r\nbytes\r\n`.

/// A whole command.
pub(in crate::redis) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(words.iter().map(|word| word.len() + 8).sum());
    start(&mut bytes, words.len());
    words.iter().for_each(|word| push(&mut bytes, word));
    bytes
}

/// Begins a command of so many words.
pub(in crate::redis) fn start(bytes: &mut Vec<u8>, words: usize) {
    line(bytes, b'*', words);
}

/// Adds a word to a command.
pub(in crate::redis) fn push(bytes: &mut Vec<u8>, word: &[u8]) {
    line(bytes, b'$', word.len());
    bytes.extend_from_slice(word);
    bytes.extend_from_slice(b"\r\n");
}

/// Adds a number to a command.
pub(in crate::redis) fn push_number(bytes: &mut Vec<u8>, number: u64) {
    push(bytes, Digits::new(number).text());
}

fn line(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    bytes.push(kind);
    bytes.extend_from_slice(Digits::new(length as u64).text());
    bytes.extend_from_slice(b"\r\n");
}

/// A number's digits, without an allocation.
struct Digits {
    digits: [u8; 20],
    start: usize,
}

impl Digits {
    fn new(mut number: u64) -> Self {
        let (mut digits, mut start) = ([b'0'; 20], 20);
        loop {
            start -= 1;
            digits[start] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, start };
            }
        }
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests;
