//! The server that was master is a replica now. Its address leads to the new master, and the
//! connections that exist to the old one. An answer that means "not here" must cost the connection,
//! whoever got it.

use std::thread;
use std::time::Instant;

use mutextree::{LockStore, Mode, RedisStore};
use redis::Connection;

use super::{BOTH, SLACK, SOON, TREE, connect, held, millis, waits};
use crate::checker::check;
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

struct Pair {
    old: Server,
    new: Server,
}

fn ask(connection: &mut Connection, command: &str) -> String {
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| _ = command.arg(word));
    command.query::<Option<String>>(connection).unwrap().unwrap_or_default()
}

impl Pair {
    fn start() -> Self {
        let old = Server::with(&["--repl-diskless-sync-delay", "0"]);
        let new = Server::with(&["--replicaof", "127.0.0.1", &old.port().to_string()]);
        let mut connection = new.connect();
        wait_until("the replica never follows", || {
            ask(&mut connection, "INFO replication").contains("master_link_status:up")
        });
        Self { old, new }
    }

    /// Connections through these proxies stay where they are, new ones go to the new master.
    fn move_over(&self, proxies: &[&Proxy]) {
        proxies.iter().for_each(|proxy| proxy.freeze_all());
        let (mut old, mut new) = (self.old.connect(), self.new.connect());
        let _: () = redis::cmd("SET").arg("the last").arg("write").query(&mut old).unwrap();
        let copies: u64 = redis::cmd("WAIT").arg(1).arg(0).query(&mut old).unwrap();
        assert_eq!(copies, 1);
        ask(&mut new, "REPLICAOF NO ONE");
        ask(&mut old, &format!("REPLICAOF 127.0.0.1 {}", self.new.port()));
        for proxy in proxies {
            proxy.redirect(self.new.port());
            proxy.thaw();
        }
    }
}

/// The first call after it, too, and what was held is given back where it is held now.
#[test]
fn callers_and_tasks_go_where_the_master_is() {
    for (who, lock) in BOTH {
        let pair = Pair::start();
        let proxy = Proxy::start(pair.old.port());
        let store = RedisStore::connect(&proxy.url()).unwrap();
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        pair.move_over(&[&proxy]);
        let began = Instant::now();
        let other = lock(store.mutex("b").unwrap()).unwrap_or_else(|error| panic!("a {who}: {error}"));
        assert!(began.elapsed() < SLACK, "a {who}: {:?}", began.elapsed());
        assert_eq!(held(&pair.new), 2);
        drop((guard, other));
        wait_until("they are not given back", || held(&pair.new) == 0);
    }
}

/// Nothing else has been asked since: the guard that is dropped meets the old one first.
#[test]
fn a_guard_is_given_back_where_the_master_is() {
    for (who, lock) in BOTH {
        let pair = Pair::start();
        let proxy = Proxy::start(pair.old.port());
        let store = RedisStore::connect(&proxy.url()).unwrap();
        let guard = lock(store.mutex("a").unwrap()).unwrap();
        pair.move_over(&[&proxy]);
        let began = Instant::now();
        guard.unlock().unwrap_or_else(|error| panic!("a {who}'s: {error}"));
        assert!(began.elapsed() < SLACK, "a {who}'s: {:?}", began.elapsed());
        wait_until("it is not given back", || held(&pair.new) == 0);
    }
}

/// What else can be asked: each by a store of its own, which asks nothing before.
#[test]
fn whatever_is_asked_is_asked_where_the_master_is() {
    let pair = Pair::start();
    let proxy = Proxy::start(pair.old.port());
    let store = || RedisStore::connect(&proxy.url()).unwrap();
    let guard = |path: &str| store().lock(path).unwrap();
    let lease = |path: &str| guard(path).into_lease().unwrap();
    let (refreshed, set, mut shared, kept) = (guard("1"), guard("2"), guard("3"), guard("4"));
    let (held, renewed, released, known) = (lease("5"), lease("6"), lease("7"), lease("8"));
    let [lists, looks, resumes] = [(); 3].map(|()| {
        let store = store();
        drop(store.lock("warm").unwrap());
        store
    });
    pair.move_over(&[&proxy]);
    let began = Instant::now();
    refreshed.refresh().unwrap();
    set.refresh_for(SOON).unwrap();
    let _ = shared.downgrade();
    assert_eq!(shared.mode(), Mode::Shared);
    drop(kept.into_lease().unwrap());
    assert!(held.is_held());
    renewed.refresh().unwrap();
    released.release().unwrap();
    drop(resumes.resume("8", known.token()).unwrap());
    assert_eq!(lists.locks().unwrap().len(), 7);
    assert!(looks.mutex("1").unwrap().is_locked() && !looks.mutex("7").unwrap().is_locked());
    // One at a time: eleven of them.
    assert!(began.elapsed() < SLACK * 2, "{:?}", began.elapsed());
    let reader = RedisStore::connect(&pair.new.url()).unwrap().mutex("3").unwrap().shared();
    drop(reader.try_lock().unwrap());
}

