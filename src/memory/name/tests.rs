//! Locks with an owner, through the public names, and how they stand in the word.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::memory::name::LEASES;
use crate::memory::node::Node;
use crate::memory::word::{BARRED, CLEAR, ENROLLED, KIDS, name_in};
use crate::sync::{Ordering, PlainArc};
use crate::{Backend, Kind, LockError, LockStore, MemoryStore, Mode, Request, ToTreePath, TreeMutex, Wait};

mod leases;

const LONG: Duration = Duration::from_secs(3600);

fn node(store: &MemoryStore, path: &str) -> PlainArc<Node> {
    store.tree.resolve(path.to_path_ref().unwrap())
}

fn word(store: &MemoryStore, path: &str) -> u64 {
    node(store, path).word.load(Ordering::SeqCst)
}

/// A handle that was used before, so that its locks are named.
fn used(store: &MemoryStore, path: &str, owner: &str) -> TreeMutex {
    used_mutex(store.mutex(path).unwrap().owner(owner))
}

fn used_mutex(mutex: TreeMutex) -> TreeMutex {
    (0..2).for_each(|_| drop(mutex.lock().unwrap()));
    mutex
}

/// What the future answers. It is polled when it is woken.
fn wait_as_a_task<T>(future: impl Future<Output = T>) -> T {
    struct Unparks(Thread);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, waker) = (pin!(future), Arc::new(Unparks(thread::current())).into());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

#[track_caller]
fn assert_idle(store: &MemoryStore, path: &str) {
    let node = node(store, path);
    assert_eq!(node.word.load(Ordering::SeqCst) & !(ENROLLED | CLEAR | KIDS), 0);
    assert!(node.look().recorded.is_empty());
}

#[test]
fn a_handle_that_is_used_again_has_its_name_in_the_word() {
    let store = MemoryStore::new();
    let mutex = store.mutex("a/b").unwrap().owner("me");
    let first = mutex.lock().unwrap();
    assert_eq!(name_in(word(&store, "a/b")), None, "a handle that is used once pays for no name");
    drop(first);
    for _ in 0..3 {
        // What the tries below left behind is gone, and the node may be claimed without a look.
        store.shrink_to_fit();
        drop(mutex.lock().unwrap());
        let guard = mutex.lock().unwrap();
        assert!(name_in(word(&store, "a/b")).is_some());
        for path in ["a", "a/b", "a/b/c"] {
            let error = store.try_lock(path).unwrap_err();
            assert!(error.to_string().ends_with("a lock on `a/b`, held by me"), "{error}");
        }
        assert!(guard.is_held() && guard.remaining().is_none() && mutex.is_locked());
        assert!(name_in(word(&store, "a/b")).is_some(), "nobody asked for more than the owner");
        drop(guard);
    }
    assert_idle(&store, "a/b");
    let of_two = [used(&store, "a/b", "one"), used(&store, "a/b", "two")];
    for (mutex, owner) in of_two.iter().zip(["one", "two"]) {
        let _guard = mutex.lock().unwrap();
        assert!(store.try_lock("a/b").unwrap_err().to_string().ends_with(owner));
    }
}

#[test]
fn a_listing_shows_it_and_its_guard_goes_on() {
    let store = MemoryStore::new();
    let mutex = used(&store, "a", "me");
    let guard = mutex.lock().unwrap();
    let shown = store.locks().unwrap().remove(0);
    assert_eq!(shown.owner.as_ref().unwrap().as_str(), "me");
    assert_eq!(shown.fencing_token, Some(guard.fencing_token()));
    assert!(shown.held_for.is_some_and(|age| age < LONG) && guard.is_held());
    assert_eq!(store.locks().unwrap().len(), 1);
    guard.unlock().unwrap();
    assert_idle(&store, "a");
    assert!(store.locks().unwrap().is_empty());
}

#[test]
fn tokens_rise_over_locks_that_are_named_and_that_are_not() {
    let store = MemoryStore::new();
    let (named, plain) = (used(&store, "a", "me"), store.mutex("a").unwrap());
    let mut last = 0;
    for mutex in [&named, &plain, &named, &named, &plain] {
        let guard = mutex.lock().unwrap();
        let token = guard.fencing_token();
        assert!(token > last && token == guard.fencing_token() && guard.is_held());
        last = token;
        guard.unlock().unwrap();
    }
    assert_idle(&store, "a");
}

/// The guard of a lock that was broken ends no other lock, not even one of its own handle.
#[test]
fn a_broken_lock_is_lost_and_the_next_one_is_not() {
    for settles_first in [false, true] {
        let store = MemoryStore::new();
        let lost = store.lost_locks();
        let mutex = used(&store, "a", "me");
        let guard = mutex.lock().unwrap();
        assert!(store.break_lock(&store.locks().unwrap()[0]).unwrap());
        let told = lost.try_recv().unwrap();
        assert_eq!(told.owner.unwrap().as_str(), "me");
        if settles_first {
            assert!(!guard.is_held());
            assert_eq!(guard.fencing_token(), told.fencing_token);
        }
        let next = mutex.lock().unwrap();
        assert!(next.fencing_token() > told.fencing_token);
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
        assert!(next.is_held() && mutex.try_lock().is_err());
        next.unlock().unwrap();
        assert_eq!(word(&store, "a") & BARRED, 0);
        assert_idle(&store, "a");
        let _named = mutex.lock().unwrap();
        assert!(name_in(word(&store, "a")).is_some(), "as before");
    }
}

