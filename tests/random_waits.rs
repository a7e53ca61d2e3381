//! Random programs of one thread in which requests also wait, checked against the conflict table.
//!
//! The requests are futures, polled by hand, so a program does the same thing each time. Which of
//! several waiters is served first is the store's own business. These are not:
//!
//! * Two requests that conflict are never both granted.
//! * A waiter waits because of a lock, or because of another waiter that itself has a reason to
//!   wait.
//! * A try fails only because of a request that it conflicts with, and the error names that one.
//! * A wait that is given up leaves nothing behind.

mod common;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::asking::AT_MOST;
use common::choices::any_lock;
use common::kinds::{Ask, EXCLUSIVE, Kind};
use common::steps::{exclusive_chain, few_nodes};
use mutextree::{LockError, MemoryStore, Mode, OwnedTreeMutexGuard, TreePath};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(Ask),
    Try(Ask),
    TryForNoTime(Ask),
    IsLocked(Ask),
    /// Of those that wait or are held at that point, counted round and round.
    GiveUp(usize),
    Release(usize),
    Downgrade(usize),
    Shrink,
}

type Guard = OwnedTreeMutexGuard<MemoryStore>;
type Wait = Pin<Box<dyn Future<Output = Result<Guard, LockError>>>>;

struct Run {
    store: MemoryStore,
    /// Whether nobody overtakes a waiter, on its own node or from above.
    strict: bool,
    held: Vec<(Ask, Guard)>,
    /// In the order they came.
    waiting: Vec<(Ask, Wait)>,
}

impl Run {
    fn new(patience: Duration) -> Self {
        let store = MemoryStore::builder().patience(patience).build();
        Self { store, strict: patience.is_zero(), held: Vec::new(), waiting: Vec::new() }
    }

    fn conflicts_with_a_lock(&self, ask: &Ask) -> bool {
        self.held.iter().any(|(lock, _)| lock.conflicts(ask))
    }

    fn conflicts_with_a_waiter(&self, ask: &Ask) -> bool {
        self.waiting.iter().any(|(waiter, _)| waiter.conflicts(ask))
    }

    /// That a request that ended so could.
    fn judge(&self, ask: &Ask, error: Option<&LockError>) {
        let Some(error) = error else {
            assert!(!self.conflicts_with_a_lock(ask), "{ask:?} was had while {:?}", self.held);
            return;
        };
        assert!(
            self.conflicts_with_a_lock(ask) || self.conflicts_with_a_waiter(ask),
            "{ask:?} was refused because of nobody: {error}"
        );
        let is_there = |path: &TreePath| {
            let waiters = self.waiting.iter().map(|(waiter, _)| waiter);
            let mut all = self.held.iter().map(|(lock, _)| lock).chain(waiters);
            all.any(|other| other.path == *path && other.conflicts(ask))
        };
        assert!(error.blocking_path().is_some_and(is_there), "{ask:?} names somebody else: {error}");
    }