/// A replica that has lost its master answers `MASTERDOWN`, to reads as well.
#[test]
fn a_replica_without_a_master_is_no_master_either() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::start(old.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    drop(store.lock("a").unwrap());
    let mut connection = old.connect();
    ask(&mut connection, "CONFIG SET replica-serve-stale-data no");
    ask(&mut connection, "REPLICAOF 127.0.0.1 1");
    proxy.redirect(new.port());
    let began = Instant::now();
    assert!(!store.mutex("a").unwrap().is_locked());
    store.lock("a").unwrap().unlock().unwrap();
    assert!(store.locks().unwrap().is_empty());
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
}

#[test]
fn what_is_held_is_renewed_where_the_master_is() {
    let pair = Pair::start();
    let proxy = Proxy::start(pair.old.port());
    let lease = millis(2000);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let guards = BOTH.map(|(who, lock)| lock(store.mutex(who).unwrap()).unwrap());
    thread::sleep(lease / 2); // until it has been renewed over there, once
    pair.move_over(&[&proxy]);
    thread::sleep(lease * 3 / 2);
    assert!(guards.iter().all(|guard| guard.is_held()));
    let other = RedisStore::connect(&pair.new.url()).unwrap();
    assert!(other.mutex("/").unwrap().try_lock().is_err());
    assert_eq!(check(&mut pair.new.connect(), TREE).held.len(), 2);
    for guard in guards {
        guard.unlock().unwrap();
    }
}

/// A waiter shows the new master that it lives, or another one that comes later is served first.
#[test]
fn a_waiter_keeps_its_place_where_the_master_is() {
    let pair = Pair::start();
    let [mine, holders] = [(); 2].map(|()| Proxy::start(pair.old.port()));
    let heartbeat = millis(300);
    let store = connect(&mine.url(), |builder| builder.heartbeat(heartbeat));
    let holder = RedisStore::connect(&holders.url()).unwrap();
    let guard = holder.lock("a").unwrap();
    let mut first = waits(store.mutex("a").unwrap());
    assert!(first.poll().is_none());
    wait_until("it never waits", || waiters(&pair.old) == 1 && mine.is_quiet());
    pair.move_over(&[&mine, &holders]);
    // A waiter that is not heard of for three and a half is passed over.
    thread::sleep(heartbeat * 5);
    holders.cut_existing();
    let mut second = waits(RedisStore::connect(&pair.new.url()).unwrap().mutex("a").unwrap());
    assert!(second.poll().is_none());
    wait_until("they do not wait", || waiters(&pair.new) == 2);
    guard.unlock().unwrap();
    let guard = first.block_on().unwrap();
    assert!(!second.is_ready_within(millis(100)));
    drop(guard);
    drop(second.block_on().unwrap());
}

/// The listener gets a message from the old server, and then asks that one again.
#[test]
fn messages_are_awaited_where_the_master_is() {
    let pair = Pair::start();
    let [mine, holders] = [(); 2].map(|()| Proxy::start(pair.old.port()));
    let rarely = |url: &str| connect(url, |builder| builder.heartbeat(SOON * 3));
    let (store, holder) = (rarely(&mine.url()), rarely(&holders.url()));
    let [one, two] = ["one", "two"].map(|path| holder.lock(path).unwrap());
    thread::scope(|scope| {
        let waits = ["one", "two"].map(|path| {
            let mutex = store.mutex(path).unwrap();
            scope.spawn(move || mutex.try_lock_owned_for(SOON / 2))
        });
        wait_until("they never wait", || waiters(&pair.old) == 2 && mine.is_quiet() && mine.listens());
        mine.freeze_all();
        one.unlock().unwrap(); // its message is on its way
        pair.move_over(&[&mine, &holders]);
        holders.cut_existing();
        thread::sleep(millis(200)); // until the listener has asked again
        two.unlock().unwrap();
        for (wait, which) in waits.into_iter().zip(["first", "second"]) {
            drop(wait.join().unwrap().unwrap_or_else(|error| panic!("the {which} one: {error}")));
        }
    });
}
