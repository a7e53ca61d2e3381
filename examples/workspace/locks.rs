//! Which locks an operation takes, and what it may rely on while it has them.
//!
//! # The protocol
//! A path on disk is locked under the same path in the tree.
//!
//! | to | locks | |
//! |---|---|---|
//! | read a file | the file | shared |
//! | edit a file | the file | exclusive |
//! | list a directory | the directory, node only | shared |
//! | create, delete, rename a file or directory | the name itself (for a rename: both names) | exclusive |
//! | | and the directory that it stands in, node only | exclusive |
//! | copy a directory | what is copied | shared |
//! | | and as for creating the copy | |
//!
//! What that gives, each point from the conflict table alone:
//!
//! 1. **My path leads where it led.** To move or delete a directory takes its whole subtree
//!    exclusively, which conflicts with any lock at or below it. So while I hold anything at
//!    `a/b/c`, nobody renames `a`, `a/b` or `a/b/c`.
//! 2. **A name that I hold stays there, or stays free.** A name comes and goes only under an
//!    exclusive lock on that name.
//! 3. **The listing that I hold stays as it is.** A name in `a` comes and goes only under an
//!    exclusive node-only lock on `a`.
//! 4. **Below a subtree that I hold, nothing changes at all.** Whoever changes something there
//!    holds a lock there.
//! 5. **A file that I hold does not change**: an edit is exclusive.
//!
//! Node only is what makes this cheap: creating `a/x` locks `a` against listings and other
//! creations, and leaves alone those who are busy in `a/y`.
//!
//! # Several locks at once
//! They are asked for in path order, and that is not enough. Say I hold `a/x` and ask for `a/y`,
//! while somebody waits for all of `a`: he waits for my `a/x`, I wait behind him, because a lock
//! that is waited for is not overtaken for ever. So nobody may *wait* while he holds something. An
//! operation waits for one lock, with empty hands; the others it only tries. If one is not to be
//! had it lets go of everything, waits for that one, and tries the rest again. Who waits holds
//! nothing: nobody waits in a circle.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mutextree::{
    Kind, LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexGuard, Scope, TreeMutex, TreePath, conflicts,
};

/// One lock that an operation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    path: TreePath,
    kind: Kind,
}

impl Need {
    /// To read this file, or everything in this directory.
    pub(crate) fn read(path: &TreePath) -> Self {
        Self { path: path.clone(), kind: Kind::new(Mode::Shared, Scope::Subtree) }
    }

    /// To change, make or remove this file or directory.
    pub(crate) fn change(path: &TreePath) -> Self {
        Self { path: path.clone(), kind: Kind::new(Mode::Exclusive, Scope::Subtree) }
    }

    /// To rely on the names in this directory.
    pub(crate) fn list(path: &TreePath) -> Self {
        Self { path: path.clone(), kind: Kind::new(Mode::Shared, Scope::Node) }
    }

    /// To add names to this directory or take them away.
    pub(crate) fn names(path: &TreePath) -> Self {
        Self { path: path.clone(), kind: Kind::new(Mode::Exclusive, Scope::Node) }
    }

    fn conflicts(&self, other: &Self) -> bool {
        conflicts((&self.path, self.kind), (&other.path, other.kind))
    }

    fn mutex(&self, store: &MemoryStore) -> Result<TreeMutex, LockError> {
        let mut mutex = store.mutex(&self.path)?;
        if self.kind.mode == Mode::Shared {
            mutex = mutex.shared();
        }
        if self.kind.scope == Scope::Node {
            mutex = mutex.node_only();
        }
        Ok(mutex)
    }
}

/// What a worker spent waiting for locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// How many acquisitions could not be had at once.
    pub(crate) count: u64,
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
}

impl Waits {
    fn add(&mut self, waited: Duration) {
        *self += Self { count: 1, total: waited, longest: waited };
    }
}

impl std::ops::AddAssign for Waits {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }
}

/// The locks of one operation, released together.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held {
    _guards: Vec<OwnedTreeMutexGuard>,
}

/// Why an operation cannot have its locks.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Two of them exclude each other: it is about a thing and a part of that thing.
    Overlap,
    Failed(LockError),
}

/// Where locks come from: a store, or nowhere with `--no-lock`.
pub(crate) struct Locks {
    store: Option<MemoryStore>,
}

impl Locks {
    pub(crate) fn new(lock: bool) -> Self {
        Self { store: lock.then(MemoryStore::new) }
    }

