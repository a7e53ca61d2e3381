//! Waiting tasks: how much memory one takes, how fast a crowd of them gets through, and how fast a
//! crowd gives up. All wait for one node, or for leaves all over a tree. Flat locks, which have no
//! tree, do the same beside them.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use mutextree::{LockStore, MemoryStore, OwnedTreeMutexGuard, TreeMutex};

use crate::measure::{Effort, Versus, median};
use crate::report::{Bound, Report, Row, Unit, nanos};

const ROUNDS: usize = 3;

/// Tasks wait for these, each for its own or all for one, while `held` is locked.
struct Ours {
    name: &'static str,
    held: TreeMutex,
    leaves: Vec<TreeMutex>,
}

impl Ours {
    fn below_the_root(leaves: usize) -> Self {
        let store = MemoryStore::new();
        let leaf = |n| store.mutex(format!("org{}/team{}/file{n}", n % 10, n % 100)).unwrap();
        let leaves: Vec<_> = (0..leaves).map(leaf).collect();
        let name = if leaves.len() == 1 { "one node below a locked root" } else { "leaves below a locked root" };
        Self { name, held: store.mutex("/").unwrap(), leaves }
    }

    fn one_node() -> Self {
        let node = MemoryStore::new().mutex("org/team/file").unwrap();
        Self { name: "one node", held: node.clone(), leaves: vec![node] }
    }
}

type Tokio = Arc<tokio::sync::Mutex<()>>;
type AsyncLock = Arc<async_lock::Mutex<()>>;

/// What tasks wait for, each for its own or all for one.
trait Waits: Sized + 'static {
    type Guard: Send + 'static;
    type Held;
    fn name(&self) -> String;
    /// Holds what keeps all of them waiting.
    fn hold(&self) -> Self::Held;
    fn wait(&self, task: usize) -> impl Future<Output = Self::Guard> + Send + 'static;
}

impl Waits for Ours {
    type Guard = OwnedTreeMutexGuard;
    type Held = OwnedTreeMutexGuard;

    fn name(&self) -> String {
        format!("mutextree, {}", self.name)
    }

    fn hold(&self) -> OwnedTreeMutexGuard {
        self.held.lock_owned().unwrap()
    }

    fn wait(&self, task: usize) -> impl Future<Output = OwnedTreeMutexGuard> + Send + 'static {
        let mutex = self.leaves[task % self.leaves.len()].clone();
        async move { mutex.lock_owned_async().await.unwrap() }
    }
}

impl Waits for Tokio {
    type Guard = tokio::sync::OwnedMutexGuard<()>;
    type Held = tokio::sync::OwnedMutexGuard<()>;

    fn name(&self) -> String {
        "tokio::sync::Mutex".into()
    }

    fn hold(&self) -> Self::Held {
        self.clone().try_lock_owned().unwrap()
    }

    fn wait(&self, _: usize) -> impl Future<Output = Self::Guard> + Send + 'static {
        self.clone().lock_owned()
    }
}

impl Waits for AsyncLock {
    type Guard = async_lock::MutexGuardArc<()>;
    type Held = async_lock::MutexGuardArc<()>;

    fn name(&self) -> String {
        "async_lock::Mutex".into()
    }

    fn hold(&self) -> Self::Held {
        self.try_lock_arc().unwrap()
    }

    fn wait(&self, _: usize) -> impl Future<Output = Self::Guard> + Send + 'static {
        self.lock_arc()
    }
}

fn crowd(effort: &Effort) -> usize {
    if effort.quick { 10_000 } else { 100_000 }
}

/// Times.
pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let (store, handle) = (MemoryStore::new(), "org/team/project/file");
    let (ours, tokio, other) = (store.mutex(handle).unwrap(), Tokio::default(), AsyncLock::default());
    // Awaited one after the other, as tasks do.
    let calls = (effort.slice.as_nanos() / 16).max(1);
    let by_async_lock =
        Versus::in_turns(effort.rounds, || awaited(calls, || ours.lock_async()), || awaited(calls, || other.lock()));
    let by_tokio = Versus::in_turns(effort.rounds, || awaited(calls, || tokio.lock()), || 1.0);
    let row = Row::new("lock_async, free / async_lock::Mutex", by_async_lock.ratio, Unit::Times, Bound::AtMost(0.7));
    report.rows.push(row.from(nanos(by_async_lock.a), nanos(by_async_lock.b)));
    // By a function that is called with the future, so that this is moved first.
    let by_hand = Versus::calls(effort, || drop(called(ours.lock_async())), || drop(called(other.lock())));
    report.remarks.push(format!(
        "lock_async + unlock, free: tokio::sync::Mutex takes {}; polled by a function that is called with it: {}, \
         async_lock::Mutex {}",
        nanos(by_tokio.a),
        nanos(by_hand.a),
        nanos(by_hand.b)
    ));

    let tasks = crowd(effort);
    let (node, below, tokio) = (Ours::one_node(), Ours::below_the_root(1), Tokio::default());
    let what = format!("{} waiting tasks get through / tokio", Unit::Nodes.show(tasks as f64));
    for (what, ours) in [(what, &node), ("the same, a node below the locked one / tokio".into(), &below)] {
        let versus = Versus::in_turns(ROUNDS, || drain(ours, tasks), || drain(&tokio, tasks));
        let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(1.5));
        report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    }

    timed(report, tasks, &node);
    timed(report, tasks, &below);
    timed(report, tasks, &Ours::below_the_root(tasks));
    timed(report, tasks, &tokio);
    timed(report, tasks, &AsyncLock::default());
}

