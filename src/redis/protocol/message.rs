//! The messages in a client's mailbox: a token has been granted, with this fencing token.
//!
//! A message is a hint. The state of a lock is in the scripts' hands, and a waiter in doubt asks.
//! So a message that is lost costs the time until the waiter's next heartbeat, and one too many
//! costs nothing.

/// The number of the lock that a message is about, and its fencing token. The number is the end of
/// the token that this client made.
pub(in crate::redis) fn parse(message: &[u8]) -> Option<(u64, u64)> {
    let (token, fencing_token) = std::str::from_utf8(message).ok()?.split_once(',')?;
    let (_, number) = token.rsplit_once('.')?;
    Some((u64::from_str_radix(number, 16).ok()?, fencing_token.parse().ok()?))
}

/// What a waiter is told. What comes before it waits is kept for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::redis) enum News {
    #[default]
    Nothing,
    /// Something may have changed: ask the server.
    Ask,
    /// It has been granted, with this fencing token.
    Granted(u64),
    /// The server has been silent for as long as a lease: ask once more, and give up.
    Silent,
}

#[cfg(test)]
mod tests;
