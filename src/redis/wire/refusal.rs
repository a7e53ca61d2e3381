//! What an error of the server means: for its command, and for the connection that brought it.

use super::super::error::{Failure, RedisStoreError};

/// An error that the server answered.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// It is not, or not any more, the server that decides about the tree. A connection to it is
    /// given up, so that the next one asks again who does.
    pub(super) wrong_server: bool,
}

/// Codes of a server that is not the master of the tree.
///
/// `LOADING` is among them: a master that restarts has cut all connections, so on one that lives
/// it is a replica that takes over the data of its new master.
const WRONG_SERVER: [&str; 6] = ["READONLY", "MASTERDOWN", "MOVED", "CLUSTERDOWN", "UNBLOCKED", "LOADING"];

/// Codes of a server whose slot is on its way to another: `wire.rs` says why nobody follows `ASK`.
const ON_ITS_WAY: [&str; 2] = ["TRYAGAIN", "ASK"];

/// Codes of a server that will do what it is asked later, if it is asked again.
const LATER: [&str; 4] = ["BUSY", "OOM", "NOREPLICAS", "MISCONF"];

/// What is said of `ON_ITS_WAY`.
const BEING_MOVED: &str = "the slot of this tree is being moved";

impl Refusal {
    /// Of the message of an error: a code, a space and a sentence.
    pub(super) fn new(message: &str, address: &str) -> Self {
        let code = message.split(' ').next().unwrap_or_default();
        let wrong_server = WRONG_SERVER.contains(&code);
        let busy = || RedisStoreError::Busy { reason: message.into() };
        let on_its_way = ON_ITS_WAY.contains(&code);
        let signs = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
        let failure = if on_its_way {
            Failure::Later(RedisStoreError::Busy { reason: format!("{BEING_MOVED} ({message})") })
        } else if wrong_server || LATER.contains(&code) || message.contains("max number of clients") {
            Failure::Later(busy())
        } else if code == "NOSCRIPT" {
            Failure::NoScript
        } else if code == "HELLO" {
            Failure::Stranger
        } else if ["NOAUTH", "WRONGPASS"].contains(&code) || signs(&["unauthenticated"]) {
            // The last is said to a command of more than ten words.
            Failure::Refused(RedisStoreError::Authentication { address: address.into() })
        } else if code == "NOPERM" || signs(&["ACL failure", "NOPERM", "user executing the script"]) {
            Failure::Refused(RedisStoreError::Permission { missing: missing(message) })
        } else {
            Failure::Refused(RedisStoreError::Protocol(message.into()))
        };
        Self { failure, wrong_server }
    }
}

/// Whether the server said that another one has the tree, or is to have it. So there is, or will
/// be, a server that does what was asked.
pub(super) fn is_passing_on(failure: &Failure) -> bool {
    let Failure::Later(RedisStoreError::Busy { reason }) = failure else { return false };
    let code = reason.split(' ').next().unwrap_or_default();
    WRONG_SERVER.contains(&code) || reason.starts_with(BEING_MOVED)
}

/// The name of what is missing, from the server's sentence: it puts a command in quotes, and does
/// not name keys.
fn missing(message: &str) -> String {
    let (_code, sentence) = message.split_once(' ').unwrap_or_default();
    let mut quoted = sentence.split('\'').skip(1);
    match (quoted.next(), quoted.next()) {
        (Some(command), Some(_)) => format!("the command {}", command.to_uppercase()),
        _ if sentence.contains("channel") => "the channels of the tree: grant &{tree}:*".to_owned(),
        _ if sentence.contains("key") => "the keys of the tree: grant ~{tree}:*".to_owned(),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests;
