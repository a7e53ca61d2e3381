//! Sets: several locks as one.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use mutextree::{InvalidInput, LockError, LockStore, TreeMutexSet};

use super::{assert_all_free, hold, take};
use crate::common::asking::{Asking, asking};
use crate::common::kinds::{Ask, EXCLUSIVE, EXCLUSIVE_NODE, Kind, SHARED, SHARED_NODE};

const A_MOMENT: Duration = Duration::from_millis(30);

fn set<S: LockStore>(store: &S, members: &[(&str, Kind)]) -> TreeMutexSet<S> {
    TreeMutexSet::new(members.iter().map(|&(path, kind)| Ask::new(path, kind).mutex(store))).unwrap()
}

fn exclusive<S: LockStore>(store: &S, paths: &[&str]) -> TreeMutexSet<S> {
    let members: Vec<_> = paths.iter().map(|path| (*path, EXCLUSIVE)).collect();
    set(store, &members)
}

fn texts<'a>(paths: impl Iterator<Item = &'a mutextree::TreePath>) -> Vec<String> {
    paths.map(ToString::to_string).collect()
}

pub(crate) fn a_set_locks_all_or_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let both = exclusive(&store, &["b", "a/x"]);
    let guard = both.try_lock().unwrap();
    assert_eq!(texts(guard.paths()), ["a/x", "b"]);
    assert!(guard.is_held());
    for path in ["a", "a/x", "a/x/deep", "b", "b/deep", "/"] {
        assert!(take(&store, path, EXCLUSIVE).is_err(), "`{path}` is free");
    }
    drop(hold(&store, "a/y", EXCLUSIVE));
    drop(guard);
    assert_all_free(&store);
    for busy in ["a", "a/x", "a/x/deep", "b", "b/deep", "/"] {
        let _busy = hold(&store, busy, EXCLUSIVE);
        assert!(both.try_lock().is_err(), "`{busy}` is held");
        for free in ["a/x", "b"].into_iter().filter(|free| busy != "/" && !busy.starts_with(&free[..1])) {
            drop(hold(&store, free, EXCLUSIVE));
        }
    }
    assert_all_free(&store);
}

pub(crate) fn every_way_to_ask_for_a_set<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let both = exclusive(&store, &["a", "b"]);
    let (far, long) = (Instant::now() + Duration::from_secs(20), Duration::from_secs(20));
    drop(both.lock().unwrap());
    drop(both.try_lock().unwrap());
    drop(both.try_lock_for(long).unwrap());
    drop(both.try_lock_until(far).unwrap());
    drop(both.clone().lock_owned().unwrap());
    drop(both.try_lock_owned().unwrap());
    drop(both.try_lock_owned_for(long).unwrap());
    drop(both.try_lock_owned_until(far).unwrap());
    drop(smol::block_on(both.lock_async()).unwrap());
    drop(smol::block_on(both.lock_owned_async()).unwrap());
    assert!(both.with(|| take(&store, "a", EXCLUSIVE).is_err()).unwrap());
    both.lock().unwrap().unlock().unwrap();

    let busy = hold(&store, "b/c", SHARED);
    let blocked = |result: Result<(), LockError>, tries: bool| {
        let error = result.unwrap_err();
        assert_eq!(matches!(error, LockError::WouldBlock { .. }), tries, "{error:?}");
        assert_eq!(matches!(error, LockError::TimedOut { .. }), !tries, "{error:?}");
    };
    let (soon, past) = (Instant::now() + Duration::from_millis(5), Instant::now());
    blocked(both.try_lock().map(drop), true);
    blocked(both.try_lock_for(Duration::from_millis(5)).map(drop), false);
    blocked(both.try_lock_until(soon).map(drop), false);
    blocked(both.try_lock_owned().map(drop), true);
    blocked(both.try_lock_owned_for(Duration::ZERO).map(drop), false);
    blocked(both.try_lock_owned_until(past).map(drop), false);
    drop(busy);
    assert_all_free(&store);
}

