//! The random threads of `random_threads.rs`, more of them, in orders that shuttle draws at random:
//! `scripts/shuttle` runs them. A failure prints the order that leads to it. With
//! `MUTEXTREE_SHUTTLE_REPLAY` set to that, the same order runs again.
#![cfg(mutextree_shuttle)]

mod common;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::choices::any_lock;
use common::history::{Limits, Op, assert_sound};
use common::kinds::Ask;
use common::steps::{Clock, Held, exclusive_chain, few_nodes, plans, run_thread, try_once};
use common::storm::{Storm, storms};
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

/// Once somebody waits here nobody who comes later is let in first, so a handful overtake; and
/// before that some more, while a new leaf is enrolled, in the turns that this takes. (Enrolling
/// without hand over hand, so that walks can take it off the list again, is seen to be overtaken
/// 102 times in 300 schedules.)
const IN_A_STORM: Limits = Limits { overtaken: 100, unblocked: u64::MAX };

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

/// Who asks in the midst of a storm is overtaken a few times, and no more.
fn storm_once() {
    for (asks, wanted) in storms() {
        let store = MemoryStore::builder().patience(NONE).build();
        let clock = Clock::default();
        // Each of them twice: with the one who is wanted, nine threads.
        let asks = [asks.clone(), asks].concat();
        let storm = Arc::new(Storm::of_at_most(asks.len() + 2 * IN_A_STORM.overtaken));
        let warm_up = asks.len();
        let threads: Vec<_> = asks
            .into_iter()
            .map(|ask| {
                let (store, clock, storm) = (store.clone(), clock.clone(), storm.clone());
                thread::spawn(move || {
                    storm.blow(&store, &clock, &ask, |next_is_in| {
                        // Long enough for each of the others to come.
                        let mut turns = 0..40;
                        while !next_is_in() && turns.next().is_some() {
                            thread::yield_now();
                        }
                    })
                })
            })
            .collect();
        while storm.had() < warm_up {
            thread::yield_now();
        }
        let mut ops = storm.brave(&store, &clock, &wanted);
        ops.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
        assert_sound(ops, IN_A_STORM);
    }
}

/// Tries at the same moment, with nobody holding anything: they do not all fail.
fn race_once() {
    let store = MemoryStore::new();
    let clock = Clock::default();
    let plans = plans(exclusive_chain(), 1, 8, thread_rng().next_u64());
    let threads: Vec<_> = plans
        .concat()
        .into_iter()
        .map(|step| {
            let (store, clock) = (store.clone(), clock.clone());
            thread::spawn(move || try_once(&store, &clock, step.ask()))
        })
        .collect();
    assert_sound(threads.into_iter().map(|thread| thread.join().unwrap()).collect(), LIMITS);
    drop(store.mutex("/").unwrap().try_lock().expect("something is still locked"));
}

/// Runs it in as many orders as asked for: half of them by lot at every step, half with few changes
/// of turn in places drawn by lot.
fn explore<A: Strategy<Value = Ask> + 'static>(name: &str, patience: Duration, asks: fn() -> A) {
    explore_any(name, true, move || run_once(patience, asks()));
}

/// The same with any run. Unless it goes on `in_any_order`, everybody has a turn from time to time.
fn explore_any(name: &str, in_any_order: bool, run: impl Fn() + Send + Sync + 'static) {
    let run = Arc::new(run);
    let again = run.clone();
    if let Ok(schedule) = env::var("MUTEXTREE_SHUTTLE_REPLAY") {
        return replay(move || run(), &schedule);
    }
    let iterations: usize = env::var("MUTEXTREE_SHUTTLE_ITERATIONS").map_or(100, |number| number.parse().unwrap());
    let started = Instant::now();
    check_random(move || run(), iterations.div_ceil(2));
    if in_any_order {
        check_pct(move || again(), iterations / 2, 3);
    }
    println!("shuttle {name}: {iterations} schedules in {:.1?}", started.elapsed());
}

/// Everyone overtakes.
const ENDLESS: Duration = Duration::MAX;
/// Nobody overtakes one who has waited.
const NONE: Duration = Duration::ZERO;
/// Who has waited while four others came to wait is overtaken no more. Time is counted in arrivals
/// here.
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

/// A lock has one token, also if several threads are the first to ask for it, and one of them
/// starts a lease.
#[test]
fn asking_for_a_token() {
    explore_any("asking_for_a_token", true, || {
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

#[test]
fn nobody_is_overtaken_without_end() {
    explore_any("nobody_is_overtaken_without_end", false, storm_once);
}

#[test]
fn racing_tries() {
    explore_any("racing_tries", true, race_once);
}
