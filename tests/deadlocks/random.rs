use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use fastrand::Rng;
use mutextree::{Blocker, Deadlock, Kind, LockError, LockStore, MemoryStore, Mode, Scope, TreePath, Wanted, conflicts};

use crate::common::asking::{AT_MOST, asking, in_time};

type Lock = (TreePath, Kind);

/// What everybody holds and waits for, told by themselves: a lock is noted before it can be waited
/// for, and a wait before it begins.
#[derive(Default)]
struct Oracle(Mutex<HashMap<ThreadId, Doing>>);

#[derive(Clone, Default, Debug, PartialEq)]
struct Doing {
    holds: Vec<Lock>,
    waits: Option<Lock>,
    /// How many waits there were.
    count: u64,
    /// When it was last told of a deadlock: from then on it may let go.
    told: Option<Instant>,
}

impl Oracle {
    fn me<R>(&self, change: impl FnOnce(&mut Doing) -> R) -> R {
        change(self.0.lock().unwrap().entry(thread::current().id()).or_default())
    }

    /// That it is true: each one holds and waits for what it says, and each is in the way of the
    /// one before. Not asked if another one of them was told of another deadlock since `begun`.
    fn confirms(&self, deadlock: &Deadlock, begun: Instant) -> Vec<(ThreadId, Doing)> {
        let all = self.0.lock().unwrap().clone();
        let cycle = deadlock.cycle();
        let thread = |wanted: &Wanted| wanted.wants.agent.as_ref().unwrap().thread_id().unwrap();
        if cycle[1..].iter().any(|wanted| all[&thread(wanted)].told.is_some_and(|told| told > begun)) {
            return Vec::new();
        }
        let mut doing = Vec::new();
        for (at, wanted) in cycle.iter().enumerate() {
            let thread = thread(wanted);
            let truth = &all[&thread];
            let wants = (wanted.wants.path.clone(), wanted.wants.kind);
            assert_eq!(truth.waits.as_ref(), Some(&wants), "it waits for that: {deadlock}");
            if let Some(held) = &wanted.holds {
                assert!(truth.holds.contains(&(held.path.clone(), held.kind)), "it holds that: {deadlock}");
                assert_eq!(held.agent, wanted.wants.agent);
            }
            let next = &cycle[(at + 1) % cycle.len()];
            let behind: &Blocker = wanted.wants.behind.as_ref().unwrap();
            let blocker = match (behind.held(), behind.waiting()) {
                (Some(held), None) => {
                    assert_eq!(Some(held), next.holds.as_ref());
                    (&held.path, held.kind)
                }
                (None, Some(waiter)) => {
                    assert_eq!(waiter.path, next.wants.path);
                    (&waiter.path, waiter.kind)
                }
                other => panic!("{other:?}"),
            };
            assert!(conflicts((&wants.0, wants.1), blocker), "it is in the way: {deadlock}");
            doing.push((thread, truth.clone()));
        }
        doing
    }

    /// That those of them stand still who wait for no more than locks.
    fn stand_still(&self, doing: &[(ThreadId, Doing)]) {
        let all = self.0.lock().unwrap();
        if doing.iter().any(|(thread, then)| all[thread].told != then.told) {
            return; // one of them was told, too
        }
        for (thread, then) in doing {
            assert_eq!(&all[thread], then, "it goes on, so it was in no circle");
        }
    }
}

fn some_lock(random: &mut Rng) -> Lock {
    let paths = ["a", "a/b", "a/c", "a/b/d", "a/b/e", "x", "x/y", "x/z"];
    let mode = if random.u8(..3) == 0 { Mode::Shared } else { Mode::Exclusive };
    let scope = if random.u8(..4) == 0 { Scope::Node } else { Scope::Subtree };
    (random.choice(paths).unwrap().parse().unwrap(), Kind::new(mode, scope))
}

