//! Many trees from one process: [`RedisClient`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisClient, RedisStore, RedisStoreError, RedisTreeBuilder};

#[path = "../common/thousand.rs"]
mod thousand;

use crate::checker::check;
use crate::failures::wait_within;
use crate::refusals::COMMANDS;
use crate::server::{Server, shared};
use thousand::{NAME, TREES, Thousand, tree};

const SOON: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

fn wait_until(what: &str, so: impl FnMut() -> bool) {
    wait_within(SOON, what, so);
}

fn new_tree_with(options: impl FnOnce(RedisTreeBuilder) -> RedisTreeBuilder) -> RedisStore {
    static CLIENT: OnceLock<RedisClient> = OnceLock::new();
    static TREES: AtomicU64 = AtomicU64::new(0);
    let client = CLIENT.get_or_init(|| RedisClient::connect(&shared().url()).unwrap());
    options(client.tree(format!("one of many {}", TREES.fetch_add(1, Ordering::Relaxed)))).connect().unwrap()
}

/// One for a test of the promises. Every other test, by the length of its name, has one that keeps.
pub(crate) fn new_tree() -> RedisStore {
    let keeps = thread::current().name().is_some_and(|test| test.len() % 2 == 1);
    new_tree_with(|builder| builder.keep(if keeps { MINUTE } else { Duration::ZERO }))
}

/// The connections of a client, by the name that it gives them.
fn connections(server: &Server, name: &str) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.connect()).unwrap();
    list.lines().filter(|line| line.contains(&format!("name={name} "))).count()
}

fn channels(server: &Server) -> usize {
    let channels: Vec<String> = redis::cmd("PUBSUB").arg("SHARDCHANNELS").query(&mut server.connect()).unwrap();
    channels.len()
}

/// A waiter hears of its grant by the channel: its heartbeat would be too late.
#[test]
fn a_grant_is_heard() {
    let server = Server::start();
    let client = RedisClient::connect(&server.url()).unwrap();
    let ours = client.tree("a").heartbeat(MINUTE).connect().unwrap();
    let other = RedisStore::builder(&server.url()).tree("a").heartbeat(MINUTE).connect().unwrap();
    for (holder, waiter) in [(&other, &ours), (&ours, &other), (&ours, &ours)] {
        let guard = holder.lock("x").unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| waiter.lock("x").unwrap().unlock().unwrap());
            wait_until("nobody waits", || check(&mut server.connect(), "a").waits.len() == 1);
            guard.unlock().unwrap();
            wait_until("the grant is not heard", || waits.is_finished());
        });
    }
}

/// What is recalled is heard, too, and what was broken.
#[test]
fn a_recall_is_heard() {
    let server = Server::start();
    let client = RedisClient::connect(&server.url()).unwrap();
    let keeps = client.tree("a").keep(MINUTE).connect().unwrap();
    let other = client.tree("a").connect().unwrap();
    keeps.lock("x").unwrap().unlock().unwrap();
    assert_eq!(keeps.kept_locks().kept, 1);
    other.mutex("x").unwrap().try_lock_for(SOON).unwrap().unlock().unwrap();
    assert_eq!(keeps.kept_locks().kept, 0);

    let held = keeps.lock("x").unwrap();
    let lost = keeps.lost_locks();
    let locks = other.locks().unwrap();
    assert!(other.break_lock(&locks[0]).unwrap());
    wait_until("the loss is not heard", || lost.try_recv().is_ok());
    assert!(!held.is_held());
}

/// When the connection is lost over which grants come, waiters look after a heartbeat at once.
#[test]
fn a_grant_is_found_after_the_connection_was_lost() {
    let server = Server::start();
    let client = RedisClient::connect(&server.url()).unwrap();
    let (ours, other) = (client.tree("a").heartbeat(MINUTE).connect().unwrap(), RedisStore::builder(&server.url()));
    let other = other.tree("a").connect().unwrap();
    let guard = other.lock("x").unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| ours.lock("x").unwrap().unlock().unwrap());
        wait_until("nobody waits", || check(&mut server.connect(), "a").waits.len() == 1);
        // Nobody hears the grant: the connection is cut and the lock is given back in one go.
        let mut connection = server.connect();
        let _: i64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("PUBSUB").query(&mut connection).unwrap();
        guard.unlock().unwrap();
        wait_until("the grant is not found", || waits.is_finished());
    });
}

/// Of a tree that is dropped nothing is left, and others go on.
#[test]
fn a_tree_that_is_dropped_leaves_nothing() {
    let server = Server::start();
    let client = RedisClient::builder(&server.url()).client_name("many").connect().unwrap();
    let stays = client.tree("stays").connect().unwrap();
    let held = stays.lock("x").unwrap();
    let goes: Vec<_> =
        (0..20).map(|number| client.tree(format!("goes {number}")).keep(MINUTE).connect().unwrap()).collect();
    goes.iter().for_each(|store| store.lock("x").unwrap().unlock().unwrap());
    assert_eq!(channels(&server), 21);
    drop(goes);
    wait_until("channels are left", || channels(&server) == 1);
    for number in 0..20 {
        assert!(check(&mut server.connect(), &format!("goes {number}")).held.is_empty());
    }
    assert!(held.is_held());
    held.unlock().unwrap();
    drop(stays);
    wait_until("connections are left without a tree", || connections(&server, "many") == 0);
    let again = client.tree("stays").connect().unwrap();
    drop(again.lock("x").unwrap());
}

