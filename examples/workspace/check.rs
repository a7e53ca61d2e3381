//! The checker: tells an operation that came too late from one whose files changed under its locks.
//!
//! Before an operation has seen its target, a missing file says nothing. It was moved before the
//! lock was taken, and the operation passes ([`Check::first`]). From then on the locks promise that
//! nothing changes, and everything is looked at again. What has changed all the same is a
//! [`Violation`] ([`Check::again`]).

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use mutextree::TreePath;

use crate::locks::Refused;

/// What happened to an operation while it held its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// What it had seen was there no more.
    Gone,
    /// What it had seen was another: a listing, a text, a name that had been free.
    Changed,
    /// A file was half-written by somebody else.
    Torn,
}

impl Violation {
    pub(crate) const ALL: [Self; 3] = [Self::Gone, Self::Changed, Self::Torn];

    pub(crate) fn at(self, path: &TreePath) -> Stop {
        Stop::Violated(self, path.clone())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Torn => "torn",
        })
    }
}

/// Why an operation was not done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// There is nothing to do it on, or no room for it: take another.
    Pass,
    /// It failed, and with its locks held it must not.
    Violated(Violation, TreePath),
    /// Nobody's fault here: the disk is full, say.
    Fault(String),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Overlap => Self::Pass,
            Refused::Failed(error) => Self::Fault(error.to_string()),
        }
    }
}

/// How an I/O error is to be taken.
pub(crate) trait Check<T> {
    /// At the first look: what is not there, or is something else, is no target.
    fn first(self, path: &TreePath) -> Result<T, Stop>;
    /// Later on: it was there, and it must be.
    fn again(self, path: &TreePath) -> Result<T, Stop>;
}

impl<T> Check<T> for io::Result<T> {
    fn first(self, path: &TreePath) -> Result<T, Stop> {
        self.map_err(|error| if about_names(&error) { Stop::Pass } else { fault(path, &error) })
    }

    fn again(self, path: &TreePath) -> Result<T, Stop> {
        self.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Violation::Gone.at(path),
            // The file system cannot hold such a name, locks or no locks.
            ErrorKind::InvalidFilename => Stop::Pass,
            _ if about_names(&error) => Violation::Changed.at(path),
            _ => fault(path, &error),
        })
    }
}

fn fault(path: &TreePath, error: &io::Error) -> Stop {
    Stop::Fault(format!("`{path}`: {error}"))
}

/// Whether the error says that a name does not stand for what it was thought to stand for.
fn about_names(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::InvalidFilename
            // A directory moved into itself; a seek in a file shorter than its seal.
            | ErrorKind::InvalidInput
            | ErrorKind::UnexpectedEof
    )
}

/// Checks that nothing bears this name.
pub(crate) fn is_free(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
    }
}

/// Checks that this is a directory.
pub(crate) fn is_dir(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
}
