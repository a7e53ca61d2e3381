//! [`Snapshot`]: who holds and who waits, to look at.
//!
//! * `draw.rs` as a tree for people
//! * `dot.rs` as a graph for Graphviz
//! * `first.rs` the first of many that conflicts with a lock
//!
//! A store gives two lists. What each waiter is behind follows from them by the conflict table:
//! the first lock that conflicts, or else the earliest conflicting waiter before it. A member of a
//! set of which that is nobody is behind what the first other member is behind that has somebody.

use std::collections::HashMap;

use crate::backend::{HeldLock, WaitingLock};
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::{Kind, Mode, conflicts};

pub(crate) use self::draw::{brief, how, printable};

use self::first::Firsts;

mod dot;
mod draw;
mod first;

/// Who holds and who waits in a tree of locks, as [`LockStore::snapshot`] found it.
///
/// As text it is a tree, with a line for each lock that is held or waited for:
///
/// ```
/// use mutextree::{LockStore, MemoryStore};
/// let store = MemoryStore::new();
/// let _reader = store.mutex("docs/report")?.shared().owner("alice").lock_owned()?;
/// let _backup = store.mutex("org/team")?.owner("backup").lock_owned()?;
/// println!("{}", store.snapshot()?);
/// # let text = store.snapshot()?.to_string();
/// # assert!(text.starts_with("/"), "{text}");
/// # Ok::<(), mutextree::LockError>(())
/// ```
///
/// ```text
/// /
/// ├─ docs/report  held  shared     alice   1.2 s
/// └─ org/team     held  exclusive  backup  340 ms
///
/// 2 held, nobody waits
/// ```
///
/// # What it shows, and what it may miss
/// It is taken a node at a time, and stops nobody for longer than a look at one node. So locks
/// come and go while it is taken.
///
/// * What it shows of one node was so at one moment: the locks on one node never conflict.
/// * What is held, or waited for, throughout is there. What ended before is not.
/// * Two nodes are seen at two moments. So a lock that was released on one node and another that
///   was taken on a related node meanwhile may both be there, although they conflict.
/// * In memory a request may show as held while it looks around, before it is granted or starts to
///   wait. One that has only just begun to wait, or that goes on to wait at another node, may be
///   missing.
/// * A [set](crate::TreeMutexSet) that waits shows at each of its nodes. In memory it shows only at
///   the one where it waits, as long as it keeps nobody out of the others.
/// * Over Redis a snapshot takes several calls if there are more than a thousand locks or waiters.
///   What one call returns was all so at one moment.
///
/// [`LockStore::snapshot`]: crate::LockStore::snapshot
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where its drawing begins.
    top: TreePath,
    /// By path.
    held: Vec<HeldLock>,
    /// By path. The waiters for one node are in the order in which they get their turn.
    waiting: Vec<WaitingLock>,
    /// The places of all waiters in the order in which they get their turn.
    order: Vec<usize>,
}

impl Snapshot {
    /// Of these locks and waiters: the waiters in the order in which they get their turn. For
    /// implementors of [`Backend`](crate::Backend).
    ///
    /// What a waiter is [behind](WaitingLock::behind) is found here, unless it is set.
    ///
    /// ```
    /// use mutextree::{HeldLock, Kind, Snapshot, WaitingLock};
    /// let held = HeldLock::new("org".parse()?, Kind::default());
    /// let waiting = WaitingLock::new("org/team".parse()?, Kind::default());
    /// let snapshot = Snapshot::new(vec![held], vec![waiting]);
    /// let waiter = snapshot.waiters().next().unwrap();
    /// assert_eq!(waiter.behind.as_ref().unwrap().path().to_string(), "org");
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn new(mut held: Vec<HeldLock>, mut waiting: Vec<WaitingLock>) -> Self {
        held.sort_by(|one, other| one.path.cmp(&other.path));
        find_behind(&held, &mut waiting);
        let mut numbered: Vec<_> = waiting.into_iter().enumerate().collect();
        numbered.sort_by(|(_, one), (_, other)| one.path.cmp(&other.path));
        let mut order = vec![0; numbered.len()];
        for (place, (turn, _)) in numbered.iter().enumerate() {
            order[*turn] = place;
        }
        let waiting = numbered.into_iter().map(|(_, waiter)| waiter).collect();
        Self { top: TreePath::root(), held, waiting, order }
    }

    /// Each lock that is held, in the order of paths: see [`TreePath`].
    pub fn holders(&self) -> impl ExactSizeIterator<Item = &HeldLock> {
        self.held.iter()
    }

    /// Each lock that is waited for, in the order in which the waiters get their turn. It is that
    /// of their arrival. In memory those come first that keep newcomers out already, and only wait
    /// for locks below to end.
    pub fn waiters(&self) -> impl ExactSizeIterator<Item = &WaitingLock> {
        self.order.iter().map(|&place| &self.waiting[place])
    }

