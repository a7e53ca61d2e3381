//! Random programs of one thread with sets of locks and single ones, which also wait, are given up
//! and are split. They are checked against the conflict table, as in `random_waits.rs`:
//!
//! * Two requests that conflict are never both granted.
//! * A waiter waits because of a lock, or because of another waiter that itself has a reason to
//!   wait.
//! * A try fails only because of a request that it conflicts with. The error names the member that
//!   was blocked, and that request.
//! * A wait that is given up leaves nothing behind.

mod common;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::asking::AT_MOST;
use common::choices::any_lock;
use common::kinds::{Ask, EXCLUSIVE};
use common::steps::few_nodes;
use mutextree::{LockError, MemoryStore, Mode, OwnedTreeMutexGuard, OwnedTreeMutexSetGuard, Scope, TreeMutexSet};
use proptest::prelude::*;

/// What is locked as one.
type Asks = Vec<Ask>;
type Wait = Pin<Box<dyn Future<Output = Result<OwnedTreeMutexSetGuard, LockError>>>>;

#[derive(Clone, Debug)]
enum Step {
    Wait(Asks),
    Try(Asks),
    TryForNoTime(Asks),
    /// By the mutex of one node.
    TryOne(Ask),
    IsLocked(Ask),
    /// Of those that wait or are held at that point, counted round and round.
    GiveUp(usize),
    Release(usize),
    Split(usize),
}

#[derive(Debug)]
#[allow(dead_code)] // held, and dropped
enum Guard {
    Set(OwnedTreeMutexSetGuard),
    One(OwnedTreeMutexGuard),
}

/// What is left of members when none covers another, found by trying out all pairs.
fn normal(mut asks: Asks) -> Asks {
    let covers = |one: &Ask, other: &Ask| {
        one.path == other.path || (one.kind.scope == Scope::Subtree && other.path.starts_with(&one.path))
    };
    loop {
        let all = 0..asks.len();
        let pairs = all.clone().flat_map(|one| all.clone().map(move |other| (one, other)));
        let pair = pairs.into_iter().find(|&(one, other)| one != other && covers(&asks[one], &asks[other]));
        let Some((one, other)) = pair else { break };
        let absorbed = asks[other].clone();
        if absorbed.kind.mode == Mode::Exclusive {
            asks[one].kind.mode = Mode::Exclusive;
        }
        if absorbed.path == asks[one].path && absorbed.kind.scope == Scope::Subtree {
            asks[one].kind.scope = Scope::Subtree;
        }
        asks.remove(other);
    }
    asks.sort_by(|one, other| one.path.cmp(&other.path));
    asks
}

fn conflict(these: &[Ask], those: &[Ask]) -> bool {
    these.iter().any(|ask| those.iter().any(|other| ask.conflicts(other)))
}

struct Run {
    store: MemoryStore,
    /// Whether nobody overtakes a waiter, on its own nodes or from above.
    strict: bool,
    held: Vec<(Asks, Guard)>,
    /// In the order they came.
    waiting: Vec<(Asks, Wait)>,
}

impl Run {
    fn new(patience: Duration) -> Self {
        let store = MemoryStore::builder().patience(patience).build();
        Self { store, strict: patience.is_zero(), held: Vec::new(), waiting: Vec::new() }
    }

    fn set(&self, asks: &[Ask]) -> TreeMutexSet {
        TreeMutexSet::new(asks.iter().map(|ask| ask.mutex(&self.store))).unwrap()
    }

    fn conflicts_with_a_lock(&self, asks: &[Ask]) -> bool {
        self.held.iter().any(|(held, _)| conflict(held, asks))
    }

    fn conflicts_with_a_waiter(&self, asks: &[Ask]) -> bool {
        self.waiting.iter().any(|(waiter, _)| conflict(waiter, asks))
    }

