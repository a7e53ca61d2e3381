//! [`Bell`]: wakes a thread that reads from a socket, though nothing has come.

use std::io;

#[cfg(unix)]
use std::os::unix::net::UnixStream;

/// Rung by anybody, and heard by the one thread that reads. A ring that comes before the thread
/// waits is heard when it does.
#[derive(Debug)]
pub(in crate::redis) struct Bell {
    #[cfg(unix)]
    rung: UnixStream,
    #[cfg(unix)]
    heard: UnixStream,
}

#[cfg(unix)]
impl Bell {
    pub(in crate::redis) fn new() -> io::Result<Self> {
        let (rung, heard) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { rung, heard })
    }

    pub(in crate::redis) fn ring(&self) {
        // If there is no room for one more ring, there are some to be heard.
        let _ = io::Write::write(&mut &self.rung, &[0]);
    }

    /// Takes all that was rung.
    pub(super) fn hush(&self) {
        let mut rings = [0; 64];
        while io::Read::read(&mut &self.heard, &mut rings).is_ok_and(|count| count == rings.len()) {}
    }

    /// What becomes readable when it is rung.
    pub(super) fn heard(&self) -> &UnixStream {
        &self.heard
    }
}

/// Elsewhere the thread looks by itself, several times a second.
#[cfg(not(unix))]
impl Bell {
    pub(in crate::redis) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(in crate::redis) fn ring(&self) {}
}
