//! The same random threads as in history.rs, more of them, in orders that a scheduler draws by lot: `tests/shuttle`. A failure prints the schedule
//! that leads to it, and `MUTEXTREE_SHUTTLE_REPLAY`, set to that, repeats it.
#![cfg(mutextree_shuttle)]

mod common;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::choices::any_lock;
use common::history::{Limits, Op, assert_sound};
use common::kinds::Ask;
use common::steps::{Clock, Held, exclusive_chain, few_nodes, plans, run_thread};
use mutextree::{LockStore, MemoryStore};
use proptest::prelude::Strategy;
use shuttle::rand::{RngCore, thread_rng};
use shuttle::sync::mpsc::channel;
use shuttle::{check_pct, check_random, replay, thread};

/// With the one that releases what it is handed, and the one that starts them all: 12.
const THREADS: usize = 10;
const STEPS: usize = 6;

/// The scheduler is not fair, so what is a matter of time says nothing here.
const LIMITS: Limits = Limits { overtaken: usize::MAX, unblocked: u64::MAX };

/// One run, from a plan that is drawn by lot as the schedule is.
fn run_once(patience: Duration, any_ask: impl Strategy<Value = Ask>) {
    let store = MemoryStore::builder().patience(patience).build();
    let clock = Clock::default();
    let (hand_over, handed_over) = channel::<Held<MemoryStore>>();
    let releaser = {
        let clock = clock.clone();
        thread::spawn(move || handed_over.into_iter().map(|held| held.release(&clock)).collect::<Vec<_>>())
    };
    let threads: Vec<_> = plans(any_ask, THREADS, STEPS, thread_rng().next_u64())
        .into_iter()
        .map(|plan| {
            let (store, clock, hand_over) = (store.clone(), clock.clone(), hand_over.clone());
            let idle = |turns: u32| (0..turns % 4).for_each(|_| thread::yield_now());
            let hand_over = move |held| hand_over.send(held).expect("the other thread is there to the end");
            thread::spawn(move || run_thread(&store, &clock, plan, idle, hand_over))
        })
        .collect();
    drop(hand_over);
    let mut ops: Vec<Op> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    ops.extend(releaser.join().unwrap());
    assert_eq!(ops.len(), THREADS * STEPS);
    assert_sound(ops, LIMITS);
    drop(store.mutex("/").unwrap().try_lock().expect("something is still locked"));
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1, "the root is all that is left");
}

/// Runs it in as many orders as asked for: half of them by lot at every step, half with few changes of turn in places drawn by lot.
fn explore<A: Strategy<Value = Ask> + 'static>(name: &str, patience: Duration, asks: fn() -> A) {
    explore_run(name, move || run_once(patience, asks()));
}

fn explore_run(name: &str, run: impl Fn() + Send + Sync + 'static) {
    let run = Arc::new(run);
    let again = run.clone();
    if let Ok(schedule) = env::var("MUTEXTREE_SHUTTLE_REPLAY") {
        return replay(move || run(), &schedule);
    }
    let iterations: usize = env::var("MUTEXTREE_SHUTTLE_ITERATIONS").map_or(100, |number| number.parse().unwrap());
    let started = Instant::now();
    check_random(move || run(), iterations.div_ceil(2));
    check_pct(move || again(), iterations / 2, 3);
    println!("shuttle {name}: {iterations} schedules in {:.1?}", started.elapsed());
}

/// Everyone overtakes.
const ENDLESS: Duration = Duration::MAX;
/// Nobody overtakes one who has waited.
const NONE: Duration = Duration::ZERO;
/// Who has waited while four others came to wait is overtaken no more. Time is counted in arrivals here.
const SOME: Duration = Duration::from_nanos(4);

#[test]
fn on_a_tree() {
    explore("on_a_tree", SOME, any_lock);
}

#[test]
fn on_few_nodes() {
    explore("on_few_nodes", SOME, few_nodes);
}

#[test]
fn on_few_nodes_with_endless_patience() {
    explore("on_few_nodes_with_endless_patience", ENDLESS, few_nodes);
}

#[test]
fn on_few_nodes_without_patience() {
    explore("on_few_nodes_without_patience", NONE, few_nodes);
}

#[test]
fn on_a_chain() {
    explore("on_a_chain", SOME, exclusive_chain);
}

/// A lock has one token, also if several threads are the first to ask for it, and one of them starts a lease.
#[test]
fn asking_for_a_token() {
    explore_run("asking_for_a_token", || {
        let store = MemoryStore::new();
        let guard = Arc::new(store.mutex("a").unwrap().lock_owned().unwrap());
        let tokens: Vec<_> = [false, false, true]
            .map(|starts_lease| {
                let guard = guard.clone();
                thread::spawn(move || {
                    if starts_lease {
                        guard.refresh_for(Duration::from_secs(3600)).unwrap();
                    }
                    guard.fencing_token()
                })
            })
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(tokens, [guard.fencing_token(); 3]);
        assert!(guard.is_held());
    });
}
