use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use fastrand::Rng;
use mutextree::{
    Blocker, Deadlock, Kind, LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexGuard, Scope, TreeMutex,
    TreeMutexSet, TreePath, Wanted, conflicts,
};

use crate::common::asking::{AT_MOST, asking, in_time};

type Lock = (TreePath, Kind);

/// What everybody holds and waits for, told by themselves: a lock is noted before it can be waited
/// for, and a wait before it begins.
#[derive(Default)]
struct Oracle(Mutex<HashMap<ThreadId, Doing>>);

#[derive(Clone, Default, Debug, PartialEq)]
struct Doing {
    holds: Vec<Lock>,
    /// One, or the members of a set.
    waits: Vec<Lock>,
    /// Whether its wait ends by itself within some milliseconds.
    is_short: bool,
    /// How many waits there were.
    count: u64,
    /// When a wait of it last ended without a lock: from then on it may let go.
    gave_up: Option<Instant>,
    /// Its latest waits that are over: when each ended, what it was for, and what was held all the
    /// while.
    past: VecDeque<(Instant, Vec<Lock>, Vec<Lock>)>,
}

/// So many waits that are over are remembered of each thread.
const PAST: usize = 256;

impl Doing {
    /// Its wait is over.
    fn goes_on(&mut self) {
        self.past.truncate(PAST - 1);
        self.past.push_front((Instant::now(), std::mem::take(&mut self.waits), self.holds.clone()));
    }

    /// Whether it waited for this at some time after `begun`, and held that all the while.
    fn was_at(&self, begun: Instant, waits: &Lock, holds: Option<&Lock>) -> bool {
        let past = self.past.iter().take_while(|(ended, ..)| *ended > begun).map(|(_, waits, held)| (waits, held));
        std::iter::once((&self.waits, &self.holds))
            .chain(past)
            .any(|(all, held)| all.contains(waits) && holds.is_none_or(|lock| held.contains(lock)))
    }
}

fn thread_of(wanted: &Wanted) -> ThreadId {
    wanted.wants.agent.as_ref().unwrap().thread_id().unwrap()
}

impl Oracle {
    fn me<R>(&self, change: impl FnOnce(&mut Doing) -> R) -> R {
        change(self.0.lock().unwrap().entry(thread::current().id()).or_default())
    }

    /// That it was true at some time after `begun`: each one held and waited for what it says, and
    /// each was in the way of the one before. Since then some may have gone on.
    fn confirms(&self, deadlock: &Deadlock, begun: Instant) -> Vec<(ThreadId, Doing)> {
        let all = self.0.lock().unwrap().clone();
        let cycle = deadlock.cycle();
        let mut doing = Vec::new();
        for (at, wanted) in cycle.iter().enumerate() {
            let thread = thread_of(wanted);
            let truth = &all[&thread];
            let wants = (wanted.wants.path.clone(), wanted.wants.kind);
            let holds = wanted.holds.as_ref().map(|held| (held.path.clone(), held.kind));
            assert!(truth.was_at(begun, &wants, holds.as_ref()), "{at} held and waited for that: {deadlock}");
            if let Some(held) = &wanted.holds {
                assert_eq!(held.agent, wanted.wants.agent);
            }
            let next = &cycle[(at + 1) % cycle.len()];
            let behind: &Blocker = wanted.wants.behind.as_ref().unwrap();
            let blocker = match (behind.held(), behind.waiting()) {
                (Some(held), None) => {
                    assert_eq!(Some(held), next.holds.as_ref());
                    (held.path.clone(), held.kind)
                }
                (None, Some(waiter)) => {
                    let waits = (waiter.path.clone(), waiter.kind);
                    assert!(all[&thread_of(next)].was_at(begun, &waits, None), "it waited for that: {deadlock}");
                    waits
                }
                other => panic!("{other:?}"),
            };
            assert!(conflicts((&wants.0, wants.1), (&blocker.0, blocker.1)), "it is in the way: {deadlock}");
            doing.push((thread, truth.clone()));
        }
        doing
    }

