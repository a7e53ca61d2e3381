//! Leases, which are locks that outlive their guards, and the listing of all held locks.

use std::time::Duration;

use mutextree::{HeldLock, LeaseToken, LockError, LockStore, MemoryStore, Mode, Scope};

const LONG: Duration = Duration::from_secs(60);

fn store() -> MemoryStore {
    MemoryStore::new()
}

#[test]
fn a_lock_without_a_guard_is_held_until_it_is_released() {
    let store = store();
    let lease = store.mutex("a/b").unwrap().lock_owned().unwrap().into_lease().unwrap();
    let token = lease.token().clone();
    drop(lease);
    store.shrink_to_fit(); // nobody has a handle, and yet the node stays
    assert!(store.mutex("a").unwrap().try_lock().is_err());
    assert!(store.mutex("a/b/c").unwrap().try_lock().is_err());

    let [one, two] = [0, 1].map(|_| store.resume("a/b", &token).unwrap());
    assert!(one.is_held() && two.is_held() && one.fencing_token() == two.fencing_token());
    one.release().unwrap();
    assert!(!two.is_held());
    assert!(matches!(two.refresh(), Err(LockError::NotHeld { .. })));
    assert!(matches!(two.release(), Err(LockError::NotHeld { .. })));
    assert!(store.mutex("/").unwrap().try_lock().is_ok());
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1);
}

#[test]
fn a_guard_takes_it_up_again() {
    let store = store();
    let lease = store.mutex("a").unwrap().shared().node_only().lock_owned().unwrap().into_lease().unwrap();
    assert_eq!(lease.mode(), Mode::Shared);
    let guard = store.resume("a", lease.token()).unwrap().into_guard();
    assert!(guard.is_held() && guard.mode() == Mode::Shared);
    drop(guard);
    assert!(!lease.is_held() && !store.mutex("a").unwrap().is_locked());
}

#[test]
fn several_that_share_a_node_are_each_kept() {
    let store = store();
    let shared = || store.mutex("a").unwrap().shared().lock_owned().unwrap();
    let kept = [shared(), shared(), shared()].map(|guard| guard.into_lease().unwrap());
    let leased = shared();
    leased.refresh_for(LONG).unwrap();
    for lease in kept {
        assert!(lease.is_held());
        lease.release().unwrap();
    }
    assert!(leased.is_held());
    leased.unlock().unwrap();
    assert!(!store.mutex("a").unwrap().is_locked());
}

#[test]
fn its_lease_ends_and_can_be_set() {
    let store = store();
    let mutex = store.mutex("a").unwrap();
    let lease = mutex.clone().lease(LONG).lock_owned().unwrap().into_lease().unwrap();
    lease.refresh_for(Duration::ZERO).unwrap();
    assert!(!lease.is_held());
    drop(mutex.try_lock().unwrap());
    assert!(matches!(store.resume("a", lease.token()), Err(LockError::NotHeld { .. })));

    let lease = mutex.clone().lease(Duration::from_millis(20)).lock_owned().unwrap().into_lease().unwrap();
    drop(mutex.try_lock_for(LONG).unwrap()); // waits for the end of the lease
    assert!(!lease.is_held());
}

#[test]
fn a_wrong_name_finds_nothing() {
    let store = store();
    let guard = store.lock("a").unwrap();
    let own = LeaseToken::from(guard.fencing_token().to_string());
    for token in [own, "".into(), "x".into(), "-1".into(), u64::MAX.to_string().into(), "99".into()] {
        assert!(matches!(store.resume("a", &token), Err(LockError::NotHeld { .. })), "{token}");
    }
    let lease = guard.into_lease().unwrap();
    assert!(matches!(store.resume("b", lease.token()), Err(LockError::NotHeld { .. })));
    assert!(matches!(store.resume("a//b", lease.token()), Err(LockError::Path(_))));
    assert!(store.resume("a", lease.token()).is_ok());
}

#[test]
fn a_lock_that_was_lost_cannot_be_kept() {
    let store = store();
    let guard = store.mutex("a").unwrap().lease(Duration::ZERO).lock_owned().unwrap();
    assert!(matches!(guard.into_lease(), Err(LockError::NotHeld { .. })));
    assert!(!store.mutex("a").unwrap().is_locked());
}

#[test]
fn everything_held_is_listed() {
    let store = store();
    assert_eq!(store.locks().unwrap(), []);
    let mutex = |path: &str| store.mutex(path).unwrap();
    let _held = (
        mutex("a/1").lock_owned().unwrap(),
        mutex("a/2").shared().lock_owned().unwrap(),
        mutex("a/2").shared().owner("reader").lock_owned().unwrap(),
        mutex("a").shared().node_only().lock_owned().unwrap(),
        mutex("b").node_only().lease(LONG).lock_owned().unwrap(),
        mutex("/").node_only().shared().lock_owned().unwrap(),
    );
    let line = |lock: &HeldLock| {
        let owner = lock.owner.as_ref().map_or("", |owner| owner.as_str()).to_owned();
        (lock.path.to_string(), lock.kind.mode, lock.kind.scope, owner, lock.remaining.is_some())
    };
    let mut lines: Vec<_> = store.locks().unwrap().iter().map(line).collect();
    lines.sort_by_key(|(path, .., owner, _)| (path.clone(), owner.clone()));
    let expected = [
        ("/", Mode::Shared, Scope::Node, "", false),
        ("a", Mode::Shared, Scope::Node, "", false),
        ("a/1", Mode::Exclusive, Scope::Subtree, "", false),
        ("a/2", Mode::Shared, Scope::Subtree, "", false),
        ("a/2", Mode::Shared, Scope::Subtree, "reader", false),
        ("b", Mode::Exclusive, Scope::Node, "", true),
    ];
    assert_eq!(lines, expected.map(|(path, mode, scope, owner, ends)| (path.into(), mode, scope, owner.into(), ends)));
}

#[test]
fn what_has_no_record_cannot_be_broken() {
    let store = store();
    let plain = store.lock("a").unwrap();
    let error = store.break_lock(&store.locks().unwrap()[0]).unwrap_err();
    let LockError::Store(reason) = &error else { panic!("{error:?}") };
    assert!(reason.to_string().contains("neither an owner nor a lease"), "{reason}");
    assert!(plain.is_held());
    let nodes = store.node_count();
    let mut gone = HeldLock::new("x/y".parse().unwrap(), mutextree::Kind::default());
    gone.fencing_token = Some(plain.fencing_token());
    assert!(!store.break_lock(&gone).unwrap());
    assert_eq!(store.node_count(), nodes, "to ask makes no node");
    plain.unlock().unwrap();
}

#[test]
fn the_age_is_known_of_a_lock_that_had_a_record_from_the_start() {
    let store = store();
    let named = store.mutex("a").unwrap().owner("me").lock_owned().unwrap();
    let later = store.lock("b").unwrap();
    later.refresh_for(LONG).unwrap();
    let locks = store.locks().unwrap();
    let find = |path: &str| locks.iter().find(|lock| lock.path.to_string() == path).unwrap();
    assert!(find("a").held_for.is_some_and(|age| age < LONG));
    assert_eq!(find("a").fencing_token, Some(named.fencing_token()));
    assert_eq!((find("b").held_for, find("b").fencing_token), (None, Some(later.fencing_token())));
}
