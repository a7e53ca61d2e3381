//! Deadlocks of every shape, on any store with deadlock detection: each is told, to one of those in
//! it, and the others go on.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{Deadlock, LockError, LockStore, TreeMutex};

use crate::common::asking::{AT_MOST, asking, in_time};
use crate::common::hand::Hand;

#[allow(unused_imports, reason = "of those that look for no deadlocks")]
pub use self::{changes::*, sets::*};

mod changes;
mod sets;

/// Found within about a second, says the contract. Machines that test are busy.
const SOON: Duration = Duration::from_secs(5);

/// That it can be done at once. A busy machine takes longer now and then; what is found by looking
/// around now and then takes longer each time.
#[track_caller]
fn at_once(mut attempt: impl FnMut()) {
    let mut is_quick = || {
        let begun = Instant::now();
        attempt();
        begun.elapsed() < Duration::from_millis(250)
    };
    assert!((0..5).any(|_| is_quick()), "it took long each time");
}

/// The deadlock in an error.
#[track_caller]
pub fn told<T>(result: Result<T, LockError>) -> Deadlock {
    match result {
        Err(LockError::Deadlock(deadlock)) => deadlock,
        Err(other) => panic!("no deadlock, but {other}"),
        Ok(_) => panic!("no deadlock: it was granted"),
    }
}

