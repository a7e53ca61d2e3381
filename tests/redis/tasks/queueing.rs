use std::sync::Mutex;
use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use super::{lock, locked};
use crate::failures::{assert_empty, wait_until, waiters};
use crate::server::Server;

/// Threads and tasks, of two processes, in one queue: who came first is next.
#[test]
fn a_thread_and_a_task_wait_in_one_queue() {
    let server = Server::start();
    let stores = [(); 2].map(|()| RedisStore::connect(&server.url()).unwrap());
    let guard = stores[0].lock("a/b").unwrap();
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for at in 0..8 {
            let (store, order, path) = (&stores[at % 2], &order, ["a/b", "a", "a/b/c"][at % 3]);
            let enters = move |guard| {
                order.lock().unwrap().push(at);
                drop(guard);
            };
            if at % 4 < 2 {
                scope.spawn(move || enters(lock(store, path).block_on().unwrap()));
            } else {
                scope.spawn(move || enters(store.lock(path).unwrap()));
            }
            wait_until("it never waits", || waiters(&server) == at + 1);
        }
        drop(guard);
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// The release comes before, with and after the answer that says that it waits; heartbeats, which
/// would hide a message that was missed, are rare.
#[test]
fn no_wake_up_is_lost() {
    let server = Server::start();
    let connect = || RedisStore::builder(&server.url()).heartbeat(Duration::from_secs(60)).connect().unwrap();
    let (holder, store) = (connect(), connect());
    let mutex = holder.mutex("a").unwrap();
    for round in 0..500 {
        let guard = mutex.try_lock_for(super::AT_ONCE).unwrap();
        let mut waits = ["a/b", "a", "a/b"].map(|path| lock(&store, path));
        waits.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
        for _ in 0..round % 25 * 200 {
            std::hint::spin_loop();
        }
        drop(guard);
        for wait in waits {
            drop(wait.block_on().unwrap());
        }
    }
}

/// No thread for each, and not a command for each heartbeat of each.
#[test]
fn thousands_wait() {
    const MANY: usize = 3000;
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let guard = locked(&store, "/");
    let before = server.calls();
    let mut waits: Vec<_> = (0..MANY).map(|at| lock(&store, &format!("a/{}/{at}", at % 10))).collect();
    waits.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
    wait_until("they never all wait", || waiters(&server) == MANY);
    let sent = server.calls() - before;
    assert!(sent < MANY as u64 * 11 / 10, "{sent} commands for {MANY} requests");
    #[cfg(target_os = "linux")]
    {
        let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|thread| {
            std::fs::read_to_string(thread.ok()?.path().join("comm")).ok() // some are gone by now
        });
        assert!(!names.into_iter().any(|name| name.starts_with("mutextree-acqui")), "a thread for a task");
    }
    let gone: Vec<_> = waits.drain(..MANY / 3).collect();
    drop(gone);
    drop(guard);
    for wait in waits {
        drop(wait.block_on().unwrap());
    }
    drop(store);
    assert_empty(&server);
}

/// Each time it is polled later than its turn lasts. The turn gets longer.
#[test]
fn an_executor_that_takes_its_time_gets_the_lock_at_last() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let mut wait = lock(&store, "a");
    let mut polls = 1;
    let guard = loop {
        if let Some(outcome) = wait.poll() {
            break outcome.unwrap();
        }
        wait.is_woken_at_last();
        std::thread::sleep(Duration::from_millis(150));
        polls += 1;
        assert!(polls < 20);
    };
    assert!(guard.is_held() && polls > 2);
}
