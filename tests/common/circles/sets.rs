//! Circles with sets of locks in them.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, TreeMutexSet};

use super::{at_once, mutex, owned, told, until_they_wait};
use crate::common::asking::{AT_MOST, asking, in_time};
use crate::common::hand::Hand;

fn set<S: LockStore>(store: &S, paths: &[&str]) -> TreeMutexSet<S> {
    TreeMutexSet::new(paths.iter().map(|path| mutex(store, path))).unwrap()
}

/// Somebody waits for a set, and holds what the other one wants.
pub fn a_set_against_a_lock<S: LockStore>(store: S) {
    in_time(move || {
        for blocked in ["a", "b/x", "c"] {
            let both = Arc::new(Barrier::new(2));
            let (held, all) = (mutex(&store, "z"), set(&store, &["a", "b/x", "c"]));
            let (mine, theirs) = (mutex(&store, blocked), mutex(&store, "z"));
            let held = held.lock().unwrap();
            let meets = both.clone();
            let thread = asking(move || {
                let _mine = mine.lock().unwrap();
                meets.wait();
                theirs.lock().map(drop)
            });
            both.wait();
            let mine = all.lock().map(drop);
            drop(held);
            let results = [mine, thread.ends()];
            let [Err(LockError::Deadlock(deadlock))] = &*results.iter().filter(|it| it.is_err()).collect::<Vec<_>>()
            else {
                panic!("one is told: {results:?}")
            };
            let mut wanted: Vec<_> = deadlock.cycle().iter().map(|it| it.wants.path.to_string()).collect();
            wanted.sort();
            assert_eq!(wanted, [blocked, "z"], "{deadlock}");
            assert!(store.snapshot().unwrap().is_empty(), "nothing is left behind");
        }
    });
}

/// Whoever holds a set waits for somebody who waits for one of its members.
pub fn a_held_set<S: LockStore>(store: S) {
    in_time(move || {
        let (all, z) = (set(&store, &["a", "b"]), mutex(&store, "z"));
        let (theirs, part) = (z.clone(), mutex(&store, "b/part"));
        let both = Arc::new(Barrier::new(2));
        let meets = both.clone();
        let thread = asking(move || {
            let _theirs = theirs.lock().unwrap();
            meets.wait();
            part.lock().map(drop)
        });
        let held = all.lock().unwrap();
        both.wait();
        let mine = z.lock().map(drop);
        drop(held);
        assert_ne!(mine.is_ok(), thread.ends().is_ok());
        told(set_and_z(&store));
    });
}

/// A set that is held is wanted again, in part.
fn set_and_z<S: LockStore>(store: &S) -> Result<(), LockError> {
    let held = set(store, &["a", "b"]);
    let _held = held.lock()?;
    mutex(store, "a").lock().map(drop)
}

/// A set that cannot be had, since two others that are held wait for what its thread holds.
pub fn three_sets<S: LockStore>(store: S) {
    in_time(move || {
        let all = Arc::new(Barrier::new(3));
        let threads = [("a", ["b", "x"]), ("b", ["c", "y"]), ("c", ["a", "z"])].map(|(held, wanted)| {
            let (held, wanted, all) =
                (set(&store, &[held, &format!("more/{held}")]), set(&store, &wanted), all.clone());
            asking(move || {
                let _held = held.lock().unwrap();
                all.wait();
                wanted.lock().map(drop)
            })
        });
        let results = threads.map(|thread| thread.ends());
        let told: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        let [LockError::Deadlock(deadlock)] = &told[..] else { panic!("{results:?}") };
        assert_eq!(deadlock.cycle().len(), 3, "{deadlock}");
    });
}

/// One's own lock in the way of a member: told at once.
pub fn a_set_and_ones_own<S: LockStore>(store: S) {
    in_time(move || {
        for held in ["m", "m/x", "m/x/y"] {
            let all = set(&store, &["a", "m/x", "z"]);
            let guard = store.lock(held).unwrap();
            at_once(|| _ = told(all.try_lock_for(AT_MOST).map(drop)));
            let deadlock = told(all.lock().map(drop));
            let [only] = deadlock.cycle() else { panic!("{deadlock}") };
            let holds = only.holds.as_ref().unwrap();
            assert_eq!((holds.path.to_string(), only.wants.path.to_string()), (held.into(), "m/x".into()));
            for place in [holds.taken_at.unwrap(), only.wants.asked_at.unwrap()] {
                assert_eq!(place.file(), file!());
            }
            // A try is no wait.
            assert!(matches!(all.try_lock(), Err(LockError::WouldBlock { .. })));
            drop(guard);
            assert!(all.lock().is_ok());
        }
    });
}

