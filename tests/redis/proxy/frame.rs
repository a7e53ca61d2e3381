/// The length of the first command or answer in these bytes; `None` if it is not all there.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut values) = (0, 1);
    while values > 0 {
        let end = at + bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let count = std::str::from_utf8(&bytes[at + 1..end]).ok().and_then(|text| text.parse::<i64>().ok());
        let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0); // -1 is nothing
        values -= 1;
        match bytes[at] {
            b'$' | b'=' if bytes[at + 1] == b'-' => at = end + 2,
            b'$' | b'=' => at = end + 2 + count + 2,
            b'*' | b'~' | b'>' => (at, values) = (end + 2, values + count),
            b'%' => (at, values) = (end + 2, values + 2 * count),
            _ => at = end + 2,
        }
        if at > bytes.len() {
            return None;
        }
    }
    Some(at)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Command {
    Script,
    /// Answered when there is a message.
    Listen,
    /// Said when a connection is opened.
    Login,
    Other,
}

impl Command {
    pub(super) fn new(command: &[u8]) -> Self {
        let name = command.split(|&byte| byte == b'\n').nth(2).unwrap_or_default();
        match name.to_ascii_uppercase().trim_ascii_end() {
            b"EVAL" | b"EVALSHA" | b"FCALL" => Self::Script,
            b"BLMPOP" => Self::Listen,
            b"AUTH" | b"SELECT" | b"CLIENT" | b"PING" => Self::Login,
            // `INFO server replication` is said then, too; `INFO all` is not.
            b"INFO" if command.starts_with(b"*3") => Self::Login,
            _ => Self::Other,
        }
    }
}

/// Whether it says that the script is not known, and so did not run.
pub(super) fn did_not_run(answer: &[u8]) -> bool {
    answer.starts_with(b"-NOSCRIPT")
}

/// Whether a listener's answer brings something.
pub(super) fn is_message(answer: &[u8]) -> bool {
    answer.starts_with(b"*2")
}

#[test]
fn streams_are_cut_into_commands_and_answers() {
    let whole = [&b"*2\r\n$4\r\nEVAL\r\n$6\r\n\r\n*1\r\n\r\n"[..], b":1\r\n", b"*-1\r\n", b"$-1\r\n", b"-NO: 3\r\n"];
    let nested = b"*3\r\n:1\r\n*2\r\n$0\r\n\r\n:2\r\n$2\r\n\r\n\r\n";
    for frame in whole.into_iter().chain([&nested[..]]) {
        let two = [frame, b":2\r\n"].concat();
        assert_eq!(length(&two), Some(frame.len()), "{}", frame.escape_ascii());
        for cut in 0..frame.len() {
            assert_eq!(length(&frame[..cut]), None, "{}", frame[..cut].escape_ascii());
        }
    }
    assert_eq!(Command::new(whole[0]), Command::Script);
    assert_eq!(Command::new(b"*1\r\n$6\r\nBLMPOP\r\n"), Command::Listen);
    assert_eq!(Command::new(b"*1\r\n$4\r\nINFO\r\n"), Command::Other);
}
