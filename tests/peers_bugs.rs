//! Bugs that other lock libraries had. Each test is named after the library and the report where it
//! was found, and stands by itself; `conformance.rs` asks for some of the same in passing.

mod common;

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::asking::{AT_MOST, Asking, asking, in_time};
use common::kinds::{Ask, EXCLUSIVE, EXCLUSIVE_NODE, KINDS, Kind, SHARED, mutex};
use common::naive::NaiveStore;
use mutextree::{LockStore, MemoryStore, OwnedTreeMutexGuard, ToTreePath};

const A_MOMENT: Duration = Duration::from_millis(5);

fn waiter<S: LockStore>(store: &S, path: &str, kind: Kind) -> Asking<OwnedTreeMutexGuard<S>> {
    let mutex = mutex(store, path, kind);
    asking(move || mutex.lock_owned().unwrap())
}

#[track_caller]
fn assert_all_free<S: LockStore>(store: &S) {
    drop(mutex(store, "/", EXCLUSIVE).try_lock().expect("something is left"));
}

/// Left behind by a wait: a writer that timed out left its mark in the state word, and nobody got
/// in any more.
fn parking_lot_465_a_timed_out_writer_leaves_its_bit<S: LockStore>(store: S) {
    for (held, wanted) in [("a", "a"), ("a/b", "a"), ("a", "a/b")] {
        let reader = mutex(&store, held, SHARED).lock_owned().unwrap();
        for kind in [EXCLUSIVE, EXCLUSIVE] {
            assert!(mutex(&store, wanted, kind).try_lock_for(A_MOMENT).is_err());
        }
        let readers = ["a", "a/b", "/"].map(|path| mutex(&store, path, SHARED).try_lock_owned().unwrap());
        drop(reader);
        assert!(mutex(&store, wanted, EXCLUSIVE).try_lock().is_err(), "the other readers have been forgotten");
        drop(readers);
        assert_all_free(&store);
    }
}

/// Left behind by a wait: every waiter that gave up stayed in a counter.
fn rustfs_2805_waiter_counters_leak<S: LockStore>(store: S) {
    let guard = mutex(&store, "a/b", EXCLUSIVE).lock_owned().unwrap();
    for _ in 0..300 {
        for (path, kind) in ["a", "a/b", "a/b/c"].into_iter().zip([EXCLUSIVE, SHARED, EXCLUSIVE_NODE]) {
            assert!(mutex(&store, path, kind).try_lock_for(Duration::from_micros(20)).is_err());
        }
    }
    let last = waiter(&store, "a", SHARED);
    last.still_waits("the lock is held");
    drop(guard);
    drop(last.ends());
    assert_all_free(&store);
}

/// A lost wake-up: a release saw no listener and woke nobody, while a thread was about to listen.
fn event_listener_138_a_skipped_notify<S: LockStore>(store: S) {
    // Two who do nothing but pass the lock to and fro: a wake-up that gets lost stops both. Each
    // pair in its own way.
    for (one, other) in [("a", "a"), ("a", "a/b"), ("a/b/c", "/")] {
        let threads = [(one, EXCLUSIVE), (other, EXCLUSIVE), (one, SHARED)].map(|(path, kind)| {
            let mutex = mutex(&store, path, kind);
            asking(move || (0..2000).for_each(|_| drop(mutex.lock().unwrap())))
        });
        threads.into_iter().for_each(Asking::ends);
        assert_all_free(&store);
    }
}

