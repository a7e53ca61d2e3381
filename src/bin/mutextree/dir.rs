//! [`Directory`]: locks among the processes of one machine, in files of a directory.
//!
//! * `dir/table.rs`: the table of requests, one process at a time
//! * `dir/entry.rs`: what is written down of one request
//!
//! # How
//! A request, held or waiting, is one file in `DIR/requests`, which its process keeps locked
//! (`flock`, exclusively) for as long as it lives. The kernel ends that lock with the process,
//! however it dies. So a file that can be locked belongs to nobody any more, and is removed by the
//! next one who looks. The file says what is asked for. `DIR/table` is locked by those who look at
//! the requests in order to add or grant one, which takes as long as reading them. It holds the
//! last number that was drawn.
//!
//! * D1: A request is granted, under the lock of the table, if it conflicts with no held request
//!   and with no earlier waiting one, by the crate's own [`conflicts`](mutextree::conflicts()). So
//!   all kinds of locks exclude each other as over a server, and waiters have their turns in order.
//! * D2: A waiter waits until the file of one that is in its way can be locked (shared): then that
//!   one is gone. It then looks again. The kernel wakes it; nothing polls. What is in its way can
//!   only become less: it came earlier.
//! * D3: Several nodes are one request. So they are had together or not at all, and no deadlock is
//!   possible: a request waits for earlier ones only.
//! * D4: Numbers rise, also if the directory was removed meanwhile: each is at least the wall
//!   clock's microseconds. A grant draws one as its fencing token.
//!
//! # Why not a file for each node
//! The obvious way is one lock file a node, ancestors locked shared and the node exclusively. It
//! has no way to say "shared with all below": a reader of a subtree and a writer below it would
//! both lock the node's file shared. It has no order among waiters, leaves a file for each name
//! that was ever locked, cannot tell who holds what, and has to encode names so that two never meet
//! in one file. The table has none of that. Its price is that a request reads all others of the
//! directory, and that a process that is stopped just while it has the table stops the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mutextree::{HeldLock, Snapshot, WaitingLock};

mod entry;
mod table;

pub(crate) use entry::{Entry, State};
pub(crate) use table::{Request, Table};

use crate::status::Failure;

/// A directory that keeps locks.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the directory if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let requests = path.join("requests");
        let made = if path.is_dir() { Ok(()) } else { fs::create_dir(path) };
        let made = made.and_then(|()| if requests.is_dir() { Ok(()) } else { fs::create_dir(&requests) });
        match made {
            // Another process made it just now.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && requests.is_dir() => {}
            Err(error) => return Err(Failure::unavailable(format!("cannot make {}: {error}", requests.display()))),
            Ok(()) => {}
        }
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is held and waited for, now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Failure> {
        let entries = Table::lock(self)?.entries()?;
        let now = wall_clock();
        let since = |micros: u64| Some(Duration::from_micros(now.saturating_sub(micros)));
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for entry in &entries {
            for path in &entry.paths {
                if let State::Held { token, since: began } = entry.state {
                    let mut lock = HeldLock::new(path.clone(), entry.kind());
                    lock.owner = Some(entry.owner.as_str().into());
                    lock.fencing_token = Some(token);
                    lock.held_for = since(began);
                    lock.client = Some(entry.process.to_string());
                    held.push(lock);
                } else {
                    let mut lock = WaitingLock::new(path.clone(), entry.kind());
                    lock.owner = Some(entry.owner.as_str().into());
                    lock.waited = since(entry.number);
                    lock.client = Some(entry.process.to_string());
                    lock.set = (entry.paths.len() > 1).then_some(entry.number);
                    waiting.push(lock);
                }
            }
        }
        Ok(Snapshot::new(held, waiting))
    }
}

/// Microseconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
