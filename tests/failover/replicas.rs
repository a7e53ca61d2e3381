//! `wait_for_replicas`: a grant that too few replicas have is not given out, however it came. A
//! replica that is stopped is still connected, and acknowledges nothing.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore, RedisStoreBuilder, RedisStoreError, TreeMutex, TreeMutexSet};

use crate::node::Node;
use crate::{SOON, wait_until};

const TIME: Duration = Duration::from_millis(120);

struct Pair {
    master: Node,
    replica: Node,
}

impl Pair {
    fn start() -> Self {
        let options = ["--save", "", "--repl-diskless-sync-delay", "0"];
        let master = Node::start(&options);
        let port = master.port().to_string();
        let replica = Node::start(&[&options[..], &["--replicaof", "127.0.0.1", &port]].concat());
        master.wait_for([&replica]);
        Self { master, replica }
    }

    fn connect(&self, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore {
        options(RedisStore::builder(&format!("redis://{}/", self.master.address()))).connect().unwrap()
    }

    /// A store that waits for the replica, and one that does not.
    fn stores(&self) -> [RedisStore; 2] {
        [self.connect(|builder| builder.wait_for_replicas(1, TIME)), self.connect(|builder| builder)]
    }
}

/// It is said how many there were.
#[track_caller]
fn refused(error: &LockError) {
    let LockError::Store(source) = error else { panic!("{error}") };
    let expected = RedisStoreError::TooFewReplicas { acknowledged: 0, wanted: 1 };
    assert_eq!(source.downcast_ref(), Some(&expected), "{source}");
    assert!(source.to_string().contains("0 of the 1 replicas"), "{source}");
}

fn set(store: &RedisStore) -> TreeMutexSet<RedisStore> {
    TreeMutexSet::new(["a/1", "a/2"].map(|path| store.mutex(path).unwrap())).unwrap()
}

/// Asks for a lock on `a`, or on two nodes below it, by each way that does not wait, and has each
/// outcome looked at before the next.
fn each_way(store: &RedisStore, look: impl Fn(&str, Result<(), LockError>)) {
    let mutex: TreeMutex<RedisStore> = store.mutex("a").unwrap();
    look("lock", mutex.lock().map(drop));
    look("try_lock", mutex.try_lock().map(drop));
    look("a lease of its own", mutex.clone().lease(Duration::from_secs(9)).lock().map(drop));
    look("a task", smol::block_on(mutex.lock_async()).map(drop));
    look("a set", set(store).lock().map(drop));
    look("a set in a task", smol::block_on(set(store).lock_async()).map(drop));
}

#[test]
fn a_grant_that_too_few_replicas_have_is_not_given_out() {
    let pair = Pair::start();
    let [store, plain] = pair.stores();
    let all_is_given = || each_way(&store, |what, result| result.expect(what));
    all_is_given();
    let mut shared = store.mutex("shared").unwrap().shared().lock_owned().unwrap();
    let narrow = store.mutex("wide/narrow").unwrap().lock_owned().unwrap();

    pair.replica.signal("-STOP");
    each_way(&store, |what, result| {
        println!("{what}");
        refused(&result.unwrap_err());
        // A task's is on its way back; a thread's has been there before the thread was told.
        let patience = if what.contains("task") { SOON / 6 } else { Duration::ZERO };
        drop(plain.try_lock_for("a", patience).expect("it was given back"));
    });
    refused(&shared.try_upgrade().unwrap_err());
    assert!(shared.is_held());
    drop(plain.mutex("shared").unwrap().shared().try_lock().expect("it is shared again"));
    let unchanged = narrow.try_widen("wide").unwrap_err();
    refused(&unchanged.error);
    let narrow = unchanged.guard;
    assert!(narrow.is_held());
    assert_eq!(narrow.path().to_string(), "wide/narrow");
    drop(plain.try_lock("wide/other").expect("it is no wider than it was"));
    plain.try_lock("wide/narrow").map(drop).unwrap_err();

    pair.replica.signal("-CONT");
    wait_until("the replica never comes back", || store.try_lock("back").is_ok());
    all_is_given();
    shared.try_upgrade().unwrap();
    let wide = narrow.try_widen("wide").unwrap();
    wide.unlock().unwrap();
    shared.unlock().unwrap();
    assert!(plain.locks().unwrap().is_empty());
    // A replica that is none any more.
    let _: String = pair.replica.ask("REPLICAOF NO ONE");
    wait_until("the master keeps it", || pair.master.field("INFO replication", "connected_slaves").unwrap() == "0");
    refused(&store.try_lock("a").unwrap_err());
}

/// The message of a hand-over says that the server granted it, and nothing of replicas.
#[test]
fn neither_is_one_that_was_waited_for() {
    let pair = Pair::start();
    let [store, plain] = pair.stores();
    for stops in [true, false] {
        let holder = plain.lock("a").unwrap();
        let reader = plain.mutex("b").unwrap().shared().lock_owned().unwrap();
        let mut upgraded = store.mutex("b").unwrap().shared().lock_owned().unwrap();
        let results = thread::scope(|scope| {
            let waiters = [
                scope.spawn(|| store.lock("a/thread").map(drop)),
                scope.spawn(|| smol::block_on(store.lock_async("a/task")).map(drop)),
                scope.spawn(|| set(&store).lock().map(drop)),
                scope.spawn(|| smol::block_on(set(&store).lock_async()).map(drop)),
                scope.spawn(|| upgraded.try_upgrade_for(SOON)),
            ];
            // Two sets of two, two locks, and the upgrade.
            wait_until("somebody does not wait", || plain.snapshot().unwrap().waiters().count() == 7);
            if stops {
                pair.replica.signal("-STOP");
            }
            holder.unlock().unwrap();
            reader.unlock().unwrap();
            waiters.map(|waiter| waiter.join().unwrap())
        });
        for result in results {
            match result {
                Ok(()) => assert!(!stops),
                Err(error) if stops => refused(&error),
                Err(error) => panic!("{error}"),
            }
        }
        drop(plain.try_lock_for("a", SOON / 6).expect("all is given back"));
        pair.replica.signal("-CONT");
        drop(upgraded);
        drop(plain.try_lock_for("b", SOON / 6).unwrap());
    }
}

/// The node's lock would have to be confirmed, after those below it have gone.
#[test]
fn what_is_confirmed_is_kept_and_does_not_grow() {
    let pair = Pair::start();
    let keeps = |builder: RedisStoreBuilder| builder.keep(Duration::from_secs(600));
    let takes = |store: &RedisStore, node: &str| {
        (0..260).for_each(|n| store.lock(format!("{node}/{}", n % 130)).unwrap().unlock().unwrap());
        let counted = store.kept_locks();
        (counted.kept, counted.grown)
    };
    let store = pair.connect(|builder| keeps(builder).wait_for_replicas(1, SOON));
    assert_eq!(takes(&store, "a"), (130, 0));
    assert_eq!(store.kept_locks().hits, 130);
    assert_eq!(takes(&pair.connect(keeps), "b"), (1, 1), "as it does without");
}

#[test]
fn a_deadline_ends_it_and_a_future_that_is_dropped_leaves_nothing() {
    let pair = Pair::start();
    let store = pair.connect(|builder| builder.wait_for_replicas(1, Duration::MAX));
    let plain = pair.connect(|builder| builder);
    pair.replica.signal("-STOP");
    let began = Instant::now();
    let error = store.mutex("a").unwrap().try_lock_for(Duration::from_millis(100)).unwrap_err();
    assert!(began.elapsed() < SOON / 5, "its deadline is its own");
    assert!(matches!(error, LockError::Store(_)), "{error}");
    drop(plain.try_lock("a").unwrap());
    let mutex = store.mutex("a").unwrap();
    let mut waiting = Box::pin(mutex.lock_async());
    smol::block_on(smol::future::or(async { drop(waiting.as_mut().await) }, async {
        wait_until("it is not granted", || plain.locks().unwrap().len() == 1);
    }));
    drop(waiting);
    wait_until("it is not given back", || plain.locks().unwrap().is_empty());
}

#[test]
fn what_cannot_be_waited_for_is_refused_at_once() {
    let pair = Pair::start();
    let refusal = |url: &str, time| {
        let error = RedisStore::builder(url).wait_for_replicas(1, time).connect().unwrap_err();
        let LockError::Store(source) = error else { panic!("{error}") };
        source.downcast_ref::<RedisStoreError>().unwrap().clone()
    };
    let url = format!("redis://{}/", pair.master.address());
    assert!(matches!(refusal(&url, Duration::ZERO), RedisStoreError::Config(_)));
    let _: String = pair.master.ask("ACL SETUSER me on >secret ~* +@all -wait");
    let url = url.replace("://", "://me:secret@");
    assert_eq!(refusal(&url, TIME), RedisStoreError::Permission { missing: "the command WAIT".into() });
    drop(RedisStore::builder(&url).wait_for_replicas(0, Duration::ZERO).connect().unwrap());
}