    /// That those of them stand still who wait for no more than locks. Nothing is known if one of
    /// them gave up after `begun`: its time was up, or it was told of another cycle.
    fn stand_still(&self, doing: &[(ThreadId, Doing)], begun: Instant) {
        let all = self.0.lock().unwrap();
        if doing.iter().any(|(thread, then)| then.is_short || all[thread].gave_up > Some(begun)) {
            return;
        }
        for (thread, then) in doing {
            assert_eq!(&all[thread], then, "it goes on, so it was in no circle");
        }
    }
}

const PATHS: [&str; 8] = ["a", "a/b", "a/c", "a/b/d", "a/b/e", "x", "x/y", "x/z"];

fn some_lock(random: &mut Rng, paths: &[&str]) -> Lock {
    let mode = if random.u8(..3) == 0 { Mode::Shared } else { Mode::Exclusive };
    let scope = if random.u8(..4) == 0 { Scope::Node } else { Scope::Subtree };
    (random.choice(paths).unwrap().parse().unwrap(), Kind::new(mode, scope))
}

fn mutex_of(store: &MemoryStore, (path, kind): &Lock) -> TreeMutex {
    let mutex = store.mutex(path).unwrap();
    let mutex = if kind.mode == Mode::Shared { mutex.shared() } else { mutex };
    if kind.scope == Scope::Node { mutex.node_only() } else { mutex }
}

/// One thread of the storm.
struct Runner<'a> {
    store: &'a MemoryStore,
    oracle: &'a Oracle,
    random: Rng,
    /// In the order of what the oracle knows of it.
    guards: Vec<OwnedTreeMutexGuard>,
    told: usize,
}

