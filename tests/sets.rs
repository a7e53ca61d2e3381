//! Sets of locks in memory, under load: what the conformance suite cannot ask of every store, as it
//! takes many threads, a short patience, or futures that are left alone.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use common::asking::{AT_MOST, Asking, asking, in_time};
use common::hand::Hand;
use mutextree::{LockStore, MemoryStore, OwnedTreeMutexSetGuard, TreeMutexSet};

fn set(store: &MemoryStore, paths: &[String]) -> TreeMutexSet {
    TreeMutexSet::new(paths.iter().map(|path| store.mutex(path.as_str()).unwrap())).unwrap()
}

fn paths(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn wait(store: &MemoryStore, texts: &[&str]) -> Hand<OwnedTreeMutexSetGuard> {
    let set = set(store, &paths(texts));
    Hand::new(async move { set.lock_owned_async().await.unwrap() })
}

/// Leaves in two levels: `0/0` to `3/3`.
const WIDTH: usize = 4;

/// Takes random paths, of inner nodes and of leaves, and the leaves that they cover.
fn draw(dice: &mut fastrand::Rng, count: usize) -> (Vec<String>, Vec<usize>) {
    let mut paths = Vec::new();
    let mut leaves = Vec::new();
    for _ in 0..count {
        let (inner, leaf) = (dice.usize(..WIDTH), dice.usize(..WIDTH));
        if dice.u8(..4) == 0 {
            paths.push(inner.to_string());
            leaves.extend((0..WIDTH).map(|leaf| inner * WIDTH + leaf));
        } else {
            paths.push(format!("{inner}/{leaf}"));
            leaves.push(inner * WIDTH + leaf);
        }
    }
    leaves.sort_unstable();
    leaves.dedup();
    (paths, leaves)
}

/// Sets of two and of eight, and single locks, in random orders: threads that wait, threads that
/// give up, and tasks. Nobody is in with anybody else, and everybody gets through.
#[test]
fn random_sets_and_single_locks_get_through() {
    in_time(|| {
        let store = MemoryStore::new();
        let inside: Arc<[AtomicUsize; WIDTH * WIDTH]> = Arc::default();
        let threads: Vec<_> = (0..6)
            .map(|seed| {
                let (store, inside) = (store.clone(), inside.clone());
                asking(move || {
                    let mut dice = fastrand::Rng::with_seed(seed);
                    for _ in 0..400 {
                        let count = [1, 2, 2, 8][dice.usize(..4)];
                        let (paths, leaves) = draw(&mut dice, count);
                        let set = set(&store, &paths);
                        let guard = match seed % 3 {
                            0 => set.lock_owned().ok(),
                            1 => set.try_lock_owned_for(Duration::from_micros(dice.u64(..500))).ok(),
                            _ => Some(smol::block_on(set.lock_owned_async()).unwrap()),
                        };
                        let Some(guard) = guard else { continue };
                        leaves.iter().for_each(|&leaf| assert_eq!(inside[leaf].fetch_add(1, SeqCst), 0, "two are in"));
                        thread::yield_now();
                        leaves.iter().for_each(|&leaf| assert_eq!(inside[leaf].fetch_sub(1, SeqCst), 1));
                        drop(guard);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(Asking::ends);
        drop(store.try_lock("/").expect("something is still locked"));
        // The root is all that is left. The timer may look after a task's node just now, and keep
        // it for as long.
        while store.node_count() > 1 {
            store.shrink_to_fit();
            thread::yield_now();
        }
    });
}

/// Each member of a set of eight has holders below it at all times: each stays until the next one
/// is in, unless newcomers are kept out.
#[test]
fn a_set_of_eight_is_overtaken_for_a_while_only() {
    in_time(|| {
        let store = MemoryStore::new();
        let over = Arc::new(AtomicUsize::new(0));
        let had: Arc<[AtomicUsize; 8]> = Arc::default();
        let storm: Vec<_> = (0..16)
            .map(|seed| {
                let (member, over, had) = (seed % 8, over.clone(), had.clone());
                let mutex = store.mutex([member.to_string(), seed.to_string()]).unwrap();
                asking(move || {
                    while over.load(SeqCst) == 0 {
                        let guard = mutex.lock().unwrap();
                        let (mine, start) = (had[member].fetch_add(1, SeqCst) + 1, Instant::now());
                        let next_is_in = || had[member].load(SeqCst) > mine || over.load(SeqCst) == 1;
                        while !next_is_in() && start.elapsed() < Duration::from_millis(4) {
                            thread::yield_now();
                        }
                        drop(guard);
                    }
                })
            })
            .collect();
        let all: Vec<_> = (0..8).map(|member| member.to_string()).collect();
        let all = set(&store, &all);
        for _ in 0..10 {
            while had.iter().any(|had| had.load(SeqCst) == 0) {
                thread::yield_now();
            }
            drop(all.try_lock_for(Duration::from_secs(3)).expect("it starves"));
            had.iter().for_each(|had| had.store(0, SeqCst));
        }
        over.store(1, SeqCst);
        storm.into_iter().for_each(Asking::ends);
    });
}

/// A waiting set keeps later ones off all its members, wherever it sleeps.
#[test]
fn later_ones_queue_behind_all_members() {
    let store = MemoryStore::builder().patience(Duration::ZERO).build();
    for held in ["a", "b/deep", "/", "c"] {
        let guard = store.lock(held).unwrap();
        let mut waits = wait(&store, &["a", "b", "c"]);
        assert!(waits.poll().is_none());
        for member in ["a", "b", "c", "/"] {
            assert!(store.try_lock(member).is_err(), "`{member}` overtakes, with `{held}` held");
        }
        assert_eq!(store.try_lock("d").is_err(), held == "/");
        drop(guard);
        drop(waits.block_on());
        drop(store.try_lock("/").expect("its gates are open again"));
    }
}

/// The future of a set was woken and is not polled: others wait for it for a while, and then it
/// has lost its turn, and all its claims.
#[test]
fn a_set_that_is_not_polled_holds_up_nobody_for_long() {
    for held in ["b", "b/deep"] {
        let store = MemoryStore::new();
        let guard = store.lock(held).unwrap();
        let mut waits = wait(&store, &["a", "b"]);
        assert!(waits.poll().is_none());
        drop(guard);
        waits.is_woken_at_last();
        for member in ["a", "b"] {
            drop(store.try_lock_for(member, AT_MOST).expect("one that is not polled holds it up"));
        }
        drop(waits.block_on());
        drop(store.try_lock("/").expect("something is still locked"));
    }
}

/// Dropped asleep, woken or lapsed, it leaves nothing, and those behind it go on.
#[test]
fn a_set_that_is_dropped_leaves_nothing() {
    for held in ["a", "b", "b/deep", "/"] {
        for when in ["asleep", "woken", "lapsed"] {
            let store = MemoryStore::new();
            let guard = store.lock(held).unwrap();
            let mut waits = wait(&store, &["a", "b"]);
            assert!(waits.poll().is_none());
            let mut behind = wait(&store, &["b", "a/x"]);
            assert!(behind.poll().is_none());
            if when == "asleep" {
                drop(waits);
                drop(guard);
            } else {
                drop(guard);
                waits.is_woken_at_last();
                if when == "lapsed" {
                    drop(store.try_lock_for("a", AT_MOST).unwrap());
                }
                drop(waits);
            }
            drop(behind.block_on());
            drop(store.try_lock("/").unwrap_or_else(|error| panic!("{held}, {when}: {error}")));
        }
    }
}

/// Members that were split off become leases of their own, found again by the same token on two
/// paths.
#[test]
fn parts_of_a_set_outlive_their_guards() {
    let store = MemoryStore::new();
    let parts = set(&store, &paths(&["a", "b"])).lock_owned().unwrap().split();
    let leases: Vec<_> = parts.into_iter().map(|part| part.into_lease().unwrap()).collect();
    let names: Vec<_> = leases.iter().map(|lease| (lease.path().clone(), lease.token().clone())).collect();
    drop(leases);
    store.shrink_to_fit();
    for (path, token) in names {
        assert!(store.try_lock(&path).is_err(), "`{path}` was let go");
        store.resume(&path, &token).unwrap().release().unwrap();
        drop(store.try_lock(&path).unwrap());
    }
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}