/// A stolen wake-up: it went to a waiter in the same queue that waited for something else, and went
/// no further.
fn rustfs_5657_a_stolen_wake_up<S: LockStore>(store: S) {
    // All wait at `a`: one wants it, the others want something below it. The one release must reach
    // everybody.
    for order in [["a/b", "a", "a/c"], ["a", "a/b", "a/c"], ["a/b", "a/c", "a"]] {
        let guard = mutex(&store, "a", EXCLUSIVE).lock_owned().unwrap();
        let waiters = order.map(|path| waiter(&store, path, EXCLUSIVE));
        waiters[2].still_waits("the lock is held");
        drop(guard);
        // Whoever gets in first, the others follow; two of them need not wait for each other.
        let (sender, all) = channel();
        for waiter in waiters {
            let sender = sender.clone();
            std::thread::spawn(move || {
                drop(waiter.ends());
                sender.send(()).unwrap();
            });
        }
        (0..3).for_each(|_| all.recv_timeout(AT_MOST).expect("a wake-up was lost"));
        assert_all_free(&store);
    }
    // One of those woken gives up at about that moment: its wake-up must go on to the next one.
    for turn in 0..40 {
        let guard = mutex(&store, "a", EXCLUSIVE).lock_owned().unwrap();
        let brief = mutex(&store, "a", EXCLUSIVE);
        let gives_up = asking(move || drop(brief.try_lock_owned_for(Duration::from_micros(100 * turn))));
        let stays = waiter(&store, "a/b", EXCLUSIVE);
        stays.still_waits("the lock is held");
        drop(guard);
        drop(stays.ends());
        gives_up.ends();
        assert_all_free(&store);
    }
}

/// The same, one step after the other: a task that was woken goes without having been polled. Its
/// wake-up must go to the next one.
#[test]
fn rustfs_5657_a_stolen_wake_up_of_a_task_that_goes() {
    for (held, first, second) in [
        (("a", EXCLUSIVE), ("a", EXCLUSIVE), ("a", EXCLUSIVE)),
        (("a", EXCLUSIVE), ("a", EXCLUSIVE), ("a/b", EXCLUSIVE)),
        (("a", EXCLUSIVE), ("a", SHARED), ("a", EXCLUSIVE)),
        (("a", SHARED), ("a", EXCLUSIVE), ("a", SHARED)),
        (("a/b", EXCLUSIVE), ("a", EXCLUSIVE), ("a", SHARED)),
        (("a/b", EXCLUSIVE), ("a", EXCLUSIVE), ("a/c", EXCLUSIVE)),
        (("a/b", EXCLUSIVE), ("/", EXCLUSIVE), ("a", EXCLUSIVE)),
    ] {
        // It goes after having been woken, or still asleep.
        // With gates, which wake whoever they kept out as well, and without.
        let cases = [true, false].map(|release_first| [Duration::ZERO, Duration::MAX].map(|it| (release_first, it)));
        for (release_first, patience) in cases.concat() {
            if !patience.is_zero()
                && !Ask::new(held.0, held.1).conflicts(&Ask::new(second.0, second.1))
                && held.1 == SHARED
            {
                continue; // without gates the second reader is let in at once
            }
            let store = MemoryStore::builder().patience(patience).build();
            let mut guard = Some(mutex(&store, held.0, held.1).lock_owned().unwrap());
            let polled = |(path, kind): (&str, Kind)| {
                let mutex = mutex(&store, path, kind);
                let (bell, rings) = bell();
                let mut wait = Box::pin(async move { mutex.lock_owned_async().await.unwrap() });
                assert!(wait.as_mut().poll(&mut Context::from_waker(&bell)).is_pending(), "`{path}` is free");
                (wait, bell, rings)
            };
            let (goes, ..) = polled(first);
            let (mut stays, bell, rings) = polled(second);
            if release_first {
                guard = None;
            }
            drop(goes);
            drop(guard);
            // Told that it may go on, as often as it takes, it does.
            rings.recv_timeout(AT_MOST).expect("nobody woke the second one");
            while stays.as_mut().poll(&mut Context::from_waker(&bell)).is_pending() {
                rings.recv_timeout(AT_MOST).expect("nobody woke the second one");
            }
        }
    }
}

/// A waker, and where it is heard.
fn bell() -> (Waker, Receiver<()>) {
    struct Bell(Sender<()>);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let (sender, receiver) = channel();
    (Waker::from(Arc::new(Bell(sender))), receiver)
}