    /// Each node on which a lock is held, or waited for, in the order of paths.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _guards = (store.lock("a/b")?, store.lock("a/c/d")?);
    /// let paths: Vec<_> = store.snapshot()?.nodes().map(|node| node.path().to_string()).collect();
    /// assert_eq!(paths, ["a/b", "a/c/d"]);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn nodes(&self) -> impl Iterator<Item = SnapshotNode<'_>> {
        let (mut held, mut waiting) = (&*self.held, &*self.waiting);
        std::iter::from_fn(move || {
            let first = held.first().map(|lock| &lock.path);
            let path = first.into_iter().chain(waiting.first().map(|waiter| &waiter.path)).min()?;
            let (holders, rest) = held.split_at(held.iter().take_while(|lock| lock.path == *path).count());
            held = rest;
            let (waiters, rest) = waiting.split_at(waiting.iter().take_while(|waiter| waiter.path == *path).count());
            waiting = rest;
            Some(SnapshotNode { path, holders, waiters })
        })
    }

    /// The part at this node and below it. Its waiters may be behind something outside of it.
    ///
    /// ```
    /// use mutextree::{LockStore, MemoryStore};
    /// let store = MemoryStore::new();
    /// let _guards = (store.lock("org/team/mail")?, store.lock("docs")?);
    /// let team = store.snapshot()?.below(&"org/team".parse()?);
    /// assert_eq!(team.holders().count(), 1);
    /// # Ok::<(), mutextree::LockError>(())
    /// ```
    pub fn below(&self, path: &TreePath) -> Self {
        let held = self.held.iter().filter(|lock| lock.path.starts_with(path)).cloned().collect();
        let waiting = self.waiters().filter(|waiter| waiter.path.starts_with(path)).cloned().collect();
        Self { top: path.clone(), ..Self::new(held, waiting) }
    }

    /// Who would be in the way of a lock of this kind on `path`: the conflicting locks in the order
    /// of paths, then the conflicting waiters, the earliest first.
    /// [`TreeMutex::blockers`](crate::TreeMutex::blockers) asks the store itself.
    pub fn blockers(&self, path: &TreePath, kind: Kind) -> Vec<Blocker> {
        let held = self.holders().filter(|lock| conflicts((path, kind), (&lock.path, lock.kind)));
        let held = held.map(|lock| Blocker::by_holder(path.clone(), lock.clone()));
        let waiting = self.waiters().filter(|waiter| conflicts((path, kind), (&waiter.path, waiter.kind)));
        held.chain(waiting.map(|waiter| Blocker::by_waiter(path.clone(), waiter.clone()))).collect()
    }

    /// Whether nothing is held, and nobody waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.waiting.is_empty()
    }
}

/// Nothing is held, and nobody waits.
impl Default for Snapshot {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// One node of a [`Snapshot`]: who holds it and who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotNode<'a> {
    path: &'a TreePath,
    holders: &'a [HeldLock],
    waiters: &'a [WaitingLock],
}

impl<'a> SnapshotNode<'a> {
    /// The node's path.
    pub fn path(&self) -> &'a TreePath {
        self.path
    }

    /// The locks on this node.
    pub fn holders(&self) -> &'a [HeldLock] {
        self.holders
    }

    /// The waiters for this node, in the order in which they get their turn.
    pub fn waiters(&self) -> &'a [WaitingLock] {
        self.waiters
    }
}

/// Sets what each waiter is behind. The waiters are in the order in which they get their turn.
fn find_behind(held: &[HeldLock], waiting: &mut [WaitingLock]) {
    let mut holders = Firsts::default();
    for (at, lock) in held.iter().enumerate() {
        holders.add(at, &lock.path, lock.kind);
    }
    let mut earlier = Firsts::default();
    for at in 0..waiting.len() {
        let (before, rest) = waiting.split_at_mut(at);
        let waiter = &mut rest[0];
        let (path, kind) = (waiter.path.clone(), waiter.kind);
        if waiter.behind.is_none() {
            let holder = match own_lock(held, waiter) {
                // Rare, so all of them are gone through.
                Some(own) => {
                    (0..held.len()).find(|&at| at != own && conflicts((&path, kind), (&held[at].path, held[at].kind)))
                }
                None => holders.conflicting(&path, kind, |at| (&held[at].path, held[at].kind)),
            };
            waiter.behind = holder.map(|at| Blocker::by_holder(path.clone(), held[at].clone())).or_else(|| {
                let at = earlier.conflicting(&path, kind, |at| (&before[at].path, before[at].kind))?;
                // Without what that one is behind: a queue would hold its own beginning many times.
                let earlier = WaitingLock { behind: None, ..before[at].clone() };
                Some(Blocker::by_waiter(path.clone(), earlier))
            });
        }
        earlier.add(at, &path, kind);
    }
    let mut of_sets: HashMap<u64, Blocker> = HashMap::new();
    for waiter in &*waiting {
        if let (Some(set), Some(behind)) = (waiter.set, &waiter.behind) {
            of_sets.entry(set).or_insert_with(|| behind.clone());
        }
    }
    for waiter in waiting.iter_mut().filter(|waiter| waiter.behind.is_none()) {
        waiter.behind = waiter.set.and_then(|set| of_sets.get(&set).cloned());
    }
}

/// The lock that an upgrade waits to make exclusive, which is not in its way.
fn own_lock(held: &[HeldLock], waiter: &WaitingLock) -> Option<usize> {
    held.iter().position(|lock| is_own(lock, waiter))
}

/// Whether a waiter waits to make this lock exclusive, or one that looks like it.
fn is_own(lock: &HeldLock, waiter: &WaitingLock) -> bool {
    waiter.upgrades
        && lock.kind == Kind::new(Mode::Shared, waiter.kind.scope)
        && (&lock.path, &lock.owner, &lock.client) == (&waiter.path, &waiter.owner, &waiter.client)
}

#[cfg(test)]
mod tests;
