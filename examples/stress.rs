//! Threads that take random locks on a small tree for some seconds. Marks behind the locks show any
//! two conflicting locks that are held at once.
//!
//! `cargo run --release --example stress -- 60`: for 60 seconds. `--threads N` sets how many
//! threads, `--seed N` what they do. The exit code is 1 if there was a violation: a conflict, a
//! thread that gets nowhere, or something that is left in the end. `scripts/tsan` runs it under
//! ThreadSanitizer.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use mutextree::{LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexGuard, TreeMutex};
use mutextree_plain::Plain;

/// Two inner levels, so that locks meet above, below and side by side.
const PATHS: [&str; 9] = ["/", "a", "a/1", "a/1/x", "a/1/y", "a/2", "b", "b/1", "b/1/x"];

/// A thread that ends no operation in this time hangs.
const STALLED: Duration = Duration::from_secs(20);

/// What is marked on a node by an exclusive lock that covers it; a shared one adds 1.
const EXCLUSIVE: u64 = 1 << 32;

struct Options {
    time: Duration,
    threads: usize,
    seed: u64,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { time: Duration::from_secs(10), threads: 8, seed: fastrand::u64(..) };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("threads") => options.threads = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Value(seconds) => options.time = Duration::from_secs(seconds.parse()?),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

/// A name of the tree, and what its locks guard.
#[derive(Default)]
struct Guarded {
    marks: AtomicU64,
    /// Read and written in two steps under an exclusive lock: too small in the end if two did so at
    /// once. In plain memory, so that ThreadSanitizer sees whether what was written under one lock
    /// is there under the next.
    count: Plain,
    should_be: AtomicU64,
}

struct World {
    store: MemoryStore,
    nodes: [Guarded; PATHS.len()],
    violations: AtomicUsize,
    stop: AtomicBool,
}

impl World {
    fn complain(&self, what: &str) {
        self.violations.fetch_add(1, Relaxed);
        eprintln!("VIOLATION: {what}");
    }

    /// Which nodes a lock covers.
    fn covered(at: usize, is_subtree: bool) -> impl Iterator<Item = usize> {
        let is_below = move |other: &str| {
            PATHS[at] == "/" || other.strip_prefix(PATHS[at]).is_some_and(|rest| rest.starts_with('/'))
        };
        (0..PATHS.len()).filter(move |other| *other == at || (is_subtree && is_below(PATHS[*other])))
    }

    /// Uses what is locked, and complains of whoever else does.
    fn use_it(&self, at: usize, is_subtree: bool, mode: Mode, rng: &mut Rng) {
        let unit = if mode == Mode::Shared { 1 } else { EXCLUSIVE };
        for other in Self::covered(at, is_subtree) {
            let node = &self.nodes[other];
            let there = node.marks.fetch_add(unit, Relaxed);
            if there >= EXCLUSIVE || (unit == EXCLUSIVE && there != 0) {
                self.complain(&format!("a {mode} lock on `{}` met {there:#x} on `{}`", PATHS[at], PATHS[other]));
            }
            if unit == EXCLUSIVE {
                node.should_be.fetch_add(1, Relaxed);
                node.count.set(node.count.get() + 1);
            } else if node.count.get() > node.should_be.load(Relaxed) {
                self.complain(&format!("more writes on `{}` than there were", PATHS[other]));
            }
        }
        (0..rng.u32(..200)).for_each(|_| std::hint::spin_loop());
        for other in Self::covered(at, is_subtree) {
            self.nodes[other].marks.fetch_sub(unit, Relaxed);
        }
    }
}

/// One acquisition in one of the ways that there are: `None` if it was given up.
fn acquire(mutex: &TreeMutex, rng: &mut Rng) -> Option<OwnedTreeMutexGuard> {
    match rng.u32(..10) {
        0..=3 => mutex.lock_owned().ok(),
        4..=5 => mutex.try_lock_owned().ok(),
        6..=7 => mutex.try_lock_owned_for(Duration::from_micros(rng.u64(..2000))).ok(),
        8 => {
            // A future that is dropped wherever it is.
            let mut future = pin!(mutex.lock_owned_async());
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result.ok(),
                Poll::Pending => None,
            }
        }
        _ => smol::block_on(mutex.lock_owned_async()).ok(),
    }
}

