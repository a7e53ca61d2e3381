//! [`Command`]: a command as the bytes that the server reads.

/// A command in the making: a list of bulk strings.
///
/// The length of the list comes first on the wire, and is known last. So the buffer begins with
/// room for it, and [`Command::bytes`] writes it there, right before the first argument.
#[derive(Clone)]
pub(crate) struct Command {
    buffer: Vec<u8>,
    arguments: usize,
}

/// Room for `*`, the twenty digits that a number may have, and the end of a line.
const ROOM: usize = 23;

impl Command {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_capacity(name, 64)
    }

    /// With room for so many bytes.
    pub(crate) fn with_capacity(name: &str, capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(ROOM + capacity);
        buffer.resize(ROOM, 0);
        let mut command = Self { buffer, arguments: 0 };
        command.arg(name);
        command
    }

    /// Appends an argument.
    pub(crate) fn arg(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.buffer.push(b'$');
        push_number(&mut self.buffer, bytes.len() as u64);
        self.buffer.extend_from_slice(b"\r\n");
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
        self.arguments += 1;
        self
    }

    /// Appends a number, which is sent as its digits.
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        let (digits, from) = digits(number.unsigned_abs());
        if number >= 0 {
            return self.arg(&digits[from..]);
        }
        let mut text = [b'-'; 21];
        let length = 1 + digits.len() - from;
        text[1..length].copy_from_slice(&digits[from..]);
        self.arg(&text[..length])
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        let (digits, from) = digits(self.arguments as u64);
        let start = ROOM - 2 - (digits.len() - from) - 1;
        self.buffer[start] = b'*';
        self.buffer[start + 1..ROOM - 2].copy_from_slice(&digits[from..]);
        self.buffer[ROOM - 2..ROOM].copy_from_slice(b"\r\n");
        &self.buffer[start..]
    }
}

fn push_number(to: &mut Vec<u8>, number: u64) {
    let (digits, from) = digits(number);
    to.extend_from_slice(&digits[from..]);
}

/// The digits of a number, and where they begin.
fn digits(mut number: u64) -> ([u8; 20], usize) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return (digits, from);
        }
    }
}

#[cfg(test)]
mod tests;