/// A set that drains is in the way of others at all of its members.
pub fn a_set_that_drains<S: LockStore>(store: S) {
    in_time(move || {
        let held = store.lock("a/x").unwrap();
        let all = set(&store, &["a", "b"]);
        let thread = asking(move || all.lock().map(drop));
        until_they_wait(&store);
        let deadlock = told(mutex(&store, "b/y").lock().map(drop));
        assert_eq!(deadlock.cycle().len(), 2, "{deadlock}");
        drop(held);
        thread.ends().unwrap();
    });
}

/// A task that waits for a set, told from others by its owner.
pub fn a_set_of_a_task<S: LockStore>(store: S) {
    in_time(move || {
        let first = owned(&store, "z", "alice");
        let held = Hand::new(async move { first.lock_owned_async().await.unwrap() }).block_on();
        let all = TreeMutexSet::new(["a", "b"].map(|path| owned(&store, path, "alice"))).unwrap();
        let theirs = Hand::new({
            let all = TreeMutexSet::new(["b", "c"].map(|path| owned(&store, path, "bob"))).unwrap();
            async move { all.lock_owned_async().await.unwrap() }
        });
        let theirs = theirs.block_on();
        let z = owned(&store, "z", "bob");
        let mut elder = Hand::new(async move { z.lock_owned_async().await });
        assert!(elder.poll().is_none());
        until_they_wait(&store);
        let deadlock = told(Hand::new(async move { all.lock_owned_async().await }).block_on());
        assert_eq!(deadlock.cycle().iter().map(|wanted| wanted.who()).collect::<Vec<_>>(), ["alice", "bob"]);
        drop(held);
        drop((elder.block_on().unwrap(), theirs));
    });
}

/// A set whose members have owners of their own waits for all of them, whichever is blocked.
pub fn a_set_for_several<S: LockStore>(store: S) {
    in_time(move || {
        for holder in ["alice", "bob"] {
            let task = |path: &str, owner: &str| {
                let mutex = owned(&store, path, owner);
                Hand::new(async move { mutex.lock_owned_async().await })
            };
            let all = TreeMutexSet::new([owned(&store, "a", "alice"), owned(&store, "b", "bob")]).unwrap();
            let wants = || {
                let all = all.clone();
                Hand::new(async move { all.lock_owned_async().await })
            };
            let held = task("z", holder).block_on().unwrap();
            let theirs = task("b", "carol").block_on().unwrap();
            let mut elder = task("z", "carol");
            assert!(elder.poll().is_none());
            until_they_wait(&store);
            let deadlock = told(wants().block_on());
            assert_eq!(deadlock.cycle().iter().map(|wanted| wanted.who()).collect::<Vec<_>>(), [holder, "carol"]);
            drop(held);
            drop((elder.block_on().unwrap(), theirs));
            // What one of them holds is in the way of all.
            let own = task("b/x", holder).block_on().unwrap();
            let deadlock = told(wants().block_on());
            assert_eq!((deadlock.cycle().len(), deadlock.cycle()[0].who()), (1, holder.into()), "{deadlock}");
            drop(own);
            assert!(wants().block_on().is_ok());
        }
    });
}

/// Threads that hold nothing while they wait, for sets or for single locks: nobody is told.
pub fn no_circle_in_a_storm_of_sets<S: LockStore>(store: S) {
    in_time(move || {
        let end = Instant::now() + Duration::from_millis(2500);
        let threads = (0..6_usize).map(|number| {
            let store = store.clone();
            asking(move || {
                let names = ["a", "a/b", "a/b/c", "d", "d/e", "f"];
                let (mut taken, mut at) = (0, number);
                while Instant::now() < end {
                    at = (at * 5 + number + 1) % 97;
                    let members: Vec<_> = (0..1 + at % 3)
                        .map(|step| {
                            let it = mutex(&store, names[(at + step * 2) % names.len()]);
                            if (at + step) % 4 == 0 { it.shared() } else { it }
                        })
                        .collect();
                    let guard = TreeMutexSet::new(members).unwrap().lock_owned()?;
                    taken += 1;
                    if at % 8 == 0 {
                        thread::sleep(Duration::from_millis(20)); // others are seen
                    }
                    drop(guard);
                }
                Ok::<_, LockError>(taken)
            })
        });
        let threads: Vec<_> = threads.collect();
        for thread in threads {
            let taken: usize = thread.ends().expect("there is no circle");
            assert!(taken > 0);
        }
        assert!(store.snapshot().unwrap().is_empty());
    });
}
