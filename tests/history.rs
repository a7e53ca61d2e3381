//! Threads that lock at random, and a checker that finds in the record of it whatever must not happen.

mod common;

use std::hint::spin_loop;
use std::sync::mpsc::channel;

use common::asking::asking;
use common::choices::any_lock;
use common::history::{Limits, Op, assert_sound};
use common::kinds::Ask;
use common::naive::NaiveStore;
use common::steps::{Clock, Held, exclusive_chain, few_nodes, plans, run_thread};
use mutextree::{LockStore, MemoryStore};
use proptest::prelude::*;

const THREADS: usize = 6;
const STEPS: usize = 800;

/// A thread can lose the processor between the clock and the call, and a thread that runs makes thousands of requests meanwhile: on a busy machine
/// one was overtaken 3,888 times in a run of 4,800 requests. So the number says nothing with threads of the system; fairness.rs measures
/// time. A scheduler that takes turns can use a limit.
const LIMITS: Limits = Limits { overtaken: usize::MAX, unblocked: 5000 };

/// Runs the plans on threads of their own, with one more that releases what it is handed.
fn record<S: LockStore>(store: &S, any_ask: impl Strategy<Value = Ask>, seed: u64) -> Vec<Op> {
    let clock = Clock::default();
    let (hand_over, handed_over) = channel::<Held<S>>();
    let releaser = {
        let clock = clock.clone();
        asking(move || handed_over.into_iter().map(|held| held.release(&clock)).collect::<Vec<_>>())
    };
    let threads: Vec<_> = plans(any_ask, THREADS, STEPS, seed)
        .into_iter()
        .map(|plan| {
            let (store, clock, hand_over) = (store.clone(), clock.clone(), hand_over.clone());
            let idle = |turns| (0..turns).for_each(|_| spin_loop());
            let hand_over = move |held| {
                hand_over.send(held).unwrap_or_else(|_| panic!("the other thread is there to the end"));
            };
            asking(move || run_thread(&store, &clock, plan, idle, hand_over))
        })
        .collect();
    drop(hand_over);
    let mut ops: Vec<Op> = threads.into_iter().flat_map(|thread| thread.ends()).collect();
    ops.extend(releaser.ends());
    ops
}

fn a_run_is_sound<S: LockStore>(make: impl Fn() -> S, any_ask: impl Strategy<Value = Ask> + Clone) {
    for seed in 0..4 {
        let store = make();
        let history = record(&store, any_ask.clone(), seed);
        assert_eq!(history.len(), THREADS * STEPS);
        assert_sound(history, LIMITS);
        drop(store.mutex("/").unwrap().try_lock().expect("something is still locked"));
    }
}

macro_rules! for_each_store {
    ($($test:ident: $asks:expr;)+) => {
        mod naive {
            $(#[test] fn $test() { super::a_run_is_sound(super::NaiveStore::default, { use super::*; $asks }); })+
        }
        mod memory {
            $(#[test] fn $test() { super::a_run_is_sound(super::MemoryStore::new, { use super::*; $asks }); })+
        }
    };
}

for_each_store! {
    on_a_tree: any_lock();
    on_few_nodes: few_nodes();
    on_a_chain: exclusive_chain();
}