/// Locking again: a reader that asks again behind a queued writer hangs. Here it may wait, as
/// documented, but a timeout ends the wait, and all goes on when the first lock is released.
fn parking_lot_212_a_reader_asks_again_behind_a_writer<S: LockStore>(store: S) {
    for (queued, asked) in [("a", "a/b"), ("/", "a/b"), ("a/b", "a/b"), ("a/b", "a")] {
        let reader = mutex(&store, "a", SHARED).lock_owned().unwrap();
        let writer = waiter(&store, queued, EXCLUSIVE);
        writer.still_waits("a reader is in the way");
        let again = mutex(&store, asked, SHARED);
        let again = asking(move || again.try_lock_owned_for(A_MOMENT)).ends();
        if let Err(error) = &again {
            assert_eq!(
                error.blocking_path(),
                Some(&queued.to_tree_path().unwrap()),
                "the writer is in the way: {error}"
            );
        }
        writer.still_waits("the first reader is in the way");
        drop((reader, again));
        drop(writer.ends());
        assert_all_free(&store);
    }
}

/// The root: unlocking `/` on an empty tree panicked.
fn dav_server_unlocking_the_root_of_an_empty_tree<S: LockStore>(store: S) {
    for kind in KINDS {
        mutex(&store, "/", kind).lock_owned().unwrap().unlock().unwrap();
        drop(mutex(&store, "/", kind).try_lock().unwrap());
    }
    assert!(!mutex(&store, "/", EXCLUSIVE).is_locked());
}

/// Paths: `a/b/` and `a/b` were two locks, and below some depth nothing was protected.
fn bolt_a_trailing_slash_and_a_deep_path<S: LockStore>(store: S) {
    let guard = mutex(&store, "a/b/", EXCLUSIVE).lock_owned().unwrap();
    assert_eq!(guard.path().to_string(), "a/b");
    for path in ["a/b", "a/b/", "/a/b", "/a/b/", "a/b/c/", "/a"] {
        assert!(mutex(&store, path, EXCLUSIVE).try_lock().is_err(), "`{path}` is not protected");
    }
    drop(guard);
    let names = vec!["n"; 128];
    let _top = mutex(&store, "n", SHARED).lock_owned().unwrap();
    for depth in 1..=128 {
        assert!(mutex(&store, &names[..depth], EXCLUSIVE).try_lock().is_err(), "depth {depth} is not protected");
    }
}

/// Paths: `x` taken for a prefix of `xa`.
fn a_classic_of_prefix_tests<S: LockStore>(store: S) {
    let _guard = mutex(&store, "dir/x", EXCLUSIVE).lock_owned().unwrap();
    for path in ["dir/xa", "dir/x.bak", "dir/x x", "dir/X", "dirx", "di", "dir2/x", "dir/xa/b", "x"] {
        drop(mutex(&store, path, EXCLUSIVE).try_lock().unwrap());
    }
    assert!(mutex(&store, "dir/x/a", EXCLUSIVE).try_lock().is_err());
}

/// Downgrade: only the node itself became shared, and what is above or below stayed closed.
fn alluxio_11541_a_part_of_the_chain_downgraded<S: LockStore>(store: S) {
    let mut guard = mutex(&store, "a/b/c", EXCLUSIVE).lock_owned().unwrap();
    let chain = ["/", "a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e"];
    let waiters = chain.map(|path| waiter(&store, path, SHARED));
    waiters[5].still_waits("it is exclusive");
    guard.downgrade().unwrap();
    // Readers get in everywhere, those who waited and those who come; nobody else does, and that by
    // itself is the lock's doing.
    waiters.into_iter().for_each(|waiter| drop(waiter.ends()));
    let readers = chain.map(|path| mutex(&store, path, SHARED).try_lock_owned().expect("it is shared now"));
    drop(readers);
    for path in chain {
        assert!(mutex(&store, path, EXCLUSIVE).try_lock().is_err(), "`{path}` is open to writers");
    }
    drop(guard);
    assert_all_free(&store);
}

