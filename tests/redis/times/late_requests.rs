use std::thread;

use mutextree::{LockStore, RedisStore};

use crate::failures::wait_until;
use crate::faults::{BOTH, SOON, connect, held, millis, settled, waits};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::tasks::locked;

/// The release overtakes requests of its own: when they arrive nobody wants the lock any more.
#[test]
fn a_request_that_arrives_after_the_release_is_granted_to_nobody() {
    for tries in [1, 2] {
        for task in [false, true] {
            let server = Server::start();
            let proxy = Proxy::start(server.port());
            let store = connect(&proxy.url(), |builder| builder.timeout(millis(300)));
            drop(locked(&store, "warm"));
            drop(store.lock("warm").unwrap());
            wait_until("it is never quiet", || proxy.is_quiet());
            let scripts = proxy.scripts();
            proxy.delay_requests(millis(2500));
            thread::scope(|scope| {
                let mut future = task.then(|| waits(store.mutex("a").unwrap()));
                future.iter_mut().for_each(|wait| assert!(wait.poll().is_none()));
                let thread = (!task).then(|| scope.spawn(|| store.mutex("a").unwrap().try_lock().map(drop)));
                let is_over = || thread.as_ref().is_some_and(|thread| thread.is_finished());
                wait_until("it is never sent", || proxy.scripts() >= scripts + tries || is_over());
                proxy.delay_requests(millis(0));
                drop(future);
            });
            wait_until("they never arrive", || proxy.is_quiet());
            assert_eq!(held(&server), 0, "after {tries}, task: {task}");
        }
    }
}

/// A try of the same store waits for what is on its way back, also if that has to be sent again.
#[test]
fn what_failed_to_be_given_back_is_given_back_first() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let mutex = store.mutex("a").unwrap();
    drop(mutex.try_lock().unwrap());
    for round in 0..5 {
        let guard = locked(&store, "a/b");
        let lost = proxy.lost();
        proxy.delay_requests(millis(200));
        proxy.lose_requests(1);
        drop(guard);
        wait_until("it is never given back", || proxy.lost() > lost);
        proxy.delay_requests(millis(0)); // the connection is found to be broken in a while
        drop(mutex.try_lock().unwrap_or_else(|error| panic!("round {round}: {error}")));
    }
}

/// The waiter has to ask, and its answer is lost with all connections: for less than a lease.
#[test]
fn a_waiter_that_has_to_ask_sits_out_an_outage() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.lease(SOON).heartbeat(millis(1000)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        let guard = other.lock("a").unwrap();
        // It asks when it is told of its lock, as a lease that was asked for starts with the
        // answer.
        let mutex = store.mutex("a").unwrap().lease(SOON);
        let waiter = thread::spawn(move || lock(mutex));
        settled(&server, &proxy);
        proxy.cut_after(0);
        guard.unlock().unwrap();
        wait_until("it does not ask", || proxy.is_cut());
        thread::sleep(millis(2000));
        assert!(!waiter.is_finished(), "a {who} gave up: {:?}", waiter.join());
        proxy.mend();
        waiter.join().unwrap().unwrap_or_else(|error| panic!("a {who}: {error}")).unlock().unwrap();
    }
}
