//! The messages in a client's mailbox: a token has been granted, with this fencing token. Or, with
//! a minus before the fencing token: that grant was ended by somebody else. Or, behind a question
//! mark: what somebody wants that is in conflict with something that this client may keep.
//!
//! A message is a hint. The state of a lock is in the scripts' hands, and a waiter in doubt asks.
//! So a message that is lost costs the time until the waiter's next heartbeat, and one too many
//! costs nothing.

use super::keys;
use crate::path::TreePath;
use crate::request::Kind;

/// What a message says of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Message {
    /// It has been granted, with this fencing token.
    Granted(u64),
    /// What was granted with this fencing token has been broken.
    Broken(u64),
}

/// The number of the lock that a message is about, and what it says. The number is the end of the
/// token that this client made.
pub(in crate::redis) fn parse(message: &[u8]) -> Option<(u64, Message)> {
    let (token, what) = std::str::from_utf8(message).ok()?.split_once(',')?;
    let (_, number) = token.rsplit_once('.')?;
    let what = match what.strip_prefix('-') {
        Some(fencing_token) => Message::Broken(fencing_token.parse().ok()?),
        None => Message::Granted(what.parse().ok()?),
    };
    Some((u64::from_str_radix(number, 16).ok()?, what))
}

/// What another client waits for: it is in conflict with something that this one may keep. Its path
/// and how it is wanted.
pub(in crate::redis) fn parse_recall(message: &[u8]) -> Option<(TreePath, Kind)> {
    match message {
        [b'?', digit @ b'1'..=b'4', b',', path @ ..] => {
            Some((keys::decode(path)?, keys::kind(u64::from(digit - b'0'))?))
        }
        _ => None,
    }
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