    /// That a request that ended so could.
    fn judge(&self, asks: &[Ask], error: Option<&LockError>) {
        let Some(error) = error else {
            assert!(!self.conflicts_with_a_lock(asks), "{asks:?} was had while {:?}", self.held);
            return;
        };
        assert!(
            self.conflicts_with_a_lock(asks) || self.conflicts_with_a_waiter(asks),
            "{asks:?} was refused because of nobody: {error}"
        );
        let member = asks.iter().find(|ask| Some(&ask.path) == error.path());
        let member = member.unwrap_or_else(|| panic!("{asks:?} names none of its members: {error}"));
        let waiters = self.waiting.iter().flat_map(|(waiter, _)| waiter);
        let mut others = self.held.iter().flat_map(|(held, _)| held).chain(waiters);
        let is_there = others.any(|other| Some(&other.path) == error.blocking_path() && other.conflicts(member));
        assert!(is_there, "{asks:?} names somebody else: {error}");
    }

    /// What was asked for at once, or not at all.
    fn answer(&mut self, asks: Asks, result: Result<Guard, LockError>) {
        self.judge(&asks, result.as_ref().err());
        self.held.extend(result.ok().map(|guard| (asks, guard)));
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Wait(asks) => {
                let set = self.set(&asks);
                let asks = normal(asks);
                assert!(set.paths().eq(asks.iter().map(|ask| &ask.path)), "{set:?} is not {asks:?}");
                let wait: Wait = Box::pin(async move { set.lock_owned_async().await });
                self.waiting.push((asks, wait));
                self.poll(self.waiting.len() - 1);
            }
            Step::Try(asks) => {
                let result = self.set(&asks).try_lock_owned();
                self.answer(normal(asks), result.map(Guard::Set));
            }
            Step::TryForNoTime(asks) => {
                let result = self.set(&asks).try_lock_owned_for(Duration::ZERO);
                self.answer(normal(asks), result.map(Guard::Set));
            }
            Step::TryOne(ask) => {
                let result = ask.mutex(&self.store).try_lock_owned();
                self.answer(vec![ask], result.map(Guard::One));
            }
            Step::IsLocked(mut ask) => {
                let is_locked = ask.mutex(&self.store).is_locked();
                ask.kind.mode = Mode::Exclusive;
                let ask = [ask];
                let in_the_way = self.conflicts_with_a_lock(&ask);
                assert!(is_locked || !in_the_way, "{ask:?} is not locked, with {:?}", self.held);
                assert!(!is_locked || in_the_way || self.conflicts_with_a_waiter(&ask), "{ask:?} is locked by nobody");
            }
            Step::GiveUp(which) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(which % self.waiting.len()));
            }
            Step::Release(which) if !self.held.is_empty() => drop(self.held.swap_remove(which % self.held.len())),
            Step::Split(which) if !self.held.is_empty() => {
                let (asks, guard) = self.held.swap_remove(which % self.held.len());
                let guards = match guard {
                    Guard::One(one) => vec![one],
                    Guard::Set(set) => set.split(),
                };
                assert_eq!(guards.len(), asks.len());
                let parts = asks.into_iter().zip(guards);
                self.held.extend(parts.map(|(ask, guard)| {
                    assert_eq!((guard.path(), guard.mode()), (&ask.path, ask.kind.mode));
                    (vec![ask], Guard::One(guard))
                }));
            }
            Step::GiveUp(_) | Step::Release(_) | Step::Split(_) => {}
        }
    }

    /// Whether the one at `at` is in now.
    fn poll(&mut self, at: usize) -> bool {
        let (_, wait) = &mut self.waiting[at];
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => false,
            Poll::Ready(result) => {
                let (asks, _) = self.waiting.remove(at);
                let guard = result.expect("who waits for ever does not fail");
                self.answer(asks, Ok(Guard::Set(guard)));
                true
            }
        }
    }

    /// Polls all of them, the last ones first or the first ones first, until nobody gets any
    /// further.
    fn settle(&mut self, last_first: bool) {
        let mut quiet = 0;
        // One that steps back lets others go on, without being granted anything itself. A set may
        // have to step back from each of its members.
        while quiet < 6 {
            let before = self.waiting.len();
            let mut at = if last_first { before } else { 0 };
            while if last_first { at > 0 } else { at < self.waiting.len() } {
                at -= usize::from(last_first);
                let is_in = self.poll(at);
                at += usize::from(!last_first && !is_in);
            }
            quiet = if self.waiting.len() == before { quiet + 1 } else { 0 };
        }
    }

    /// Lets all go on that can. That everyone who still waits then has a reason. On a busy machine
    /// a waiter may have lapsed meanwhile, as it was not polled for long. Then another thread is
    /// about to drop its claims, which is waited for.
    fn settle_with_reasons(&mut self, last_first: bool) {
        let start = Instant::now();
        loop {
            self.settle(last_first);
            let Some(complaint) = self.waits_for_nobody() else { return };
            assert!(start.elapsed() < AT_MOST, "{complaint}");
            thread::yield_now();
        }
    }

    /// Who still waits, though all that can go on have, and waits for no lock: not by way of other
    /// waiters, either.
    fn waits_for_nobody(&self) -> Option<String> {
        let mut has_one: Vec<_> = self.waiting.iter().map(|(asks, _)| self.conflicts_with_a_lock(asks)).collect();
        let may_wait_for = |at: usize, other: usize| {
            let ((mine, _), (theirs, _)) = (&self.waiting[at], &self.waiting[other]);
            let is_below = |mine: &Ask, theirs: &Ask| theirs.path.starts_with(&mine.path) && theirs.path != mine.path;
            let mut pairs = mine.iter().flat_map(|mine| theirs.iter().map(move |theirs| (mine, theirs)));
            pairs.any(|(mine, theirs)| mine.conflicts(theirs) && (other < at || !self.strict || is_below(mine, theirs)))
        };
        let all = 0..self.waiting.len();
        while let Some(at) =
            all.clone().find(|&at| !has_one[at] && all.clone().any(|other| has_one[other] && may_wait_for(at, other)))
        {
            has_one[at] = true;
        }
        let at = has_one.iter().position(|has_one| !has_one)?;
        let waiting: Vec<_> = self.waiting.iter().map(|(asks, _)| asks).collect();
        Some(format!("{:?} waits for nobody; held: {:?}, waiting: {waiting:?}", waiting[at], self.held))
    }
}

