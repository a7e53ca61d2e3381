//! [`RedisStoreError`]: what can go wrong between us and the server, and [`Failure`]: what that
//! means for the command at hand.

use std::fmt;

/// Why a [`RedisStore`](crate::RedisStore) failed: what is inside
/// [`LockError::Store`](crate::LockError::Store).
///
/// No message ever holds a password.
///
/// ```
/// use mutextree::{LockError, RedisStore, RedisStoreError};
/// let error = RedisStore::connect("redis://127.0.0.1:1").unwrap_err(); // nobody listens there
/// let LockError::Store(error) = error else { panic!() };
/// assert!(matches!(error.downcast_ref(), Some(RedisStoreError::Unreachable { .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The URL, or something else that was asked for, makes no sense.
    Config(String),
    /// The server is not there, or does not answer in time.
    Unreachable {
        /// Host and port, or the path of the socket.
        address: String,
        /// What the operating system, or the client, said.
        reason: String,
    },
    /// The server wants another user name or password.
    Authentication {
        /// Host and port, or the path of the socket.
        address: String,
    },
    /// The user may not do what the store has to do.
    Permission {
        /// The command, or the keys, that the user has no permission for.
        missing: String,
    },
    /// The server is older than Redis 7.0.
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// The server may evict keys that hold locks when its memory is full.
    Evicting {
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// The server refuses for now, and went on doing so: it loads its data, is out of memory, is a
    /// replica.
    Busy {
        /// What it said.
        reason: String,
    },
    /// Fewer replicas than the store [waits for](crate::RedisStoreBuilder::wait_for_replicas) had
    /// acknowledged the grant in time. It is given back.
    TooFewReplicas {
        /// As many had.
        acknowledged: usize,
        /// As many should have.
        wanted: usize,
    },
    /// The server answered what the store cannot make sense of.
    Protocol(String),
}

impl fmt::Display for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) => f.write_str(what),
            Self::Unreachable { address, reason } => {
                write!(f, "the Redis server at {address} cannot be reached: {reason}")
            }
            Self::Authentication { address } => {
                write!(f, "the Redis server at {address} does not accept the user name or the password")
            }
            Self::Permission { missing } => write!(f, "the Redis user has no permission for {missing}"),
            Self::TooOld { version } => write!(f, "the server is Redis {version}, and at least 7.0 is needed"),
            Self::Evicting { policy } => write!(
                f,
                "the Redis server may evict locks when its memory is full: its maxmemory-policy is {policy}; noeviction or a volatile one is needed"
            ),
            Self::Busy { reason } => write!(f, "the Redis server refuses for now: {reason}"),
            Self::TooFewReplicas { acknowledged, wanted } => write!(
                f,
                "{acknowledged} of the {wanted} replicas that are waited for acknowledged the lock in time, so it was given back"
            ),
            Self::Protocol(what) => write!(f, "the Redis server answered what makes no sense here: {what}"),
        }
    }
}

impl std::error::Error for RedisStoreError {}

/// What an error means for the command that met it: by what may have happened, not by what went
/// wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Failure {
    /// It did not run, for there is no server to run it.
    Down(RedisStoreError),
    /// It did not run now, and may later.
    Later(RedisStoreError),
    /// It may have run, or may still.
    Unsure(RedisStoreError),
    /// It did not run, and will not.
    Refused(RedisStoreError),
    /// It did not run: the server does not know the script.
    NoScript,
    /// It did not run: the server has not been [greeted](super::protocol::calls::hello).
    Stranger,
}

impl Failure {
    /// Whether the same command, sent again as it is, would fail again.
    pub(in crate::redis) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NoScript)
    }

    /// Whether the server has not answered.
    pub(in crate::redis) fn is_silence(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Unsure(_))
    }

    pub(in crate::redis) fn into_error(self) -> RedisStoreError {
        match self {
            Self::Down(error) | Self::Later(error) | Self::Unsure(error) | Self::Refused(error) => error,
            Self::NoScript => RedisStoreError::Protocol("it forgets its scripts faster than they can be sent".into()),
            Self::Stranger => RedisStoreError::Busy { reason: "another server took over, again and again".into() },
        }
    }
}