/// Counting: readers were counted in eight bits. Here they are counted in any number of bits that a
/// test can afford, node-only readers apart from the others.
fn rustfs_readers_counted_in_eight_bits<S: LockStore>(store: S) {
    for count in [255, 256, 257, 2000] {
        for kind in KINDS.into_iter().filter(|kind| kind.mode == SHARED.mode) {
            let reader = mutex(&store, "a", kind);
            let mut readers: Vec<_> = (0..count).map(|_| reader.try_lock().unwrap()).collect();
            assert!(mutex(&store, "a", EXCLUSIVE).try_lock().is_err(), "{count} readers are none");
            readers.truncate(1);
            assert!(mutex(&store, "a", EXCLUSIVE).try_lock().is_err(), "the last of {count} readers is none");
            drop(readers);
            assert_all_free(&store);
        }
    }
}

/// Reclaim, too late: idle nodes were never freed.
#[test]
fn bolt_idle_nodes_are_never_freed() {
    let store = MemoryStore::new();
    for at in 0..20_000 {
        drop(store.lock(["idle", &at.to_string()]).unwrap());
    }
    assert!(store.node_count() < 5000, "{} nodes, and nobody uses one", store.node_count());
}

/// Reclaim, too soon: nodes were freed while in use, and the next request locked another node of
/// the same name.
#[test]
fn alluxio_13049_a_node_freed_while_in_use() {
    let store = MemoryStore::new();
    let held = store.lock("a/b").unwrap();
    let waits = waiter(&store, "a/b", EXCLUSIVE);
    waits.still_waits("the lock is held");
    store.shrink_to_fit();
    assert!(store.mutex("a/b").unwrap().try_lock().is_err());
    drop(held);
    let held = waits.ends();
    store.shrink_to_fit();
    assert!(store.mutex("a/b").unwrap().try_lock().is_err(), "the waiter's lock was on a node that is gone");
    assert!(store.mutex("a").unwrap().try_lock().is_err());
    drop(held);

    // In use by nothing but a handle, as a new node and as one that has been locked; and with a
    // waiter or a lock below.
    for is_new in [true, false] {
        let handle = store.mutex("h/b").unwrap();
        if !is_new {
            drop(handle.lock().unwrap());
            drop(store.lock("h").unwrap()); // looks down, and takes the idle one off the list
        }
        store.shrink_to_fit();
        let other = store.lock("h/b").unwrap();
        assert!(
            handle.is_locked() && handle.try_lock().is_err(),
            "the handle's node is gone, and another one is locked"
        );
        drop(other);
        let held = handle.lock().unwrap();
        store.shrink_to_fit();
        for path in ["h", "h/b", "h/b/c", "/"] {
            assert!(store.mutex(path).unwrap().try_lock().is_err(), "`{path}` does not see the handle's lock");
        }
        drop(held);
    }
}

macro_rules! for_each_store {
    ($($test:ident)+) => {
        mod naive {
            $(#[test] fn $test() { super::in_time(|| super::$test(super::NaiveStore::default())); })+
        }
        mod memory {
            $(#[test] fn $test() { super::in_time(|| super::$test(super::MemoryStore::new())); })+
        }
        /// No waiter spins before it sleeps, nobody overtakes it.
        mod memory_without_patience {
            $(#[test] fn $test() {
                super::in_time(|| super::$test(super::MemoryStore::builder().patience(super::Duration::ZERO).build()));
            })+
        }
    };
}

for_each_store! {
    parking_lot_465_a_timed_out_writer_leaves_its_bit
    rustfs_2805_waiter_counters_leak
    event_listener_138_a_skipped_notify
    rustfs_5657_a_stolen_wake_up
    parking_lot_212_a_reader_asks_again_behind_a_writer
    dav_server_unlocking_the_root_of_an_empty_tree
    bolt_a_trailing_slash_and_a_deep_path
    a_classic_of_prefix_tests
    alluxio_11541_a_part_of_the_chain_downgraded
    rustfs_readers_counted_in_eight_bits
}