pub(crate) fn what_a_set_covers_is_absorbed<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let one = set(&store, &[("a/b", EXCLUSIVE), ("a", SHARED), ("a", SHARED), ("a/c/d", SHARED_NODE)]);
    let guard = one.try_lock().unwrap();
    assert_eq!(texts(guard.paths()), ["a"]);
    assert!(take(&store, "a/z", SHARED).is_err(), "the stronger mode wins");
    drop(guard);

    // Related members that do not cover each other.
    let names = set(&store, &[("a", EXCLUSIVE_NODE), ("a/x", EXCLUSIVE), ("a/y", SHARED), ("/", SHARED_NODE)]);
    let guard = names.try_lock().unwrap();
    assert_eq!(texts(guard.paths()), ["/", "a", "a/x", "a/y"]);
    drop(hold(&store, "a/z", EXCLUSIVE));
    drop(hold(&store, "a/y/1", SHARED));
    assert!(take(&store, "a", SHARED_NODE).is_err());
    assert!(take(&store, "a/y/1", EXCLUSIVE).is_err());
    drop(guard);
    assert_all_free(&store);
}

pub(crate) fn a_set_that_makes_no_sense_is_an_error<S: LockStore>(make: impl Fn() -> S) {
    let (store, other) = (make(), make());
    let error = TreeMutexSet::<S>::new([]).unwrap_err();
    assert!(matches!(error, LockError::InvalidInput(InvalidInput::EmptySet)), "{error:?}");
    assert_eq!(error.to_string(), "a set of locks needs at least one member");
    let two = [store.mutex("a").unwrap(), other.mutex("b").unwrap()];
    let error = TreeMutexSet::new(two).unwrap_err();
    assert!(matches!(error, LockError::InvalidInput(InvalidInput::OtherTree { .. })), "{error:?}");
    assert!(error.to_string().starts_with("`b` is in another tree than the first member"), "{error}");
    assert!(TreeMutexSet::new([store.mutex("a").unwrap(), store.clone().mutex("b").unwrap()]).is_ok());
}

pub(crate) fn an_error_names_the_blocked_member<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let three = exclusive(&store, &["a", "b/c", "d"]);
    for (held, member) in [("a", "a"), ("a/deep", "a"), ("b", "b/c"), ("d/deep/er", "d"), ("d", "d")] {
        let guard = store.mutex(held).unwrap().owner("somebody").lock_owned().unwrap();
        for error in [three.try_lock().unwrap_err(), three.try_lock_for(A_MOMENT).unwrap_err()] {
            assert_eq!(error.path().unwrap().to_string(), member, "{error}");
            assert_eq!(error.blocking_path().unwrap().to_string(), held, "{error}");
            let tells = format!("blocked by a lock on `{held}`, held by somebody");
            assert!(
                error.to_string().ends_with(&tells) && error.to_string().contains(&format!("`{member}`")),
                "{error}"
            );
        }
        drop(guard);
    }
    assert_all_free(&store);
}

/// While it waits for one member, it is in nobody's way for good, and gets in when that is free.
pub(crate) fn a_waiting_set_gets_in<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in ["a", "a/deep", "/", "b", "b/deep"] {
        for kind in [EXCLUSIVE, SHARED] {
            let guard = hold(&store, held, kind);
            let both = exclusive(&store, &["a", "b"]);
            let waiter = asking(move || both.lock_owned().unwrap());
            waiter.still_waits("a member is held");
            drop(guard);
            let guard = waiter.ends();
            assert!(take(&store, "a", SHARED).is_err() && take(&store, "b", SHARED).is_err());
            drop(guard);
            assert_all_free(&store);
        }
    }
}

pub(crate) fn a_set_that_gives_up_leaves_nothing<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in ["a", "a/deep", "/", "b", "b/deep"] {
        let guard = hold(&store, held, EXCLUSIVE);
        let both = exclusive(&store, &["a", "b"]);
        assert!(both.try_lock_for(A_MOMENT).is_err());
        // Those who came while it waited are let through when it gives up.
        let waiting = asking({
            let both = both.clone();
            move || both.try_lock_for(10 * A_MOMENT).is_err()
        });
        let free = if held.starts_with('a') { "b" } else { "a" };
        if held != "/" {
            let other = store.mutex(free).unwrap();
            let other = asking(move || other.lock().map(drop));
            assert!(waiting.ends());
            other.ends().unwrap();
        } else {
            assert!(waiting.ends());
        }
        drop(guard);
        assert_all_free(&store);
    }
}