    /// Takes all of them, and blocks until that is possible.
    pub(crate) fn hold<const N: usize>(&self, needs: [Need; N], waits: &Cell<Waits>) -> Result<Held, Refused> {
        let mut needs = Vec::from(needs);
        needs.sort_by(|one, other| one.path.cmp(&other.path));
        needs.dedup();
        if needs.iter().enumerate().any(|(at, need)| needs[..at].iter().any(|other| need.conflicts(other))) {
            return Err(Refused::Overlap);
        }
        let guards = match &self.store {
            Some(store) => hold_all(store, &needs, waits).map_err(Refused::Failed)?,
            None => Vec::new(),
        };
        Ok(Held { _guards: guards })
    }
}

fn hold_all(store: &MemoryStore, needs: &[Need], waits: &Cell<Waits>) -> Result<Vec<OwnedTreeMutexGuard>, LockError> {
    let mutexes = needs.iter().map(|need| need.mutex(store)).collect::<Result<Vec<_>, _>>()?;
    let mut wait_for = None;
    'again: loop {
        let mut guards = Vec::with_capacity(mutexes.len());
        if let Some(at) = wait_for {
            let since = Instant::now();
            let mutex: &TreeMutex = &mutexes[at];
            guards.push(mutex.lock_owned()?);
            let mut sum = waits.get();
            sum.add(since.elapsed());
            waits.set(sum);
        }
        for (at, mutex) in mutexes.iter().enumerate().filter(|(at, _)| Some(*at) != wait_for) {
            match mutex.try_lock_owned() {
                Ok(guard) => guards.push(guard),
                Err(LockError::WouldBlock { .. }) => {
                    wait_for = Some(at);
                    continue 'again; // which lets go of the others
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(guards);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};
    use std::thread;

    fn path(text: &str) -> TreePath {
        text.parse().unwrap()
    }

    #[test]
    fn an_operation_on_a_thing_and_a_part_of_it_is_refused() {
        for lock in [true, false] {
            let (locks, waits) = (Locks::new(lock), Cell::default());
            let into_itself = [Need::names(&path("a")), Need::change(&path("a/b")), Need::names(&path("a/b/c"))];
            assert!(matches!(locks.hold(into_itself, &waits), Err(Refused::Overlap)));
            let onto_itself = [Need::read(&path("a")), Need::change(&path("a"))];
            assert!(matches!(locks.hold(onto_itself, &waits), Err(Refused::Overlap)));
            let next_to_itself = [Need::names(&path("a")), Need::read(&path("a/b")), Need::change(&path("a/c"))];
            assert!(locks.hold(next_to_itself, &waits).is_ok());
            let twice = [Need::names(&path("a")), Need::names(&path("a"))];
            assert!(locks.hold(twice, &waits).is_ok());
            assert_eq!(waits.get(), Waits::default());
        }
    }

    #[test]
    fn what_is_held_excludes_and_is_waited_for() {
        let (locks, waits) = (Arc::new(Locks::new(true)), Cell::default());
        let held = locks.hold([Need::names(&path("a")), Need::change(&path("a/b"))], &waits).unwrap();
        let (sender, receiver) = mpsc::channel();
        let other = thread::spawn({
            let locks = Arc::clone(&locks);
            move || {
                let _listing = locks.hold([Need::list(&path("a"))], &Cell::default()).unwrap();
                sender.send(()).unwrap();
            }
        });
        // `a/c` does not care; `a` waits, however long that takes to show.
        drop(locks.hold([Need::change(&path("a/c"))], &waits).unwrap());
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        drop(held);
        other.join().unwrap();
        receiver.recv().unwrap();
        assert_eq!(waits.get().count, 0);
    }

    /// Holding `a/x` and waiting for `a/y` would deadlock with those who wait for all of `a`.
    #[test]
    fn two_ends_of_a_move_do_not_deadlock_with_their_common_ancestor() {
        let locks = Arc::new(Locks::new(true));
        let (sender, receiver) = mpsc::channel();
        for worker in 0..4 {
            let (locks, sender) = (Arc::clone(&locks), sender.clone());
            thread::spawn(move || {
                let waits = Cell::default();
                for _ in 0..500 {
                    drop(match worker {
                        0 => locks.hold([Need::change(&path("a"))], &waits),
                        1 => locks.hold([Need::names(&path("/")), Need::change(&path("a"))], &waits),
                        2 => locks.hold([Need::change(&path("a/x")), Need::change(&path("a/y"))], &waits),
                        _ => locks.hold([Need::names(&path("a/y/z")), Need::change(&path("a/x/z"))], &waits),
                    });
                }
                sender.send(()).unwrap();
            });
        }
        for _ in 0..4 {
            receiver.recv_timeout(Duration::from_secs(60)).expect("all four get through");
        }
    }
}
