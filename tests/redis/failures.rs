//! Servers and connections that fail on the way. Whatever happens, no deadline is missed by much,
//! and in the end all counts agree.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};

use crate::checker::check;
use crate::proxy::Proxy;
use crate::server::Server;

const SOON: Duration = Duration::from_secs(20);
/// What a deadline may be missed by on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);
const TREE: &str = "mutextree";

pub(crate) fn assert_empty(server: &Server) {
    let left = check(&mut server.connect(), TREE);
    assert!(left.held.is_empty() && left.waits.is_empty(), "{left:?}");
}

pub(crate) fn wait_until(what: &str, so: impl FnMut() -> bool) {
    wait_within(SOON, what, so);
}

pub(crate) fn wait_within(limit: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < limit, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn waiters(server: &Server) -> usize {
    redis::cmd("HLEN").arg(format!("{{{TREE}}}:w")).query(&mut server.connect()).unwrap()
}

#[test]
fn a_lost_answer_does_not_take_a_lock_twice() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    for lose in [1, 0] {
        proxy.lose_answers(lose);
        let guard = store.mutex("a/b").unwrap().shared().try_lock_owned().unwrap();
        let held = check(&mut server.connect(), TREE).held;
        let fences: Vec<u64> = held.values().map(|record| record.number).collect();
        assert_eq!(fences, [guard.fencing_token()]);
        proxy.lose_answers(lose);
        guard.refresh().unwrap();
        proxy.lose_answers(lose);
        guard.unlock().unwrap();
        assert_empty(&server);
    }
    assert_eq!(proxy.lost(), 3);
}

#[test]
fn nothing_overlaps_over_a_connection_that_loses_one_answer_in_ten() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let connect = || RedisStore::builder(&proxy.url()).heartbeat(Duration::from_millis(100)).connect().unwrap();
    let stores = [connect(), connect()];
    proxy.lose_one_answer_in(10);
    let (inside, rounds) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for store in &stores {
            for path in ["a", "a/b"] {
                let (inside, rounds) = (&inside, &rounds);
                scope.spawn(move || {
                    let mutex = store.mutex(path).unwrap();
                    for _ in 0..40 {
                        // Two answers lost in a row are an error, and rightly so.
                        let Ok(guard) = mutex.lock() else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold what one can have");
                        rounds.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        let _ = guard.unlock();
                    }
                });
            }
        }
    });
    proxy.lose_one_answer_in(0);
    assert!(rounds.load(Ordering::SeqCst) > 80 && proxy.lost() > 10);
    // What was given up is given back, if not at once.
    wait_until("something is left behind", || {
        let left = check(&mut server.connect(), TREE);
        left.held.is_empty() && left.waits.is_empty()
    });
}

#[test]
fn deadlines_hold_whatever_the_server_does() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let other = RedisStore::connect(&server.url()).unwrap();
    let _held = other.lock("a").unwrap();
    let mutex = store.mutex("a/b").unwrap();
    let timeout = Duration::from_millis(400);
    let timed = |what: &str| {
        let began = Instant::now();
        let error = mutex.try_lock_for(timeout).unwrap_err();
        let took = began.elapsed();
        assert!(took < timeout + SLACK, "{what}: {took:?}");
        error
    };
    let error = timed("a healthy server");
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");

    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(3000).arg("ALL").query(&mut server.connect()).unwrap();
    let error = timed("a server that pauses");
    assert!(matches!(error, LockError::Store(_)), "{error}");
    thread::sleep(Duration::from_secs(3)); // until the pause is over

    proxy.delay_requests(Duration::from_millis(2000));
    timed("a slow connection");
    proxy.delay_requests(Duration::from_millis(0));
    proxy.cut();
    let error = timed("no connection");
    assert!(matches!(error, LockError::Store(_)), "{error}");

    // Cut while it waits: then it is known what is in the way.
    proxy.mend();
    wait_until("those before are never forgotten", || waiters(&server) == 0 && proxy.is_quiet());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| timed("cut while it waits"));
        wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
        proxy.cut();
        let error = waiter.join().unwrap();
        assert_eq!(error.blocking_path().map(ToString::to_string).as_deref(), Some("a"), "{error}");
    });
}