/// Each for its own: threads with these names take the first lock, wait for each other, and take
/// the second. What was told, by the number of the thread.
fn meet<S: LockStore>(locks: Vec<(TreeMutex<S>, TreeMutex<S>)>) -> Vec<(usize, Deadlock)> {
    let barrier = Arc::new(Barrier::new(locks.len()));
    let threads = locks.into_iter().enumerate().map(|(number, (first, second))| {
        let barrier = barrier.clone();
        let thread = thread::Builder::new().name(format!("number {number}"));
        let run = move || {
            let held = first.lock().unwrap();
            barrier.wait();
            let begun = Instant::now();
            let deadlock = match second.lock() {
                Ok(_) => None,
                Err(LockError::Deadlock(deadlock)) => Some((number, deadlock)),
                Err(other) => panic!("{other}"),
            };
            assert!(deadlock.is_none() || begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
            drop(held);
            deadlock
        };
        thread.spawn(run).unwrap()
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
}

fn mutex<S: LockStore>(store: &S, path: &str) -> TreeMutex<S> {
    store.mutex(path).unwrap()
}

/// Threads in a circle, each of which has the lock that the one before wants.
fn circle_of<S: LockStore>(store: S, count: usize) {
    in_time(move || {
        let pair = |number: usize| {
            (mutex(&store, &format!("c/{number}")), mutex(&store, &format!("c/{}", (number + 1) % count)))
        };
        let told = meet((0..count).map(pair).collect());
        let [(victim, deadlock)] = &told[..] else { panic!("one gives way, and not {}: {told:?}", told.len()) };
        let cycle = deadlock.cycle();
        assert_eq!(cycle.len(), count, "{deadlock}");
        for (step, wanted) in cycle.iter().enumerate() {
            let number = (victim + step) % count;
            let holds = wanted.holds.as_ref().unwrap();
            assert_eq!(wanted.who(), format!("thread `number {number}`"));
            assert_eq!(holds.path.to_string(), format!("c/{number}"));
            assert_eq!(wanted.wants.path.to_string(), format!("c/{}", (number + 1) % count));
            assert_eq!(wanted.wants.behind.as_ref().unwrap().path(), &wanted.wants.path);
            // It waited as long as it took to be found, and held what it has before that.
            assert!(wanted.wants.waited.unwrap() > Duration::ZERO && wanted.wants.waited.unwrap() < SOON);
            assert!(holds.held_for.unwrap() > Duration::ZERO);
            for place in [holds.taken_at.unwrap(), wanted.wants.asked_at.unwrap()] {
                assert_eq!(place.file(), file!());
            }
            assert!(holds.taken_at.unwrap().line() < wanted.wants.asked_at.unwrap().line());
        }
        assert_eq!(deadlock.to_string().lines().count(), count, "{deadlock}");
        assert!(store.snapshot().unwrap().is_empty(), "nothing is left behind");
    });
}

pub fn two_threads<S: LockStore>(store: S) {
    circle_of(store, 2);
}

pub fn three_threads<S: LockStore>(store: S) {
    circle_of(store, 3);
}

pub fn eight_threads<S: LockStore>(store: S) {
    circle_of(store, 8);
}

/// The second lock of each is above, below or beside what the other one has.
pub fn across_the_tree<S: LockStore>(store: S) {
    in_time(move || {
        let told = meet(vec![
            (mutex(&store, "a/b"), mutex(&store, "x")),
            (mutex(&store, "x/y"), mutex(&store, "a/b/c").shared().node_only()),
        ]);
        let [(victim, deadlock)] = &told[..] else { panic!("{told:?}") };
        let texts: BTreeSet<_> =
            deadlock.to_string().lines().map(|line| line.split(": ").last().unwrap().to_owned()).collect();
        let expected =
            ["`x/y`, below it, is locked by thread `number 1`", "`a/b`, above it, is locked by thread `number 0`"];
        assert_eq!(texts, expected.map(String::from).into(), "told to {victim}");
    });
}

/// A wait with a timeout is told what it waits for, earlier than that its time is up.
pub fn told_rather_than_timed_out<S: LockStore>(store: S) {
    in_time(move || {
        let (one, other) = (mutex(&store, "one"), mutex(&store, "other"));
        let held = one.lock().unwrap();
        let (theirs, mine) = (other.clone(), one.clone());
        let barrier = Arc::new(Barrier::new(2));
        let meets = barrier.clone();
        let thread = asking(move || {
            let _held = theirs.lock().unwrap();
            meets.wait();
            mine.try_lock_for(AT_MOST).map(drop)
        });
        barrier.wait();
        let begun = Instant::now();
        let mine = other.try_lock_for(AT_MOST).map(drop);
        assert!(begun.elapsed() < SOON);
        drop(held);
        let results = [mine, thread.ends()];
        let deadlocks = results.iter().filter(|result| matches!(result, Err(LockError::Deadlock(_)))).count();
        assert_eq!((deadlocks, results.iter().filter(|result| result.is_ok()).count()), (1, 1), "{results:?}");
    });
}

/// One's own lock in the way: the same node, above it, below it. Told at once.
pub fn ones_own_lock<S: LockStore>(store: S) {
    in_time(move || {
        let all = [("a/b", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d")];
        for (held, wanted) in all {
            let (held, wanted) = (mutex(&store, held), mutex(&store, wanted));
            let guard = held.lock().unwrap();
            let is_told = |result: Result<(), LockError>| {
                let deadlock = told(result);
                let [only] = deadlock.cycle() else { panic!("{deadlock}") };
                assert_eq!(&only.holds.as_ref().unwrap().path, held.path());
                assert_eq!(&only.wants.path, wanted.path());
            };
            at_once(|| is_told(wanted.lock().map(drop)));
            at_once(|| is_told(wanted.clone().shared().try_lock_for(AT_MOST).map(drop)));
            // A try is no wait.
            assert!(matches!(wanted.try_lock(), Err(LockError::WouldBlock { .. })));
            drop(guard);
            assert!(wanted.lock().is_ok());
        }
        // What does not conflict is granted.
        let [_one, _two] = ["s", "s/t"].map(|path| mutex(&store, path).shared().lock_owned().unwrap());
    });
}

/// The error of one's own lock is told by the paths, as any other.
pub fn the_error_says_which<S: LockStore>(store: S) {
    let _guard = store.lock("org/team").unwrap();
    let error = store.lock("org/team/mail").unwrap_err();
    assert_eq!(error.path().unwrap().to_string(), "org/team/mail");
    assert_eq!(error.blocking_path().unwrap().to_string(), "org/team");
    let text = error.to_string();
    assert!(text.starts_with("a deadlock of one with itself: "), "{text}");
    for part in ["holds `org/team` (exclusive)", "waits for `org/team/mail` (exclusive)", file!(), "locked by itself"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Shared, and shared again: behind somebody who wants it exclusively. `is_queued` says when that
/// one is.
pub fn shared_behind_a_writer<S: LockStore>(store: S) {
    in_time(move || {
        let reader = mutex(&store, "page").shared();
        let held = reader.lock().unwrap();
        let writer = mutex(&store, "page");
        let thread = thread::Builder::new().name("the writer".into());
        let thread = thread.spawn(move || drop(writer.lock().unwrap())).unwrap();
        while store.snapshot().unwrap().waiters().len() == 0 {
            thread::yield_now();
        }
        let begun = Instant::now();
        let deadlock = told(reader.lock().map(drop));
        assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
        let [me, them] = deadlock.cycle() else { panic!("{deadlock}") };
        assert_eq!(them.who(), "thread `the writer`");
        assert!(them.holds.is_none() && me.wants.behind.as_ref().unwrap().waiting().is_some());
        assert!(deadlock.to_string().contains("waits for it and came earlier"), "{deadlock}");
        drop(held);
        thread.join().unwrap();
    });
}

/// Somebody waits for all of `a`, and holds up who has a part and wants another.
pub fn a_part_and_another<S: LockStore>(store: S) {
    in_time(move || {
        let held = mutex(&store, "a/x").lock_owned().unwrap();
        let whole = mutex(&store, "a");
        let thread = asking(move || whole.lock().map(drop));
        while store.snapshot().unwrap().waiters().len() == 0 {
            thread::yield_now();
        }
        let deadlock = told(mutex(&store, "a/y").lock().map(drop));
        assert_eq!(deadlock.cycle().len(), 2, "{deadlock}");
        assert_eq!(deadlock.cycle()[1].wants.path.to_string(), "a");
        drop(held);
        thread.ends().unwrap();
    });
}

fn until_they_wait<S: LockStore>(store: &S) {
    while store.snapshot().unwrap().waiters().len() == 0 {
        thread::yield_now();
    }
}

fn owned<S: LockStore>(store: &S, path: &str, owner: &str) -> TreeMutex<S> {
    mutex(store, path).owner(owner)
}

/// Two tasks, told apart by their owners.
pub fn two_tasks<S: LockStore>(store: S) {
    in_time(move || {
        let task = |first: &str, second: &str, owner: &str| {
            let (first, second) = (owned(&store, first, owner), owned(&store, second, owner));
            (Hand::new(async move { first.lock_owned_async().await.unwrap() }).block_on(), second)
        };
        let (one, then) = task("a", "b", "alice");
        let (two, after) = task("b", "a", "bob");
        let mut waits = [then, after].map(|mutex| Hand::new(async move { mutex.lock_owned_async().await }));
        waits.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
        let [first, second] = waits;
        // The one that came later closed the circle.
        let deadlock = told(second.block_on());
        assert_eq!(deadlock.cycle().iter().map(|wanted| wanted.who()).collect::<Vec<_>>(), ["bob", "alice"]);
        drop(two);
        drop((first.block_on().unwrap(), one));
    });
}

/// A thread and a task.
pub fn a_thread_and_a_task<S: LockStore>(store: S) {
    in_time(move || {
        let (first, second) = (owned(&store, "b", "the task"), owned(&store, "a", "the task"));
        let theirs = Hand::new(async move { first.lock_owned_async().await.unwrap() }).block_on();
        let mine = mutex(&store, "a").lock_owned().unwrap();
        let mut wait = Hand::new(async move { second.lock_owned_async().await });
        assert!(wait.poll().is_none());
        // The thread comes later, so it is the one that is told.
        while store.snapshot().unwrap().waiters().len() == 0 {
            thread::yield_now();
        }
        let deadlock = told(mutex(&store, "b").lock().map(drop));
        assert_eq!(deadlock.cycle().len(), 2, "{deadlock}");
        assert_eq!(deadlock.cycle()[1].who(), "the task");
        drop(mine);
        drop((wait.block_on().unwrap(), theirs));
    });
}

/// A task asks for what its owner has.
pub fn a_task_and_its_own<S: LockStore>(store: S) {
    let (mutex, below) = (owned(&store, "a", "alice"), owned(&store, "a/b", "alice"));
    let guard = Hand::new(async move { mutex.lock_owned_async().await.unwrap() }).block_on();
    let deadlock = told(Hand::new(async move { below.lock_owned_async().await }).block_on());
    assert_eq!(deadlock.cycle().len(), 1);
    assert_eq!(deadlock.cycle()[0].who(), "alice");
    drop(guard);
}

/// A guard that was handed over is not its thread's: who waits for it is let in.
pub fn a_guard_that_moved<S: LockStore>(store: S) {
    in_time(move || {
        for owner in [None, Some("the job")] {
            let taken = mutex(&store, "a");
            let taken = owner.map_or(taken.clone(), |owner| taken.owner(owner));
            let guard = taken.lock_owned().unwrap();
            let other = store.lock("b").unwrap();
            guard.hand_over();
            other.hand_over();
            let there = asking(move || {
                // By now the other one may wait for `a`, which looks like a circle.
                thread::sleep(Duration::from_millis(700));
                drop((guard, other));
            });
            let waits = mutex(&store, "b");
            let third = asking(move || waits.lock().map(drop));
            mutex(&store, "a").lock().map(drop).unwrap();
            third.ends().unwrap();
            there.ends();
        }
    });
}

/// And is that of the thread that takes it over.
pub fn a_guard_taken_over<S: LockStore>(store: S) {
    in_time(move || {
        let guard = store.lock("a").unwrap();
        guard.hand_over();
        asking(move || {
            guard.take_over();
            told(store.lock("a/b").map(drop));
            drop(guard);
            assert!(store.lock("a/b").is_ok());
        })
        .ends();
    });
}

/// A lease ends by itself, so who waits for it waits for no circle.
pub fn a_lease_ends<S: LockStore>(store: S) {
    in_time(move || {
        let job = mutex(&store, "jobs/1").lease(Duration::from_millis(600));
        let guard = job.lock().unwrap();
        let next = job.lock().unwrap();
        assert!(!guard.is_held() && next.is_held());
    });
}

/// `circles!(make)`: all of them, each on a new store.
macro_rules! circles {
    ($make:expr) => {
        circles! { @tests $make;
            two_threads, three_threads, eight_threads, across_the_tree, told_rather_than_timed_out, ones_own_lock,
            the_error_says_which, shared_behind_a_writer, a_part_and_another, two_tasks, a_thread_and_a_task,
            a_task_and_its_own, a_guard_that_moved, a_guard_taken_over, a_lease_ends,
            a_set_against_a_lock, a_held_set, three_sets, a_set_and_ones_own, a_set_that_drains, a_set_of_a_task,
            a_set_for_several, no_circle_in_a_storm_of_sets,
            an_upgrade, an_upgrade_and_ones_own, behind_an_upgrade, a_changed_lock
        }
    };
    (@tests $make:expr; $($test:ident),*) => {
        $(#[test]
        fn $test() {
            $crate::common::circles::$test($make);
        })*
    };
}