    /// What was asked for at once, or not at all.
    fn answer(&mut self, ask: &Ask, result: Result<Guard, LockError>) {
        self.judge(ask, result.as_ref().err());
        self.held.extend(result.ok().map(|guard| (ask.clone(), guard)));
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Wait(ask) => {
                let mutex = ask.mutex(&self.store);
                let wait: Wait = Box::pin(async move { mutex.lock_owned_async().await });
                self.waiting.push((ask.clone(), wait));
                self.poll(self.waiting.len() - 1);
            }
            Step::Try(ask) => {
                let result = ask.mutex(&self.store).try_lock_owned();
                self.answer(ask, result);
            }
            Step::TryForNoTime(ask) => {
                let result = ask.mutex(&self.store).try_lock_owned_for(Duration::ZERO);
                self.answer(ask, result);
            }
            Step::IsLocked(ask) => {
                let is_locked = ask.mutex(&self.store).is_locked();
                let exclusive = Ask::new(&ask.path, Kind::new(Mode::Exclusive, ask.kind.scope));
                let in_the_way = self.conflicts_with_a_lock(&exclusive);
                assert!(is_locked || !in_the_way, "{exclusive:?} is not locked, with {:?}", self.held);
                assert!(
                    !is_locked || in_the_way || self.conflicts_with_a_waiter(&exclusive),
                    "{exclusive:?} is locked by nobody"
                );
            }
            Step::GiveUp(which) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(which % self.waiting.len()));
            }
            Step::Release(which) if !self.held.is_empty() => drop(self.held.swap_remove(which % self.held.len())),
            Step::Downgrade(which) if !self.held.is_empty() => {
                let at = which % self.held.len();
                let (ask, guard) = &mut self.held[at];
                guard.downgrade().unwrap();
                ask.kind.mode = Mode::Shared;
            }
            Step::Shrink => self.store.shrink_to_fit(),
            Step::GiveUp(_) | Step::Release(_) | Step::Downgrade(_) => {}
        }
    }

    /// Whether the one at `at` is in now.
    fn poll(&mut self, at: usize) -> bool {
        let (_, wait) = &mut self.waiting[at];
        match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => false,
            Poll::Ready(result) => {
                let (ask, _) = self.waiting.remove(at);
                let guard = result.expect("who waits for ever does not fail");
                self.answer(&ask, Ok(guard));
                true
            }
        }
    }

    /// Polls all of them, the last ones first or the first ones first, until nobody gets any
    /// further.
    fn settle(&mut self, last_first: bool) {
        let mut quiet = 0;
        // One that steps back lets others go on, without being granted anything itself.
        while quiet < 3 {
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

    /// That everyone who still waits, though all that can go on have, waits for a lock: by way of
    /// other waiters, perhaps.
    fn everybody_has_a_reason(&self) {
        let mut has_one: Vec<_> = self.waiting.iter().map(|(ask, _)| self.conflicts_with_a_lock(ask)).collect();
        let may_wait_for = |at: usize, other: usize| {
            let ((mine, _), (theirs, _)) = (&self.waiting[at], &self.waiting[other]);
            let in_time = other < at || !self.strict || theirs.path.starts_with(&mine.path) && theirs.path != mine.path;
            in_time && mine.conflicts(theirs)
        };
        let all = 0..self.waiting.len();
        while let Some(at) =
            all.clone().find(|&at| !has_one[at] && all.clone().any(|other| has_one[other] && may_wait_for(at, other)))
        {
            has_one[at] = true;
        }
        if let Some(at) = has_one.iter().position(|has_one| !has_one) {
            let waiting: Vec<_> = self.waiting.iter().map(|(ask, _)| ask).collect();
            panic!("{:?} waits for nobody; held: {:?}, waiting: {waiting:?}", waiting[at], self.held);
        }
    }
}

fn run(patience: Duration, steps: &[(Step, bool, bool)]) {
    let mut run = Run::new(patience);
    for (step, settle, last_first) in steps {
        run.run(step);
        if *settle {
            run.settle(*last_first);
            run.everybody_has_a_reason();
        }
    }
    // All that is held is let go, and everybody gets in, one after the other.
    for turn in 0.. {
        run.settle(turn % 2 == 0);
        run.everybody_has_a_reason();
        if run.held.is_empty() {
            break;
        }
        drop(run.held.remove(0));
    }
    assert!(run.waiting.is_empty());
    drop(Ask::new("/", EXCLUSIVE).mutex(&run.store).try_lock().expect("something is still locked"));
    leaves_nothing(&run.store);
}

/// That the root is all that is left, at last: whoever comes by for those that were woken has the
/// node in hand for a moment.
fn leaves_nothing(store: &MemoryStore) {
    let start = Instant::now();
    loop {
        store.shrink_to_fit();
        if store.node_count() == 1 {
            return;
        }
        assert!(start.elapsed() < AT_MOST, "{} nodes were left behind", store.node_count() - 1);
        thread::yield_now();
    }
}

fn any_steps<A: Strategy<Value = Ask> + Clone>(any_ask: A) -> impl Strategy<Value = Vec<(Step, bool, bool)>> {
    let which = || any::<usize>();
    let step = prop_oneof![
        8 => any_ask.clone().prop_map(Step::Wait),
        2 => any_ask.clone().prop_map(Step::Try),
        1 => any_ask.clone().prop_map(Step::TryForNoTime),
        1 => any_ask.prop_map(Step::IsLocked),
        2 => which().prop_map(Step::GiveUp),
        6 => which().prop_map(Step::Release),
        2 => which().prop_map(Step::Downgrade),
        1 => Just(Step::Shrink),
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
        run(patience, &steps);
    }

    #[test]
    fn on_few_nodes(patience in any_patience(), steps in any_steps(few_nodes())) {
        run(patience, &steps);
    }

    #[test]
    fn on_a_chain(patience in any_patience(), steps in any_steps(exclusive_chain())) {
        run(patience, &steps);
    }
}
