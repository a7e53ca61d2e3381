//! What workers do to the tree. Every operation has the same shape: take the locks; look whether
//! there is anything to do; do it in several steps; look again at all that it relied on.
//!
//! * `file.rs`: read, edit, create, delete a file
//! * `directory.rs`: list, copy, delete a directory
//! * `relocate.rs`: rename and move files and directories

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};

use mutextree::TreePath;

use crate::check::Stop;
use crate::locks::{Held, Locks, Need, Waits};

mod directory;
mod file;
mod relocate;
#[cfg(test)]
mod tests;

pub(crate) use directory::{Listing, copy_directory, delete_directory, list};
pub(crate) use file::{create, delete, edit, read};
pub(crate) use relocate::relocate;

/// The kinds of operations, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Edit,
    List,
    Create,
    Delete,
    Rename,
    MoveFile,
    MoveDirectory,
    CopyDirectory,
    DeleteDirectory,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Read,
        Self::Edit,
        Self::List,
        Self::Create,
        Self::Delete,
        Self::Rename,
        Self::MoveFile,
        Self::MoveDirectory,
        Self::CopyDirectory,
        Self::DeleteDirectory,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read a file",
            Self::Edit => "edit a file",
            Self::List => "list a directory",
            Self::Create => "create a file",
            Self::Delete => "delete a file",
            Self::Rename => "rename",
            Self::MoveFile => "move a file",
            Self::MoveDirectory => "move a directory",
            Self::CopyDirectory => "copy a directory",
            Self::DeleteDirectory => "delete a directory",
        })
    }
}

/// How many files and directories an operation has added to the tree, or taken away if less than
/// zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) files: i64,
    pub(crate) directories: i64,
}

/// Where one worker works, and with what.
pub(crate) struct Site<'a> {
    pub(crate) root: &'a Path,
    pub(crate) locks: &'a Locks,
    pub(crate) waits: Cell<Waits>,
    /// The last stamp given to a write; no two sites share any.
    pub(crate) stamp: Cell<u32>,
    /// Called halfway through every operation, where its ground would have to be pulled away:
    /// nothing at all, but in tests.
    pub(crate) halfway: &'a dyn Fn(),
}

impl<'a> Site<'a> {
    /// The site of the worker with this number, below 256. The first copy of the tree is number
    /// 0's.
    pub(crate) fn new(root: &'a Path, locks: &'a Locks, worker: u8) -> Self {
        Self { root, locks, waits: Cell::default(), stamp: Cell::new(u32::from(worker) << 24), halfway: &|| () }
    }

    pub(crate) fn on_disk(&self, path: &TreePath) -> PathBuf {
        let mut place = self.root.to_path_buf();
        place.extend(path.components());
        place
    }

    fn hold<const N: usize>(&self, needs: [Need; N]) -> Result<Held, Stop> {
        Ok(self.locks.hold(needs, &self.waits)?)
    }

    fn next_stamp(&self) -> u32 {
        let last = self.stamp.get();
        self.stamp.set((last & 0xff00_0000) | (last.wrapping_add(1) & 0x00ff_ffff));
        self.stamp.get()
    }
}

/// The directory that `path` stands in; there is none for the root, which nobody makes, moves or
/// deletes.
fn parent(path: &TreePath) -> Result<TreePath, Stop> {
    path.parent().ok_or(Stop::Pass)
}
