//! Loom models: every interleaving of a few threads, up to a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg mutextree_loom" cargo test --release --lib models`, or `scripts/loom`, which
//! says how far. Each model says what it proves and which mutation of the code makes it fail.
//!
//! * `excluding.rs` conflicting locks exclude each other, others do not
//! * `trying.rs` tries, racing
//! * `clearing.rs` claims that need not look up
//! * `enrolling.rs` enrolment against walks
//! * `waking.rs` no wake-up is lost
//! * `giving_up.rs` timeouts
//! * `looking.rs` looks at the tree, and breaking a lock
//! * `naming.rs` locks whose owner stands in the word
//! * `narrowing.rs` locks that are narrowed
//! * `upgrading.rs` shared locks that become exclusive
//! * `widening.rs` locks that are widened
//! * `gating.rs` nobody is overtaken for ever
//! * `reclaiming.rs` sweeps against look-ups
//! * `polling.rs` tasks
//! * `spreading.rs` readers that do not write their node's word
//! * `sets.rs` several nodes as one lock
//! * `deadlocks.rs` waits that are told of a deadlock

use std::sync::atomic::{AtomicUsize, Ordering as Plain};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread;

use super::acquire;
use super::node::Node;
use super::tree::Tree;
use super::word::{CLEAR, ENROLLED, KIDS, Kind};
use crate::deadlock::Watch;
use crate::path::ToTreePath;
use crate::sync::{Deadline, Ordering, PlainArc};

/// One thread of a model, with its own reference to the world.
macro_rules! threaded {
    ($world:ident, $($kept:ident),* => $body:expr) => {{
        let $world = $world.clone();
        let _ = &$world; // not every thread uses it
        $(let $kept = $kept.clone();)*
        Box::new(move || { $body; }) as Box<dyn FnOnce()>
    }};
}

mod clearing;
mod deadlocks;
mod enrolling;
mod excluding;
mod gating;
mod giving_up;
mod handing;
mod looking;
mod naming;
mod narrowing;
mod polling;
mod reclaiming;
mod sets;
mod spreading;
mod trying;
mod upgrading;
mod waking;
mod widening;

/// Explores `body`: at the preemption bound of `LOOM_MAX_PREEMPTIONS`, or 2, or at most `most` (for
/// models too large for more).
fn explore_at_most(most: usize, name: &str, body: impl Fn() + Send + Sync + 'static) {
    explore_at(|asked| asked.min(most), name, body);
}

/// The same at one less than what is asked for: a minute each would be too much for CI. At bound 2
/// they are explored by `scripts/loom 3`.
fn explore_at_one_less(name: &str, body: impl Fn() + Send + Sync + 'static) {
    explore_at(|asked| asked.saturating_sub(1), name, body);
}

fn explore_at(bound: impl Fn(usize) -> usize, name: &str, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = bound(builder.preemption_bound.unwrap_or(2));
    builder.preemption_bound = Some(bound);
    builder.max_branches = 100_000;
    let executions = PlainArc::new(AtomicUsize::new(0));
    let count = executions.clone();
    let started = std::time::Instant::now();
    builder.check(move || {
        count.fetch_add(1, Plain::Relaxed);
        body();
    });
    println!(
        "model {name}: {} executions at preemption bound {bound} in {:.1} s",
        executions.load(Plain::Relaxed),
        started.elapsed().as_secs_f64()
    );
}

fn explore(name: &str, body: impl Fn() + Send + Sync + 'static) {
    explore_at_most(usize::MAX, name, body);
}