fn run_thread(world: &World, operations: &AtomicU64, mut rng: Rng) {
    while !world.stop.load(Relaxed) {
        let (at, is_subtree, is_shared) = (rng.usize(..PATHS.len()), rng.u32(..4) != 0, rng.bool());
        let Ok(mutex) = world.store.mutex(PATHS[at]) else { return world.complain("a sound path was refused") };
        let mutex = if is_shared { mutex.shared() } else { mutex };
        let mutex = if is_subtree { mutex } else { mutex.node_only() };
        if let Some(mut guard) = acquire(&mutex, &mut rng) {
            world.use_it(at, is_subtree, guard.mode(), &mut rng);
            if rng.u32(..8) == 0 {
                guard.downgrade().expect("it has no lease that could end");
                world.use_it(at, is_subtree, guard.mode(), &mut rng);
            }
        }
        if rng.u32(..256) == 0 {
            world.store.shrink_to_fit();
        }
        operations.fetch_add(1, Relaxed);
    }
}

/// Waits for the end, or for a thread that gets nowhere.
fn watch(world: &World, counts: &[Arc<AtomicU64>], threads: &[thread::JoinHandle<()>], time: Duration) -> bool {
    let started = Instant::now();
    let mut seen: Vec<(u64, Instant)> = counts.iter().map(|_| (0, started)).collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        thread::sleep(Duration::from_millis(20));
        if started.elapsed() >= time {
            world.stop.store(true, Relaxed);
        }
        for ((count, (before, since)), thread) in counts.iter().zip(&mut seen).zip(threads) {
            let now = count.load(Relaxed);
            if now != *before || thread.is_finished() {
                (*before, *since) = (now, Instant::now());
            } else if since.elapsed() > STALLED {
                world.complain("a thread gets nowhere");
                return false;
            }
        }
    }
    true
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("stress: {error}");
            return ExitCode::from(2);
        }
    };
    let world = Arc::new(World {
        store: MemoryStore::new(),
        nodes: Default::default(),
        violations: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let counts: Vec<_> = (0..options.threads).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut rng = Rng::with_seed(options.seed);
    let start = |count: &Arc<AtomicU64>| {
        let (world, count, rng) = (world.clone(), count.clone(), rng.fork());
        thread::spawn(move || run_thread(&world, &count, rng))
    };
    let threads: Vec<_> = counts.iter().map(start).collect();
    if watch(&world, &counts, &threads, options.time) {
        if threads.into_iter().any(|thread| thread.join().is_err()) {
            world.complain("a thread panicked");
        }
        if let Err(error) = at_the_end(&world) {
            world.complain(&error.to_string());
        }
    }
    let operations: u64 = counts.iter().map(|count| count.load(Relaxed)).sum();
    let violations = world.violations.load(Relaxed);
    println!("{operations} operations on {} threads, seed {}: {violations} violations", options.threads, options.seed);
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Nothing is held, nothing is left, and every write was seen by the next one.
fn at_the_end(world: &World) -> Result<(), LockError> {
    drop(world.store.mutex("/")?.try_lock()?);
    world.store.shrink_to_fit();
    if world.store.node_count() != 1 {
        world.complain("nodes are left");
    }
    for (node, path) in world.nodes.iter().zip(PATHS) {
        let [marks, should_be] = [&node.marks, &node.should_be].map(|number| number.load(Relaxed));
        let count = node.count.get();
        if marks != 0 || count != should_be {
            world.complain(&format!("`{path}`: marks {marks:#x}, {count} writes of {should_be}"));
        }
    }
    Ok(())
}
