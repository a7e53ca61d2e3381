//! What a thread does in a run that is recorded: it takes random locks, one after the other.
//! Nothing here knows threads, so that any harness can use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use mutextree::{LockStore, OwnedTreeMutexGuard};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::history::{End, Op};
use super::kinds::{Ask, EXCLUSIVE, KINDS};

#[derive(Clone, Debug)]
pub struct Step {
    ask: Ask,
    how: How,
    /// How long to hold it, in turns of an idle loop.
    hold: u32,
    downgrade: bool,
    ask_token: bool,
    /// Whether another thread releases it.
    hand_over: bool,
}

impl Step {
    pub fn ask(&self) -> &Ask {
        &self.ask
    }
}

#[derive(Clone, Debug)]
enum How {
    Wait,
    Try,
    WaitFor(Duration),
}

fn any_step(any_ask: impl Strategy<Value = Ask>) -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        Just(How::Wait),
        Just(How::Try),
        (0..1500u64).prop_map(|micros| How::WaitFor(Duration::from_micros(micros))),
    ];
    let coin = prop::bool::weighted;
    (any_ask, how, 0..300u32, coin(0.2), coin(0.25), coin(0.1)).prop_map(
        |(ask, how, hold, downgrade, ask_token, hand_over)| Step { ask, how, hold, downgrade, ask_token, hand_over },
    )
}

/// What each of so many threads is to do, in so many steps: the same for the same seed.
pub fn plans(any_ask: impl Strategy<Value = Ask>, threads: usize, steps: usize, seed: u64) -> Vec<Vec<Step>> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, seed.to_le_bytes().repeat(4).as_slice());
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let plans = prop::collection::vec(prop::collection::vec(any_step(any_ask), steps), threads);
    plans.new_tree(&mut runner).expect("nothing is rejected").current()
}

/// One clock for all.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn now(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }
}

/// A lock that is held, on its way to whoever releases it.
pub struct Held<S: LockStore> {
    guard: OwnedTreeMutexGuard<S>,
    ask: Ask,
    asked: u64,
    from: u64,
    downgraded: Option<[u64; 2]>,
    token: Option<u64>,
}

impl<S: LockStore> Held<S> {
    pub fn release(self, clock: &Clock) -> Op {
        let before = clock.now();
        drop(self.guard);
        let released = [before, clock.now()];
        let end = End::Held { from: self.from, downgraded: self.downgraded, released, token: self.token };
        Op { ask: self.ask, asked: self.asked, end }
    }
}

/// Goes through a plan. `idle` passes the time while a lock is held, `hand_over` has it released by
/// another thread.
pub fn run_thread<S: LockStore>(
    store: &S,
    clock: &Clock,
    plan: Vec<Step>,
    idle: impl Fn(u32),
    hand_over: impl Fn(Held<S>),
) -> Vec<Op> {
    let mut ops = Vec::with_capacity(plan.len());
    for step in plan {
        let mutex = step.ask.mutex(store);
        let asked = clock.now();
        let result = match step.how {
            How::Wait => mutex.lock_owned(),
            How::Try => mutex.try_lock_owned(),
            How::WaitFor(time) => mutex.try_lock_owned_for(time),
        };
        let mut guard = match result {
            Ok(guard) => guard,
            Err(error) => {
                let end = End::Failed { at: clock.now(), named: error.blocking_path().cloned() };
                ops.push(Op { ask: step.ask, asked, end });
                continue;
            }
        };
        let from = clock.now();
        let token = step.ask_token.then(|| guard.fencing_token());
        idle(step.hold);
        let downgraded = step.downgrade.then(|| {
            let before = clock.now();
            guard.downgrade().unwrap();
            [before, clock.now()]
        });
        let held = Held { guard, ask: step.ask, asked, from, downgraded, token };
        if step.hand_over {
            hand_over(held);
        } else {
            ops.push(held.release(clock));
        }
    }
    ops
}

/// One try, and a release at once.
pub fn try_once<S: LockStore>(store: &S, clock: &Clock, ask: &Ask) -> Op {
    let mutex = ask.mutex(store);
    let asked = clock.now();
    match mutex.try_lock_owned() {
        Ok(guard) => {
            let from = clock.now();
            Held { guard, ask: ask.clone(), asked, from, downgraded: None, token: None }.release(clock)
        }
        Err(error) => {
            let end = End::Failed { at: clock.now(), named: error.blocking_path().cloned() };
            Op { ask: ask.clone(), asked, end }
        }
    }
}

/// Two leaves and what is above them: everybody is in everybody's way.
pub fn few_nodes() -> impl Strategy<Value = Ask> + Clone {
    let asks = ["/", "a", "a/x", "a/y"].map(|path| KINDS.map(|kind| Ask::new(path, kind)));
    prop::sample::select(asks.concat())
}

/// Racing exclusive requests along one branch, where each could make the other fail.
pub fn exclusive_chain() -> impl Strategy<Value = Ask> + Clone {
    prop::sample::select(["a", "a/x", "a/x/1"].map(|path| Ask::new(path, EXCLUSIVE)).to_vec())
}
