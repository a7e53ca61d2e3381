//! [`Inbox`]: the bytes that have come from the server, and the answers in them (RESP2).
//!
//! An answer is read in two steps. The [`Scanner`] finds its end: it looks at each byte once,
//! however the answer was cut into packets. Then [`decode`] makes a value of the whole.
//!
//! A server, or what answers in its place, is not believed: memory is taken for bytes that have
//! come, never for a length that was announced, and an answer has limits in all directions. What
//! breaks a limit, or is no RESP2, costs the connection.

use super::super::value::Value;

/// The longest answer, in bytes.
#[cfg(not(test))]
const LONGEST: usize = 64 << 20;
#[cfg(test)]
const LONGEST: usize = 1 << 20;
/// The longest line: the text of an error, a simple string or a number.
const LONGEST_LINE: usize = 64 << 10;
/// The most elements of an answer, those of all its lists together.
const MOST_ELEMENTS: usize = 1 << 20;
/// Lists in lists, at the most.
const DEEPEST: usize = 16;
/// As much as this is read at once.
const CHUNK: usize = 16 << 10;
/// What is kept of a buffer that had to hold a long answer.
const KEPT: usize = 256 << 10;

/// What an answer is: a value, or the line of an error.
pub(super) type Answer = Result<Value, String>;

const TOO_LONG: Malformed = Malformed("an answer that is too long");

/// The server answered what is no RESP2, or breaks a limit: the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Bytes that have come and have not been taken as answers yet.
#[derive(Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    /// What is before this has been taken.
    taken: usize,
    /// What is behind this is room.
    filled: usize,
    scanner: Scanner,
}

impl Inbox {
    /// The next answer, if all of it has come.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, Malformed> {
        let bytes = &self.buffer[self.taken..self.filled];
        let Some(end) = self.scanner.find_end(bytes)? else { return Ok(None) };
        let answer = decode(&mut &bytes[..end])?;
        self.scanner = Scanner::default();
        self.taken += end;
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = Vec::new();
            }
        }
        Ok(Some(answer))
    }

    /// Whether bytes have come that no answer has taken.
    pub(super) fn has_more(&self) -> bool {
        self.taken < self.filled
    }

    /// Where the next bytes go; [`Inbox::add`] says how many came.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.filled < CHUNK {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
            // Twice what is there: a long answer is moved a few times, not once a packet.
            let length = self.buffer.len().max(self.filled * 2).max(self.filled + CHUNK);
            self.buffer.resize(length, 0);
        }
        &mut self.buffer[self.filled..]
    }

    pub(super) fn add(&mut self, count: usize) {
        self.filled += count;
    }
}

/// Finds where an answer ends, and goes on where it stopped when more bytes have come.
#[derive(Default)]
struct Scanner {
    /// Where the next element begins.
    at: usize,
    /// In which line there was no end yet: up to here.
    looked: usize,
    /// Of each list that is open, how many elements are still to come.
    open: Vec<usize>,
    elements: usize,
}

impl Scanner {
    /// Where the answer ends that begins with `bytes`, which are those of the last call and more.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some((&kind, line)) = rest.split_first() else { return Ok(None) };
            if !b"+-:$*".contains(&kind) {
                return Err(Malformed("what does not begin like an answer"));
            }
            let Some(length) = self.find_line(line)? else { return Ok(None) };
            let mut end = self.at + 1 + length + 2;
            let mut elements = 0;
            match kind {
                b'$' => {
                    if let Some(length) = parse_length(&line[..length])? {
                        end = end.saturating_add(length).saturating_add(2);
                        if end > LONGEST {
                            return Err(TOO_LONG);
                        }
                        if end > bytes.len() {
                            return Ok(None);
                        }
                        if &bytes[end - 2..end] != b"\r\n" {
                            return Err(Malformed("a string that goes on behind its end"));
                        }
                    }
                }
                b'*' => elements = parse_length(&line[..length])?.unwrap_or_default(),
                _ => {}
            }
            if end > LONGEST {
                return Err(TOO_LONG);
            }
            (self.at, self.looked) = (end, 0);
            self.elements = self.elements.saturating_add(elements);
            if self.elements > MOST_ELEMENTS {
                return Err(Malformed("a list that is too long"));
            }
            if elements > 0 {
                if self.open.len() == DEEPEST {
                    return Err(Malformed("lists that are too deep"));
                }
                self.open.push(elements);
                continue;
            }
            // An element is complete, and so may be the lists that it is the last one of.
            loop {
                let Some(left) = self.open.last_mut() else { return Ok(Some(end)) };
                *left -= 1;
                if *left > 0 {
                    break;
                }
                self.open.pop();
            }
        }
    }

    /// The length of a line, if its end is there.
    fn find_line(&mut self, line: &[u8]) -> Result<Option<usize>, Malformed> {
        let from = self.looked.min(line.len());
        let found = line[from..].windows(2).position(|end| end == b"\r\n").map(|at| from + at);
        if found.unwrap_or(line.len()) > LONGEST_LINE {
            return Err(Malformed("a line that is too long"));
        }
        if found.is_none() {
            self.looked = line.len().saturating_sub(1); // the first half of an end may be there
        }
        Ok(found)
    }
}

/// The length of a string or a list; `None` if there is none.
fn parse_length(line: &[u8]) -> Result<Option<usize>, Malformed> {
    match parse_number(line)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Malformed("a length below zero")),
    }
}

fn parse_number(line: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(line).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(Malformed("what is no number where one has to be"))
}

/// Takes an answer off the front of `bytes`, which hold all of it.
///
/// An error in a list makes an error of the whole: no script of ours answers one.
fn decode(bytes: &mut &[u8]) -> Result<Answer, Malformed> {
    let (kind, line) = take_line(bytes).ok_or(INCOMPLETE)?;
    let text = || String::from_utf8_lossy(line).into_owned();
    Ok(Ok(match kind {
        b'+' => Value::Text(text()),
        b'-' => return Ok(Err(text())),
        b':' => Value::Int(parse_number(line)?),
        b'$' => match parse_length(line)? {
            None => Value::Nil,
            Some(length) => {
                let (string, rest) = bytes.split_at_checked(length).ok_or(INCOMPLETE)?;
                *bytes = rest.get(2..).ok_or(INCOMPLETE)?;
                Value::Bytes(string.to_vec())
            }
        },
        _ => match parse_length(line)? {
            None => Value::Nil,
            Some(length) => {
                let mut list = Vec::with_capacity(length.min(bytes.len()));
                let mut error = None;
                for _ in 0..length {
                    match decode(bytes)? {
                        Ok(element) => list.push(element),
                        Err(line) => error = error.or(Some(line)),
                    }
                }
                match error {
                    Some(line) => return Ok(Err(line)),
                    None => Value::List(list),
                }
            }
        },
    }))
}

/// The scanner has seen to it that this is never met.
const INCOMPLETE: Malformed = Malformed("an answer that ends too soon");

/// The first byte of a line and the rest of it, without its end.
fn take_line<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let end = bytes.windows(2).position(|end| end == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    *bytes = rest.get(2..)?;
    let (&kind, line) = line.split_first()?;
    Some((kind, line))
}

#[cfg(test)]
mod tests;