fn timed<W: Waits>(report: &mut Report, tasks: usize, waits: &W) {
    let drain = median((0..ROUNDS).map(|_| drain(waits, tasks)));
    let (asleep, gone): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| give_up(waits, tasks)).unzip();
    report.remarks.push(format!(
        "{} tasks wait, {}: all fall asleep in {}, get through in {}, or give up, every other one from the back, in {}",
        Unit::Nodes.show(tasks as f64),
        waits.name(),
        nanos(median(asleep)),
        nanos(drain),
        nanos(median(gone))
    ));
}

/// Bytes.
pub(crate) fn memory(effort: &Effort, report: &mut Report) {
    let tasks = crowd(effort);
    let (ours, tokio) = (bytes(tasks, &Ours::below_the_root(1)), bytes(tasks, &Tokio::default()));
    let row = Row::new("memory of a waiting task and its future", ours, Unit::Bytes, Bound::AtMost(200.0));
    report.rows.push(row.from(Unit::Bytes.show(ours), format!("{} tokio", Unit::Bytes.show(tokio))));
    let (leaves, other) = (bytes(tasks, &Ours::below_the_root(tasks)), bytes(tasks, &AsyncLock::default()));
    for (who, bytes) in [("mutextree, leaves below a locked root", leaves), ("async_lock::Mutex", other)] {
        report.remarks.push(format!("a waiting task's memory, {who}: {}", Unit::Bytes.show(bytes)));
    }
}

fn bytes<W: Waits>(tasks: usize, waits: &W) -> f64 {
    let held = waits.hold();
    let mut waiting = Vec::with_capacity(tasks);
    let counted = allocation_counter::measure(|| waiting.extend((0..tasks).map(|task| queued(waits, task))));
    drop(waiting);
    drop(held);
    counted.bytes_current as f64 / tasks as f64
}

fn queued<W: Waits>(waits: &W, task: usize) -> Pin<Box<dyn Future<Output = W::Guard> + Send>> {
    let mut wait: Pin<Box<dyn Future<Output = W::Guard> + Send>> = Box::pin(waits.wait(task));
    assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it is held");
    wait
}

/// Nanoseconds for one of so many that a task awaits.
fn awaited<F: Future>(calls: u128, lock: impl Fn() -> F) -> f64 {
    let start = Instant::now();
    now(async {
        for _ in 0..calls {
            drop(black_box(&lock)().await);
        }
    });
    start.elapsed().as_nanos() as f64 / calls as f64
}

#[inline(never)]
fn called<T>(future: impl Future<Output = T>) -> T {
    now(future)
}

/// The answer of a future that has it at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nobody holds it"),
    }
}

/// From the release until the last one has had it and let go, on one thread.
fn drain<W: Waits>(waits: &W, tasks: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let held = waits.hold();
        let waiting = Arc::new(AtomicUsize::new(0));
        let all: Vec<_> = (0..tasks)
            .map(|task| {
                let (wait, waiting) = (waits.wait(task), waiting.clone());
                tokio::spawn(async move {
                    waiting.fetch_add(1, Relaxed);
                    drop(wait.await);
                })
            })
            .collect();
        while waiting.load(Relaxed) < tasks {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        drop(held);
        for task in all {
            task.await.unwrap();
        }
        start.elapsed().as_nanos() as f64
    })
}

/// Until all are asleep. And until all have given up: one from the back, one from the front, and so
/// on.
fn give_up<W: Waits>(waits: &W, tasks: usize) -> (f64, f64) {
    let held = waits.hold();
    let begun = Instant::now();
    let mut waiting: std::collections::VecDeque<_> = (0..tasks).map(|task| queued(waits, task)).collect();
    let start = Instant::now();
    while waiting.pop_back().is_some() {
        waiting.pop_front();
    }
    let time = start.elapsed();
    drop(held);
    ((start - begun).as_nanos() as f64, time.as_nanos() as f64)
}