/// One thread: takes locks, up to three at a time, and lets go. How many deadlocks it was told.
fn run(store: &MemoryStore, oracle: &Oracle, seed: u64, end: Instant) -> usize {
    let (mut random, mut guards, mut told) = (Rng::with_seed(seed), Vec::new(), 0);
    while Instant::now() < end {
        if guards.len() == 3 || (!guards.is_empty() && random.u8(..4) == 0) {
            let at = random.usize(..guards.len());
            // Not noted any more before it is let go.
            oracle.me(|me| me.holds.remove(at));
            drop(guards.remove(at));
            continue;
        }
        let (path, kind) = some_lock(&mut random);
        let mut mutex = store.mutex(&path).unwrap();
        if kind.mode == Mode::Shared {
            mutex = mutex.shared();
        }
        if kind.scope == Scope::Node {
            mutex = mutex.node_only();
        }
        oracle.me(|me| {
            me.waits = Some((path.clone(), kind));
            me.count += 1;
        });
        let begun = Instant::now();
        let result = match random.u8(..8) {
            0 => mutex.try_lock_owned_for(Duration::from_millis(random.u64(..3))),
            1 => mutex.try_lock_owned_for(AT_MOST),
            _ => mutex.lock_owned(),
        };
        match result {
            Ok(guard) => {
                oracle.me(|me| {
                    me.waits = None;
                    me.holds.push((path, kind));
                });
                guards.push(guard);
                continue;
            }
            Err(LockError::TimedOut { .. }) => oracle.me(|me| me.waits = None),
            Err(LockError::Deadlock(deadlock)) => {
                told += 1;
                oracle.me(|me| me.told = Some(Instant::now()));
                let mut doing = oracle.confirms(&deadlock, begun);
                // All hold what this one waits for, or stand behind one who does. Only who stood
                // behind this wait itself may go on.
                if !doing.is_empty() && deadlock.cycle().iter().all(|wanted| wanted.holds.is_some()) {
                    doing.remove(0);
                    thread::sleep(Duration::from_millis(3));
                    oracle.stand_still(&doing);
                }
                oracle.me(|me| (me.waits, me.holds) = (None, Vec::new()));
                guards.clear();
            }
            Err(other) => panic!("{other}"),
        }
        if random.bool() {
            oracle.me(|me| me.holds.clear());
            guards.clear();
        }
    }
    oracle.me(|me| me.holds.clear());
    told
}

fn run_all(store: MemoryStore, threads: u64, time: Duration) -> usize {
    let (oracle, end, seed) = (Arc::new(Oracle::default()), Instant::now() + time, fastrand::u64(..));
    println!("seed {seed}");
    let run = |number| {
        let (store, oracle) = (store.clone(), oracle.clone());
        asking(move || run(&store, &oracle, seed.wrapping_add(number), end))
    };
    let all: Vec<_> = (0..threads).map(run).collect();
    // That each ends shows that every circle was found.
    let told = all.into_iter().map(|thread| thread.ends()).sum();
    assert!(store.snapshot().unwrap().is_empty());
    told
}

#[test]
fn every_circle_is_found_and_no_other() {
    in_time(|| {
        for threads in [2, 3, 6] {
            let told = run_all(super::store(), threads, Duration::from_secs(3));
            assert!(told > 0, "{threads} threads met no deadlock");
        }
    });
}

#[test]
fn the_same_where_newcomers_overtake() {
    in_time(|| {
        let store = MemoryStore::builder().deadlock_detection(true).build();
        assert!(run_all(store, 5, Duration::from_secs(4)) > 0);
    });
}

/// Locks in one order, and single ones anywhere.
#[test]
fn a_storm_without_deadlocks_is_told_nothing() {
    in_time(|| {
        let store = super::store();
        let end = Instant::now() + Duration::from_secs(4);
        let storm = |seed| {
            let store = store.clone();
            asking(move || {
                let mut random = Rng::with_seed(seed);
                while Instant::now() < end {
                    let mut order: Vec<_> = (0..4).map(|_| random.u8(..6)).collect();
                    order.sort_unstable();
                    order.dedup();
                    let held: Vec<_> =
                        order.iter().map(|path| store.lock(format!("in order/{path}")).unwrap()).collect();
                    if random.u8(..20) == 0 {
                        thread::sleep(Duration::from_millis(100)); // long enough to be looked at
                    }
                    drop(held);
                    let (path, kind) = some_lock(&mut random);
                    let mutex = store.mutex(path).unwrap();
                    let mutex = if kind.mode == Mode::Shared { mutex.shared() } else { mutex };
                    drop(mutex.lock().unwrap());
                }
            })
        };
        let all: Vec<_> = (0..8).map(storm).collect();
        all.into_iter().for_each(|thread| thread.ends());
    });
}