#[test]
fn the_name_outlives_the_handle_and_is_forgotten_with_the_guard() {
    let store = MemoryStore::new();
    let mutex = used(&store, "a", "me");
    let guard = mutex.lock_owned().unwrap();
    assert!(name_in(word(&store, "a")).is_some());
    drop(mutex);
    assert!(store.try_lock("a").unwrap_err().to_string().ends_with("held by me"));
    guard.unlock().unwrap();
    assert_idle(&store, "a");
    (0..100).for_each(|n| drop(used(&store, "a", &format!("worker {n}"))));
    assert!(node(&store, "a").cold().slow.lock().names.registered.is_empty());
}

#[test]
fn a_named_lock_can_do_what_others_can() {
    let store = MemoryStore::new();
    let mutex = used(&store, "a", "me");
    let whose = |path: &str| store.try_lock(path).unwrap_err().to_string();

    let mut guard = mutex.lock().unwrap();
    guard.downgrade().unwrap();
    assert_eq!(guard.mode(), Mode::Shared);
    assert!(mutex.clone().shared().try_lock().is_ok() && whose("a").ends_with("held by me"));
    guard.try_upgrade().unwrap();
    guard.unlock().unwrap();

    let guard = mutex.lock().unwrap();
    guard.refresh().unwrap();
    guard.refresh_for(LONG).unwrap();
    assert!(guard.remaining().is_some_and(|left| left <= LONG) && guard.is_held());
    guard.refresh_for(Duration::ZERO).unwrap();
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));

    let kept = mutex.lock_owned().unwrap().narrow(["a/b", "a/c"]).unwrap();
    assert!(whose("a/b").ends_with("held by me") && store.try_lock("a/d").is_ok());
    drop(kept);
    let below = used(&store, "a/b", "me").lock_owned().unwrap();
    let wider = below.try_widen("a").unwrap();
    assert!(whose("a/c").ends_with("held by me"));
    let lease = wider.into_lease().unwrap();
    lease.release().unwrap();
    assert_idle(&store, "a/b");
    drop(store.lock("/").unwrap());
    assert!(store.locks().unwrap().is_empty());
}

#[test]
fn kinds_and_leases_that_have_no_name_are_on_record() {
    let store = MemoryStore::new();
    let short = *LEASES.start() - Duration::from_millis(1);
    let mutexes = [
        used(&store, "a", "me").shared(),
        used(&store, "a", "me").node_only(),
        used_mutex(store.mutex("a").unwrap().owner("me").lease(short)),
    ];
    for mutex in mutexes {
        let _guard = mutex.lock().unwrap();
        assert_eq!(name_in(word(&store, "a")), None);
        assert_eq!(store.locks().unwrap()[0].owner.as_ref().unwrap().as_str(), "me");
    }
    let mutex = used(&store, "a", "me").owner("another");
    let _guard = mutex.lock().unwrap();
    assert!(store.try_lock("a").unwrap_err().to_string().ends_with("held by another"));
}

/// It counts from the lock, and not from when somebody first asked. How coarse the clock is, is the
/// machine's.
#[test]
fn how_long_it_has_been_held() {
    let store = MemoryStore::new();
    let mutex = used(&store, "a", "me");
    let before = Instant::now();
    let guard = mutex.lock().unwrap();
    let after = Instant::now();
    assert!(store.try_lock_for("a", Duration::from_millis(50)).is_err());
    assert!(name_in(word(&store, "a")).is_some(), "who waits asks for the owner alone");
    let least = after.elapsed();
    let held_for = store.locks().unwrap()[0].held_for.unwrap();
    let most = before.elapsed() + Duration::from_millis(25);
    assert!((least..=most).contains(&held_for), "{least:?} {held_for:?} {most:?}");
    drop(guard);
}

/// Owners come and go, and each lock has the right one.
#[test]
fn a_slot_is_given_out_again() {
    let store = MemoryStore::new();
    drop(used(&store, "a", "one"));
    let mutex = used(&store, "a", "two");
    let guard = mutex.lock_owned().unwrap();
    let whose = || store.try_lock("a").unwrap_err().to_string();
    assert!(whose().ends_with("held by two"));
    // Its slot goes to another handle while its lock is held.
    drop(mutex);
    let next = store.mutex("a").unwrap().owner("three");
    (0..2).for_each(|_| assert!(next.try_lock().is_err()));
    assert_eq!(node(&store, "a").cold().slow.lock().names.registered.len(), 1);
    assert!(whose().ends_with("held by two") && guard.is_held());
    guard.unlock().unwrap();
    let _guard = next.lock().unwrap();
    assert!(whose().ends_with("held by three") && name_in(word(&store, "a")).is_some());
}

/// Who comes to the backend with a request of his own is not taken for the handle's owner.
#[test]
fn another_request_for_the_node_of_a_handle() {
    let store = MemoryStore::new();
    let (node, _, _) = used(&store, "a", "me").into_parts();
    let mut request = Request::new(Kind::default());
    request.owner = Some("another".into());
    let grant = MemoryStore::acquire(&node, &request, Wait::Never).unwrap();
    assert!(store.try_lock("a").unwrap_err().to_string().ends_with("held by another"));
    MemoryStore::release(&node, grant).unwrap();
}