impl Runner<'_> {
    /// Not noted any more before it is let go.
    fn let_go(&mut self, at: usize) {
        self.oracle.me(|me| me.holds.remove(at));
        drop(self.guards.remove(at));
    }

    fn let_go_of_all(&mut self) {
        self.oracle.me(|me| me.holds.clear());
        self.guards.clear();
    }

    /// Waits for these, as `wait` does, and notes what comes of it.
    fn wait<T>(
        &mut self,
        waits: &[Lock],
        wait: impl FnOnce(&mut Self, Option<Duration>) -> Result<T, LockError>,
    ) -> Option<T> {
        let timeout = match self.random.u8(..8) {
            0 => Some(Duration::from_millis(self.random.u64(..3))),
            1 => Some(AT_MOST),
            _ => None,
        };
        self.oracle.me(|me| {
            me.waits = waits.to_vec();
            me.is_short = timeout.is_some_and(|timeout| timeout < AT_MOST);
            me.count += 1;
        });
        let begun = Instant::now();
        match wait(self, timeout) {
            Ok(got) => {
                self.oracle.me(Doing::goes_on);
                return Some(got);
            }
            Err(LockError::Deadlock(deadlock)) => {
                self.told += 1;
                self.oracle.me(|me| me.gave_up = Some(Instant::now()));
                let mut doing = self.oracle.confirms(&deadlock, begun);
                // All hold what this one waits for, or stand behind one who does. Only who stood
                // behind this wait itself may go on.
                if deadlock.cycle().iter().all(|wanted| wanted.holds.is_some()) {
                    doing.remove(0);
                    thread::sleep(Duration::from_millis(3));
                    self.oracle.stand_still(&doing, begun);
                }
                self.oracle.me(Doing::goes_on);
                self.let_go_of_all();
            }
            // Of two that become exclusive the second one is told so, and lets go.
            Err(LockError::Upgrading { .. }) => {
                self.oracle.me(Doing::goes_on);
                self.let_go_of_all();
            }
            Err(LockError::TimedOut { .. }) => self.oracle.me(|me| {
                me.gave_up = Some(Instant::now());
                me.goes_on();
            }),
            Err(other) => panic!("{other}"),
        }
        if self.random.bool() {
            self.let_go_of_all();
        }
        None
    }

    fn takes_one(&mut self) {
        let lock = some_lock(&mut self.random, &PATHS);
        let mutex = mutex_of(self.store, &lock);
        let guard = self.wait(std::slice::from_ref(&lock), |_, timeout| match timeout {
            Some(timeout) => mutex.try_lock_owned_for(timeout),
            None => mutex.lock_owned(),
        });
        if let Some(guard) = guard {
            self.oracle.me(|me| me.holds.push(lock));
            self.guards.push(guard);
        }
    }

    /// Of two members neither of which covers the other.
    fn takes_a_set(&mut self) {
        let members = [&PATHS[..5], &PATHS[5..]].map(|paths| some_lock(&mut self.random, paths));
        let set = TreeMutexSet::new(members.iter().map(|lock| mutex_of(self.store, lock))).unwrap();
        let guard = self.wait(&members, |_, timeout| match timeout {
            Some(timeout) => set.try_lock_owned_for(timeout),
            None => set.lock_owned(),
        });
        if let Some(guard) = guard {
            for guard in guard.split() {
                let kind = members.iter().find(|(path, _)| path == guard.path()).unwrap().1;
                self.oracle.me(|me| me.holds.push((guard.path().clone(), kind)));
                self.guards.push(guard);
            }
        }
    }

    /// Makes a shared lock exclusive.
    fn upgrades(&mut self, at: usize) {
        let (path, kind) = self.oracle.me(|me| me.holds[at].clone());
        let wanted = (path, Kind::new(Mode::Exclusive, kind.scope));
        let upgraded = self.wait(std::slice::from_ref(&wanted), |this, timeout| {
            this.guards[at].try_upgrade_for(timeout.unwrap_or(Duration::MAX))
        });
        if upgraded.is_some() {
            self.oracle.me(|me| me.holds[at] = wanted);
        }
    }

    /// Keeps two parts of a lock, or one.
    fn narrows(&mut self, at: usize) {
        let (path, kind) = self.oracle.me(|me| me.holds.remove(at));
        let parts = ["b", "c"].map(|name| path.join(name).unwrap());
        let count = 1 + self.random.usize(..2);
        for part in self.guards.remove(at).narrow(&parts[..count]).unwrap() {
            self.oracle.me(|me| me.holds.push((part.path().clone(), kind)));
            self.guards.push(part);
        }
    }

    /// Takes locks, up to three or four at a time, and lets go. How many deadlocks it was told.
    fn run(mut self, end: Instant) -> usize {
        while Instant::now() < end {
            let is_full = self.guards.len() >= 3;
            if is_full || (!self.guards.is_empty() && self.random.u8(..4) == 0) {
                let at = self.random.usize(..self.guards.len());
                let (path, kind) = self.oracle.me(|me| me.holds[at].clone());
                match self.random.u8(..3) {
                    0 if kind.mode == Mode::Shared => self.upgrades(at),
                    1 if kind.scope == Scope::Subtree && path.to_string() == "a" && !is_full => self.narrows(at),
                    _ => self.let_go(at),
                }
            } else if self.random.u8(..5) == 0 {
                self.takes_a_set();
            } else {
                self.takes_one();
            }
        }
        self.let_go_of_all();
        self.told
    }
}

fn run_all(store: MemoryStore, threads: u64, time: Duration) -> usize {
    let (oracle, end, seed) = (Arc::new(Oracle::default()), Instant::now() + time, fastrand::u64(..));
    println!("seed {seed}");
    let run = |number| {
        let (store, oracle) = (store.clone(), oracle.clone());
        asking(move || {
            let random = Rng::with_seed(seed.wrapping_add(number));
            Runner { store: &store, oracle: &oracle, random, guards: Vec::new(), told: 0 }.run(end)
        })
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
                    let (path, kind) = some_lock(&mut random, &PATHS);
                    drop(mutex_of(&store, &(path, kind)).lock().unwrap());
                }
            })
        };
        let all: Vec<_> = (0..8).map(storm).collect();
        all.into_iter().for_each(|thread| thread.ends());
    });
}
