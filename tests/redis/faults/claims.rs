//! A client that dies between the hand-over of a lock and its claim costs the time of a claim, and
//! not a lease.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};

use super::{BOTH, connect, held, millis, settled};
use crate::failures::wait_until;
use crate::proxy::Proxy;
use crate::server::Server;

const LEASE: Duration = Duration::from_secs(30);

/// Its message is lost, its heartbeat finds the lock granted, and the answer to that comes never.
#[test]
fn a_heartbeat_is_no_claim() {
    for (who, lock) in BOTH {
        let server = Server::start();
        let proxy = Proxy::start(server.port());
        let dies = connect(&proxy.url(), |builder| builder.lease(LEASE).heartbeat(millis(400)));
        let store = RedisStore::connect(&server.url()).unwrap();
        let guard = store.lock("a").unwrap();
        let mutex = dies.mutex("a").unwrap();
        thread::spawn(move || drop(lock(mutex)));
        settled(&server, &proxy);
        proxy.lose_messages(1);
        proxy.cut_after(0); // the next script runs, and then it is dead
        guard.unlock().unwrap();
        wait_until("it is not dead", || proxy.is_cut());
        let died = Instant::now();
        drop(store.mutex("a").unwrap().try_lock_for(LEASE / 3).unwrap_or_else(|error| panic!("a {who}: {error}")));
        // A claim is 1.4 seconds.
        assert!(died.elapsed() < LEASE / 6, "a {who}: {:?}", died.elapsed());
        assert_eq!(held(&server), 0);
    }
}