/// A set, a lock above its members and one below, in all orders: each gets its turn.
pub(crate) fn sets_and_single_locks_in_any_order<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let asked: [&[&str]; 7] =
        [&["a/x", "b/x"], &["b/x", "a/x"], &["a"], &["a/x", "b"], &["a", "b/x"], &["/"], &["a/x/1", "b/x/1", "c"]];
    let all_here = Arc::new(Barrier::new(asked.len()));
    let inside: Arc<[AtomicUsize; 3]> = Arc::default();
    let turns = asked.map(|paths| {
        let (lock, all_here, inside) = (exclusive(&store, paths), all_here.clone(), inside.clone());
        // One cell for each of the leaves that it covers.
        let mine: Vec<usize> = ["a/x/1", "b/x/1", "c"]
            .iter()
            .enumerate()
            .filter(|(_, leaf)| paths.iter().any(|path| *path == "/" || leaf.starts_with(path)))
            .map(|(at, _)| at)
            .collect();
        asking(move || {
            all_here.wait();
            for _ in 0..60 {
                let _guard = lock.lock().unwrap();
                mine.iter().for_each(|&at| assert_eq!(inside[at].fetch_add(1, SeqCst), 0, "two are in"));
                mine.iter().for_each(|&at| assert_eq!(inside[at].fetch_sub(1, SeqCst), 1));
            }
        })
    });
    turns.into_iter().for_each(Asking::ends);
    assert_all_free(&store);
}

/// Two tries that overlap, whatever they are: one succeeds.
pub(crate) fn racing_tries_of_sets_never_both_fail<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let pairs: [[&[&str]; 2]; 6] = [
        [&["a", "b"], &["b", "a"]],
        [&["a", "b"], &["b/x", "c"]],
        [&["a", "b/x"], &["a/x", "b"]],
        [&["a", "b"], &["a/x"]],
        [&["a/x", "b"], &["a"]],
        [&["a", "b"], &["b"]],
    ];
    for pair in pairs {
        let (start, over) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let tries = pair.map(|paths| {
            let (lock, start, over) = (exclusive(&store, paths), start.clone(), over.clone());
            asking(move || {
                let mut outcomes = Vec::new();
                for _ in 0..60 {
                    start.wait();
                    let guard = lock.try_lock();
                    outcomes.push(guard.is_ok());
                    over.wait(); // held until both have tried
                }
                outcomes
            })
        });
        let [one, other] = tries.map(Asking::ends);
        for (one, other) in one.into_iter().zip(other) {
            assert!(one || other, "both failed: {pair:?}");
            assert!(!(one && other), "both are in: {pair:?}");
        }
    }
    assert_all_free(&store);
}

/// A try must not fail because of a set that does not get in itself.
pub(crate) fn a_set_that_is_refused_disturbs_no_try<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let _busy = hold(&store, "z", EXCLUSIVE);
    let over = Arc::new(AtomicUsize::new(0));
    let refused = asking({
        let (set, over) = (exclusive(&store, &["a", "b", "z/1"]), over.clone());
        move || {
            while over.load(SeqCst) == 0 {
                assert!(set.try_lock().is_err());
            }
        }
    });
    for round in 0..600 {
        let path = ["a", "a/x", "b", "b/x/y"][round % 4];
        let error = take(&store, path, [EXCLUSIVE, SHARED][round / 4 % 2]).err();
        assert!(error.is_none(), "nobody holds `{path}`: {error:?}");
        assert!(!store.mutex(path).unwrap().is_locked(), "nobody holds `{path}`");
    }
    over.store(1, SeqCst);
    refused.ends();
}

/// Eight members, each under a storm: each is never free of holders unless newcomers are kept out.
pub(crate) fn a_set_of_eight_gets_through_a_storm<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let over = Arc::new(AtomicUsize::new(0));
    let paths = ["0", "1", "2", "3", "4", "5", "6", "7"];
    let storms: Vec<_> = (0..3)
        .map(|seed| {
            let (store, over) = (store.clone(), over.clone());
            asking(move || {
                let mut dice = fastrand::Rng::with_seed(seed);
                while over.load(SeqCst) == 0 {
                    let path = format!("{}/{seed}", dice.u8(..8));
                    let _guard = store.lock(path.as_str()).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
            })
        })
        .collect();
    let all = exclusive(&store, &paths);
    for _ in 0..10 {
        drop(all.try_lock_for(Duration::from_secs(10)).expect("starved by single locks"));
    }
    over.store(1, SeqCst);
    storms.into_iter().for_each(Asking::ends);
    assert_all_free(&store);
}

pub(crate) fn a_set_splits_into_its_members<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let three = set(&store, &[("a", EXCLUSIVE), ("b", SHARED), ("c", EXCLUSIVE_NODE)]);
    let guard = three.lock_owned().unwrap();
    let token = guard.fencing_token();
    let guards = guard.split();
    assert_eq!(texts(guards.iter().map(mutextree::OwnedTreeMutexGuard::path)), ["a", "b", "c"]);
    for guard in &guards {
        assert_eq!(guard.fencing_token(), token, "a part has the token of the whole");
        assert!(guard.is_held());
    }
    for mut guard in guards {
        let path = guard.path().to_string();
        assert!(take(&store, path.as_str(), EXCLUSIVE).is_err(), "`{path}` was let go");
        guard.downgrade().unwrap();
        guard.unlock().unwrap();
        drop(hold(&store, path.as_str(), EXCLUSIVE_NODE));
    }
    assert_all_free(&store);
}

