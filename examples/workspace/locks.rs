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
//! 4. **Below a subtree that I hold, nothing changes at all.** Every change there is made under a
//!    lock there.
//! 5. **A file that I hold does not change**: an edit is exclusive.
//!
//! Node only is what makes this cheap: creating `a/x` locks `a` against listings and other
//! creations, and leaves alone all work in `a/y`.
//!
//! # Several locks at once
//! An operation takes all its locks as one [`TreeMutexSet`]: all or none. It holds nothing while it
//! waits. So operations never wait for each other in a circle, in whatever order they name their
//! locks, and none starves.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mutextree::{
    Kind, LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexSetGuard, Scope, TreeMutex, TreeMutexSet, TreePath,
    conflicts,
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
    _guard: Option<OwnedTreeMutexSetGuard>,
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
        let guard = self.store.as_ref().map(|store| hold_all(store, &needs, waits)).transpose();
        Ok(Held { _guard: guard.map_err(Refused::Failed)? })
    }
}

fn hold_all(store: &MemoryStore, needs: &[Need], waits: &Cell<Waits>) -> Result<OwnedTreeMutexSetGuard, LockError> {
    let mutexes = needs.iter().map(|need| need.mutex(store)).collect::<Result<Vec<_>, _>>()?;
    let set = TreeMutexSet::new(mutexes)?;
    // Tries at first, so that only real waits are counted.
    if let Ok(guard) = set.try_lock_owned() {
        return Ok(guard);
    }
    let since = Instant::now();
    let guard = set.lock_owned()?;
    let mut sum = waits.get();
    sum.add(since.elapsed());
    waits.set(sum);
    Ok(guard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
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

    /// Threads that always hold something in both directories do not keep a move from them.
    #[test]
    fn a_move_gets_through_a_storm() {
        let (locks, over) = (Locks::new(true), AtomicBool::new(false));
        thread::scope(|scope| {
            for file in ["from/1", "from/2", "from/3", "to/1", "to/2", "to/3"] {
                let (locks, over) = (&locks, &over);
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        let _held = locks.hold([Need::change(&path(file))], &Cell::default()).unwrap();
                        thread::sleep(Duration::from_millis(2));
                    }
                });
            }
            let began = Instant::now();
            for _ in 0..20 {
                let needs = [Need::names(&path("/")), Need::change(&path("from")), Need::change(&path("to"))];
                drop(locks.hold(needs, &Cell::default()).unwrap());
            }
            over.store(true, Ordering::SeqCst);
            assert!(began.elapsed() < Duration::from_secs(4), "it starves: {:?}", began.elapsed());
        });
    }
}