fn run(patience: Duration, steps: Vec<(Step, bool, bool)>) {
    let mut run = Run::new(patience);
    for (step, settle, last_first) in steps {
        run.run(step);
        if settle {
            run.settle_with_reasons(last_first);
        }
    }
    // All that is held is let go, and everybody gets in, one after the other.
    for turn in 0.. {
        run.settle_with_reasons(turn % 2 == 0);
        if run.held.is_empty() {
            break;
        }
        drop(run.held.remove(0));
    }
    assert!(run.waiting.is_empty());
    drop(Ask::new("/", EXCLUSIVE).mutex(&run.store).try_lock().expect("something is still locked"));
}

fn any_steps<A: Strategy<Value = Ask> + Clone>(any_ask: A) -> impl Strategy<Value = Vec<(Step, bool, bool)>> {
    let which = || any::<usize>();
    let any_set = prop::collection::vec(any_ask.clone(), 1..6);
    let step = prop_oneof![
        8 => any_set.clone().prop_map(Step::Wait),
        2 => any_set.clone().prop_map(Step::Try),
        1 => any_set.prop_map(Step::TryForNoTime),
        2 => any_ask.clone().prop_map(Step::TryOne),
        1 => any_ask.prop_map(Step::IsLocked),
        2 => which().prop_map(Step::GiveUp),
        6 => which().prop_map(Step::Release),
        1 => which().prop_map(Step::Split),
    ];
    // Those who are woken run at once most of the time; else more happens before they do.
    prop::collection::vec((step, prop::bool::weighted(0.7), any::<bool>()), 1..60)
}

fn any_patience() -> impl Strategy<Value = Duration> {
    prop::sample::select(vec![Duration::ZERO, Duration::from_millis(1), Duration::MAX])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_a_tree(patience in any_patience(), steps in any_steps(any_lock())) {
        run(patience, steps);
    }

    #[test]
    fn on_few_nodes(patience in any_patience(), steps in any_steps(few_nodes())) {
        run(patience, steps);
    }
}