#[test]
fn a_waiter_survives_a_cut_connection_and_a_server_that_lost_its_data() {
    let mut server = Server::start();
    let proxy = Proxy::start(server.port());
    let connect = |url: &str| RedisStore::builder(url).heartbeat(Duration::from_millis(200)).connect().unwrap();
    let (holder, store) = (connect(&server.url()), connect(&proxy.url()));
    let guard = holder.lock("a").unwrap();
    let token = guard.fencing_token();
    thread::scope(|scope| {
        let waiter =
            scope.spawn(|| store.mutex("a/b").unwrap().try_lock_owned_for(SOON).map(|guard| guard.fencing_token()));
        wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
        proxy.cut();
        thread::sleep(Duration::from_millis(300));
        proxy.mend();
        guard.unlock().unwrap();
        assert!(waiter.join().unwrap().unwrap() > token);

        // The server dies without its data. The holder is told by its next renewal, the waiter gets
        // the lock.
        let guard = holder.mutex("a").unwrap().lock_owned().unwrap();
        let token = guard.fencing_token();
        let waiter =
            scope.spawn(|| store.mutex("a/b").unwrap().try_lock_owned_for(SOON).map(|guard| guard.fencing_token()));
        wait_until("it never waits", || waiters(&server) == 1 && proxy.is_quiet());
        server.kill();
        server.restart();
        assert!(waiter.join().unwrap().unwrap() > token, "tokens rise also over the loss of all data");
        assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    });
}

#[test]
fn a_server_that_comes_back_with_its_data_has_not_forgotten() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = store.lock("a").unwrap();
    server.kill();
    server.restart();
    assert!(RedisStore::connect(&server.url()).unwrap().mutex("a/b").unwrap().try_lock().is_err());
    assert!(guard.is_held());
    guard.unlock().unwrap();
    assert_empty(&server);
}

#[test]
fn flushall_is_noticed_at_the_next_renewal() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).lease(Duration::from_millis(600)).connect().unwrap();
    let lost = store.lost_locks();
    let guard = store.lock("a").unwrap();
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connect()).unwrap();
    assert_eq!(lost.recv_timeout(SOON).unwrap().fencing_token, guard.fencing_token());
    assert!(!guard.is_held());
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
}

#[test]
fn a_server_gone_for_longer_than_the_lease_loses_the_lock_on_time() {
    let mut server = Server::start();
    let lease = Duration::from_millis(800);
    let store = RedisStore::builder(&server.url()).lease(lease).connect().unwrap();
    let lost = store.lost_locks();
    let guard = store.lock("a").unwrap();
    server.kill();
    let killed = Instant::now();
    assert!(lost.recv_timeout(SOON).unwrap().path == *guard.path());
    assert!(killed.elapsed() < lease + SLACK);
    assert!(!guard.is_held());
    assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
    // Those who wait for longer than a lease for a server are told, too.
    let began = Instant::now();
    let error = store.lock("a").unwrap_err();
    assert!(matches!(error, LockError::Store(_)), "{error}");
    assert!(began.elapsed() < lease + SLACK);
}

#[test]
fn scripts_can_be_forgotten_at_any_time() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.connect();
            while !done.load(Ordering::Relaxed) {
                let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut connection).unwrap();
            }
        });
        for _ in 0..300 {
            store.lock("a/b").unwrap().unlock().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_empty(&server);
}

#[test]
fn a_full_server_refuses_locks_and_takes_them_back() {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).timeout(Duration::from_millis(300)).connect().unwrap();
    let guard = store.lock("a").unwrap();
    let config = |value: &str| -> () {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(value).query(&mut server.connect()).unwrap()
    };
    config("1");
    let error = store.mutex("b").unwrap().try_lock().unwrap_err();
    let LockError::Store(error) = error else { panic!("{error}") };
    assert!(error.to_string().contains("OOM"), "{error}");
    guard.refresh().unwrap();
    guard.unlock().unwrap();
    config("0");
    store.lock("b").unwrap().unlock().unwrap();
    assert_empty(&server);
}

#[test]
fn a_hundred_waiters_send_next_to_nothing() {
    let server = Server::start();
    let (holder, store) = (RedisStore::connect(&server.url()).unwrap(), RedisStore::connect(&server.url()).unwrap());
    let guard = holder.lock("a").unwrap();
    let mutex = store.mutex("a").unwrap();
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| mutex.lock().unwrap().unlock().unwrap());
        }
        wait_until("they never all wait", || waiters(&server) == 100);
        let before = server.calls();
        thread::sleep(Duration::from_secs(4));
        let sent = server.calls() - before;
        assert!(sent <= 6, "{sent} commands in four seconds");
        let before = server.calls();
        guard.unlock().unwrap();
        wait_until("some are forgotten", || waiters(&server) == 0);
        let sent = server.calls() - before;
        // A claim and a release each, one release before them, and a heartbeat or two.
        assert!(sent <= 210, "{sent} commands for a hundred hand-overs");
    });
    assert_empty(&server);
}
