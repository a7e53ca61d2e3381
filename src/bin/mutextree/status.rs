//! [`Failure`]: why the command ends early, and the exit status that says so. The table of all
//! statuses is in `docs/command.md`.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use mutextree::{LockError, PathError, RedisStoreError};

use crate::redact::redacted;

/// The command line makes no sense.
pub(crate) const USAGE: u8 = 64;
/// The server, or the directory, cannot be used.
pub(crate) const UNAVAILABLE: u8 = 69;
/// The operating system refused something.
pub(crate) const SYSTEM: u8 = 71;
/// The lock could not be had in time.
pub(crate) const NOT_HAD: u8 = 75;
/// The lock was lost, and the command was stopped.
pub(crate) const LOST: u8 = 76;
/// The command is there and cannot be run.
pub(crate) const CANNOT_RUN: u8 = 126;
/// There is no such command.
pub(crate) const NOT_FOUND: u8 = 127;

/// Why the command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With this exit status, after this message on stderr.
    Status(u8, String),
    /// By this signal, as if there had been no handler for it.
    Signal(i32),
    /// Nobody reads what is written. Nothing is said, as there is nobody to say it to.
    NoReader,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Status(USAGE, message.into())
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Status(UNAVAILABLE, message.into())
    }

    pub(crate) fn system(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Status(SYSTEM, format!("{what}: {error}"))
    }

    /// Says what there is to say, and returns the exit status.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Status(status, message) => {
                say(&message);
                ExitCode::from(status)
            }
            Self::Signal(signal) => {
                // It does not return if the signal ends a process by default, as all of these do.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
            }
            Self::NoReader => ExitCode::SUCCESS,
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let status = match &error {
            LockError::Path(_) | LockError::InvalidInput(_) => USAGE,
            LockError::WouldBlock { .. } | LockError::TimedOut { .. } => NOT_HAD,
            LockError::NotHeld { .. } => LOST,
            LockError::Store(source) => match source.downcast_ref() {
                Some(RedisStoreError::Config(_)) => USAGE,
                _ => UNAVAILABLE,
            },
            _ => UNAVAILABLE,
        };
        // What a store said needs no introduction.
        let message = match &error {
            LockError::Store(source) => chain(&**source),
            error => chain(error),
        };
        Self::Status(status, message)
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::usage(error.to_string())
    }
}

/// Of writing to stdout.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::NoReader,
            _ => Self::system("cannot write", error),
        }
    }
}

/// The error and what it came of, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some say what their source says.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// A line on stderr. If that is closed, there is nothing to be done about it.
pub(crate) fn say(message: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "mutextree: {}", redacted(message));
}