pub(crate) fn a_set_has_one_token<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let both = exclusive(&store, &["a", "b"]);
    let mut last = 0;
    for path in ["a", "b", "b/x", "/"] {
        let guard = both.lock().unwrap();
        let token = guard.fencing_token();
        assert_eq!(guard.fencing_token(), token);
        assert!(token > last, "`{path}` was held before");
        drop(guard);
        let single = hold(&store, path, EXCLUSIVE);
        assert!(single.fencing_token() > token);
        last = single.fencing_token();
    }
}

pub(crate) fn leases_of_members_end<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let lease = Duration::from_millis(60);
    let leased = |path: &str, lease| store.mutex(path).unwrap().lease(lease).owner("set");
    let both = TreeMutexSet::new([leased("a", lease), leased("b", Duration::from_secs(60))]).unwrap();
    let guard = both.lock_owned().unwrap();
    assert!(guard.remaining().is_some_and(|left| left <= lease), "the least counts");
    guard.refresh_for(Duration::from_secs(60)).unwrap();
    assert!(guard.remaining().is_some_and(|left| left > lease));
    guard.refresh_for(lease).unwrap();
    // It waits until the lease is over.
    drop(store.mutex("b/x").unwrap().lock().unwrap());
    assert!(!guard.is_held());
    assert_eq!(guard.remaining(), Some(Duration::ZERO));
    assert!(matches!(guard.refresh(), Err(LockError::NotHeld { .. })));
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    assert_all_free(&store);
}

pub(crate) fn a_panic_releases_a_set<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let both = exclusive(&store, &["a", "b"]);
    let thread = std::thread::spawn(move || {
        let _guard = both.lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(thread.join().is_err());
    assert_all_free(&store);
}

pub(crate) fn a_set_that_waits_is_seen<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in ["b", "b/deep"] {
        let busy = hold(&store, held, EXCLUSIVE);
        let both = [store.mutex("a").unwrap().owner("mover"), store.mutex("b").unwrap()];
        let both = TreeMutexSet::new(both).unwrap();
        let waiter = asking(move || both.lock().map(drop).unwrap());
        let seen = || {
            let snapshot = store.snapshot().unwrap();
            let held = texts(snapshot.holders().map(|lock| &lock.path));
            let waits = texts(snapshot.waiters().map(|waiter| &waiter.path));
            (held, waits)
        };
        let begun = Instant::now();
        while !seen().1.contains(&"b".into()) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it is not seen to wait for `b`");
            std::thread::yield_now();
        }
        assert_eq!(seen().0, [held], "a set that waits holds nothing");
        let blockers = store.mutex("b").unwrap().blockers().unwrap();
        assert_eq!(blockers[0].held().map(|lock| lock.path.to_string()).as_deref(), Some(held));
        assert!(blockers[1..].iter().any(|blocker| blocker.waiting().is_some()), "{blockers:?}");
        let before = store.mutex("a").unwrap().blockers().unwrap();
        assert!(before.iter().all(|blocker| blocker.held().is_none()), "`a` is not held: {before:?}");
        drop(busy);
        waiter.ends();
    }
    let owned = [store.mutex("a").unwrap().owner("mover"), store.mutex("b").unwrap().owner("mover")];
    let guard = TreeMutexSet::new(owned).unwrap().lock_owned().unwrap();
    let locks = store.locks().unwrap();
    assert_eq!(texts(locks.iter().map(|lock| &lock.path)), ["a", "b"]);
    assert!(locks.iter().all(|lock| lock.owner.as_ref().is_some_and(|owner| owner.as_str() == "mover")));
    assert!(locks.iter().all(|lock| lock.fencing_token == Some(guard.fencing_token())), "{locks:?}");
    assert!(store.break_lock(&locks[1]).unwrap());
    assert!(matches!(guard.refresh(), Err(LockError::NotHeld { .. })), "a member was broken");
    assert!(!guard.is_held());
    assert!(take(&store, "a", EXCLUSIVE).is_err(), "the other one is still locked");
    drop(guard);
    assert_all_free(&store);
}