/// A tree, and what its locks guard: one cell a node. Whoever may write says so to loom, which
/// objects to any overlap.
struct World {
    tree: Tree,
    cells: Vec<(&'static str, UnsafeCell<()>)>,
}

/// Everyone overtakes: newcomers barge for as long as they like.
const ENDLESS: Duration = Duration::MAX;
/// Nobody overtakes one who has waited.
const NONE: Duration = Duration::ZERO;
/// A waiter becomes an old one, in its sleep, when the next one comes to wait.
const UNTIL_THE_NEXT: Duration = Duration::from_nanos(1);

impl World {
    /// The cells guarded are those of `paths`; `/` is the root.
    fn new(patience: Duration, paths: &[&'static str]) -> PlainArc<Self> {
        Self::of(Tree::new(patience), paths)
    }

    /// One that looks for deadlocks.
    fn that_detects(patience: Duration, paths: &[&'static str]) -> PlainArc<Self> {
        Self::of(Tree::with(patience, Some(Watch::new())), paths)
    }

    fn of(tree: Tree, paths: &[&'static str]) -> PlainArc<Self> {
        let cells = paths.iter().map(|path| (*path, UnsafeCell::new(()))).collect();
        #[expect(
            clippy::arc_with_non_send_sync,
            reason = "loom runs all its threads on one, and its cells are not Sync"
        )]
        PlainArc::new(Self { tree, cells })
    }

    fn node(&self, path: &str) -> PlainArc<Node> {
        self.tree.resolve(path.to_path_ref().unwrap())
    }

    /// The node, enrolled already, as after a first lock: keeps models small that are not about
    /// enrolment.
    fn used(&self, path: &str) -> PlainArc<Node> {
        let node = self.node(path);
        node.enrol();
        node
    }

    /// The same after a walk has come by: it has to look up.
    fn looked_at(&self, path: &str) -> PlainArc<Node> {
        let node = self.used(path);
        node.word.fetch_and(!CLEAR, Ordering::SeqCst);
        node
    }

    /// Uses what a lock of this kind on this node covers.
    fn touch(&self, node: &Node, kind: Kind) {
        let path = node.path.clone();
        for (covered, cell) in &self.cells {
            let covered = covered.to_tree_path().unwrap();
            if covered == path || (kind.is_subtree() && covered.starts_with(&path)) {
                if kind.is_shared() { cell.with(|_| ()) } else { cell.with_mut(|_| ()) }
            }
        }
    }

    /// Locks, uses, unlocks.
    fn lock(&self, node: &PlainArc<Node>, kind: Kind) {
        take(node, kind);
        self.touch(node, kind);
        node.drop_claim(kind);
    }

    /// The same by the slow path from the start: for models of what happens there, which a claim by
    /// the fast path would only make larger.
    fn lock_slowly(&self, node: &PlainArc<Node>, kind: Kind) {
        acquire::block_on(node, kind, None, None, |_| {}).unwrap();
        self.touch(node, kind);
        node.drop_claim(kind);
    }

    /// Locks if that can be done before the deadline passes.
    fn lock_until(&self, node: &PlainArc<Node>, kind: Kind, deadline: &Deadline) -> bool {
        let granted = acquire::block_on(node, kind, None, Some(deadline), |_| {}).is_ok();
        if granted {
            self.touch(node, kind);
            node.drop_claim(kind);
        }
        granted
    }

    /// Tries; the error is the path in the way. What is locked stays so.
    fn try_lock(&self, node: &PlainArc<Node>, kind: Kind) -> Result<(), String> {
        if !node.claim_fast(kind) && !node.claim_looking(kind) {
            node.try_claim(kind).map_err(|in_the_way| in_the_way.path.to_string())?;
        }
        self.touch(node, kind);
        Ok(())
    }

    /// After every outcome: nothing claimed, nobody queued, no gate closed; the root can be locked;
    /// and all nodes can be reclaimed.
    fn assert_as_new(&self) {
        self.tree.index.for_each(|node| node.gather());
        self.tree.root.gather();
        self.tree.index.for_each(|node| assert_idle(node));
        assert_idle(&self.tree.root);
        self.tree.root.try_claim(Kind::Xs).expect("nobody holds anything");
        self.tree.root.drop_claim(Kind::Xs);
        self.tree.sweep();
        assert_eq!(self.tree.node_count(), 1, "idle nodes are reclaimed");
    }
}

/// Acquires as the store does: by the fast path if that will do.
fn take(node: &PlainArc<Node>, kind: Kind) {
    if !node.claim_fast(kind) && !node.claim_looking(kind) {
        acquire::block_on(node, kind, None, None, |_| {}).unwrap();
    }
}

fn assert_idle(node: &Node) {
    let word = node.word.load(Ordering::SeqCst);
    assert_eq!(word & !(ENROLLED | KIDS | CLEAR), 0, "{node:?} is idle");
    assert_ne!(word & (ENROLLED | CLEAR), CLEAR, "invariant 10 at {node:?}");
    if let Some(cold) = node.cold_if_any() {
        let slow = cold.slow.lock();
        assert!(slow.queue.is_empty() && slow.gates.is_empty(), "nobody is left at {node:?}");
        assert_eq!(slow.kids.is_empty(), word & KIDS == 0, "invariant 3 at {node:?}");
        for kid in slow.kids.iter() {
            assert!(kid.is_enrolled(), "invariant 1 at {kid:?}");
        }
    }
}

/// Runs the given threads to their end, the last one on the model's own.
fn run<const N: usize>(threads: [Box<dyn FnOnce()>; N]) {
    let mut threads: Vec<_> = threads.into_iter().collect();
    let last = threads.pop();
    let handles: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    if let Some(last) = last {
        last();
    }
    for handle in handles {
        handle.join().unwrap();
    }
}