/// What only a client with several trees needs is named if it is missing.
#[test]
fn a_user_who_may_not_subscribe_is_told() {
    for (rule, named) in [
        ("+@all -ssubscribe ~* allchannels", "SSUBSCRIBE"),
        ("+@all -spublish ~* allchannels", "SPUBLISH"),
        ("+@all ~* resetchannels", "&{tree}:*"),
    ] {
        let mut options = vec!["--user", "me", "on", ">secret"];
        options.extend(rule.split(' '));
        let server = Server::with(&options);
        let url = format!("redis://me:secret@127.0.0.1:{}/", server.port());
        let error = RedisClient::connect(&url).unwrap().tree("a").connect().unwrap_err();
        let LockError::Store(error) = error else { panic!("{rule}: {error}") };
        let Some(RedisStoreError::Permission { missing }) = error.downcast_ref() else { panic!("{rule}: {error}") };
        assert!(missing.contains(named), "{rule}: {missing}");
        // A store of its own needs none of that.
        drop(RedisStore::connect(&url).unwrap().lock("x").unwrap());
    }
}

/// And that is all that is needed beside what a store of its own needs.
#[test]
fn what_a_user_of_many_trees_needs_is_enough() {
    let server = Server::start();
    let mut setuser = redis::cmd("ACL");
    setuser.arg(&["SETUSER", "me", "on", ">secret", "~{a}:*", "~{b}:*", "&{a}:*", "&{b}:*", "-@all"]);
    for command in COMMANDS.into_iter().chain(["ssubscribe", "spublish"]) {
        setuser.arg(format!("+{command}"));
    }
    let _: () = setuser.query(&mut server.connect()).unwrap();
    let client = RedisClient::connect(&format!("redis://me:secret@127.0.0.1:{}/", server.port())).unwrap();
    for tree in ["a", "b"] {
        let store = client.tree(tree).keep(MINUTE).connect().unwrap();
        crate::conformance::waiting::everybody_gets_a_turn(|| store.clone());
    }
}

/// A store of its own whose user may not publish.
#[test]
fn who_may_not_publish_leaves_waiters_to_their_heartbeats() {
    let options = ["--user", "plain", "on", ">secret", "+@all", "-spublish", "~*", "resetchannels"];
    let server = Server::with(&[&options[..], &["--user", "default", "on", "nopass", "+@all", "~*", "&*"]].concat());
    let other = RedisStore::builder(&format!("redis://plain:secret@127.0.0.1:{}/", server.port()));
    let other = other.tree("a").connect().unwrap();
    let client = RedisClient::connect(&server.url()).unwrap();
    let ours = client.tree("a").heartbeat(Duration::from_millis(50)).connect().unwrap();
    let guard = other.lock("x").unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| ours.lock("x").unwrap().unlock().unwrap());
        wait_until("nobody waits", || check(&mut server.connect(), "a").waits.len() == 1);
        guard.unlock().unwrap();
        wait_until("the grant is not found", || waits.is_finished());
    });
}

/// A grace period of one tree is no matter of the others.
#[test]
fn grace_is_of_one_tree() {
    let mut server = Server::start();
    let client = RedisClient::connect(&server.url()).unwrap();
    let lease = Duration::from_secs(2);
    let careful = client.tree("careful").lease(lease).grace(lease).connect().unwrap();
    let plain = client.tree("plain").lease(lease).connect().unwrap();
    drop((careful.lock("x").unwrap(), plain.lock("x").unwrap()));
    server.kill();
    server.restart();
    let began = Instant::now();
    drop(plain.mutex("x").unwrap().try_lock_for(SOON).unwrap());
    assert!(began.elapsed() < lease / 2, "{:?}", began.elapsed());
    let error = careful.mutex("x").unwrap().try_lock().unwrap_err();
    assert!(matches!(error, LockError::WouldBlock { .. }), "{error}");
    drop(careful.mutex("x").unwrap().try_lock_for(SOON).unwrap());
    assert!(began.elapsed() >= lease / 2, "{:?}", began.elapsed());
}

/// So many connections and threads may a site have (`src/redis/run/workers.rs`), and a client one
/// thread more.
const MOST: usize = 20;

/// A thousand trees, in a process of their own whose threads can be counted.
#[test]
fn a_thousand_trees() {
    let server = Server::start();
    let mut process = Thousand::start(&server.url(), "many::the_thousand");
    for step in ["connected", "held", "tasks", "threads"] {
        let report = process.says(step);
        assert!(report.threads <= MOST, "{step}: {report:?}");
        let connections = connections(&server, NAME);
        assert!(connections <= MOST, "{step}: {connections} connections");
        assert_eq!(report.lost, 0, "{step}");
        if step == "held" {
            assert_eq!(channels(&server), TREES);
        }
        process.go_on();
    }
    process.says("dropped");
    wait_until("connections are left", || connections(&server, NAME) == 0);
    for number in [0, TREES / 2, TREES - 1] {
        let left = check(&mut server.connect(), &tree(number));
        assert!(left.held.is_empty() && left.waits.is_empty(), "{number}");
    }
}

#[test]
fn the_thousand() {
    thousand::work();
}
