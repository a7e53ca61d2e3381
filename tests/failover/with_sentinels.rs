//! A master with two replicas, and Sentinels.

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore, RedisStoreError};

use crate::checker::check;
use crate::load::Load;
use crate::node::{Node, free_port};
use crate::replicated::Replicated;
use crate::{LONG, SOON, wait_until};

/// How many connections a server has of stores with this client name.
fn clients(node: &Node, name: &str) -> usize {
    let list: String = node.ask("CLIENT LIST");
    list.lines().filter(|line| line.contains(&format!(" name={name} "))).count()
}

/// All that can happen to the servers of one setup, one after the other, under load.
#[test]
fn failovers_under_load() {
    let mut setup = Replicated::start();
    let kept = setup.connect(|builder| builder.tree("kept").lease(LONG));
    let held = kept.lock("held").unwrap();
    let mut load = Load::start("load", |options| setup.connect(options));
    load.gets_through("before");
    load.nobody_was_told("before");

    let mut master = 0;
    load.losing(|| {
        let _: String = setup.sentinels[0].ask("SENTINEL FAILOVER mine");
        master = setup.wait_for_another(master);
    });
    load.gets_through("SENTINEL FAILOVER");
    setup.wait_for_replicas();

    // With new connections, as those that there are go on anyhow.
    setup.sentinels.iter_mut().for_each(Node::kill);
    println!("told: {:#?}", load.told());
    load.gets_through("all Sentinels gone");
    let _: usize = setup.nodes[master].ask("CLIENT KILL TYPE normal");
    load.gets_through("all Sentinels gone, and all connections cut");
    load.nobody_was_told("all Sentinels gone");
    setup.sentinels.iter_mut().for_each(|sentinel| sentinel.restart(&[]));
    wait_until("the Sentinels do not find each other again", || {
        setup.sentinels[0].try_ask("SENTINEL CKQUORUM mine").is_ok()
    });

    load.losing(|| {
        setup.nodes[master].kill();
        let new = setup.wait_for_another(master);
        setup.back_as_replica(master);
        master = new;
    });
    load.gets_through("kill -9 of the master");

    // What was held for long is held still, whoever is master.
    assert!(held.is_held());
    assert!(setup.connect(|builder| builder.tree("kept")).mutex("held").unwrap().try_lock().is_err());
    held.unlock().unwrap();
    load.end();
    let mut connection = setup.nodes[master].connect();
    wait_until("something is left behind", || {
        let left = check(&mut connection, "load");
        left.held.is_empty() && left.waits.is_empty()
    });
}

/// The old master was stopped, goes on, and believes for a while that it is master still. A store
/// that had nothing to ask meanwhile does not go back to it.
#[test]
fn a_stopped_master_that_goes_on_is_left() {
    let setup = Replicated::start();
    let [idle, busy] = ["idle", "busy"].map(|name| setup.connect(|builder| builder.client_name(name)));
    drop(idle.lock("warm").unwrap());
    drop(busy.lock("warm").unwrap());
    let began = Instant::now();
    setup.nodes[0].signal("-STOP");
    let new = setup.wait_for_another(0);
    let guard = busy.lock("a").unwrap();
    println!("the new master grants after {:.1?}", began.elapsed());
    assert!(began.elapsed() < SOON / 2, "long before the timeout of a call that hangs");
    // The idle one looks once a second, and has no reason to ask: nothing of it can be waited for.
    thread::sleep(Duration::from_millis(2500));
    setup.nodes[0].signal("-CONT");
    assert!(setup.nodes[0].is_master(), "it has not been told yet");
    for _ in 0..20 {
        let error = idle.mutex("a/b").unwrap().try_lock().unwrap_err();
        assert!(matches!(error, LockError::WouldBlock { .. }), "{error}");
    }
    assert_eq!([clients(&setup.nodes[0], "idle"), clients(&setup.nodes[0], "busy")], [0, 0]);
    assert!(clients(&setup.nodes[new], "idle") > 0);
    guard.unlock().unwrap();
}

/// A call that was begun when there was no master is answered once there is one.
#[test]
fn a_failover_shows_in_time_only() {
    let mut setup = Replicated::start();
    let store = setup.connect(|builder| builder);
    let (guard, other) = (store.lock("a").unwrap(), store.lock("b").unwrap());
    thread::sleep(Duration::from_millis(200)); // until the replicas have it
    setup.nodes[0].kill();
    thread::scope(|scope| {
        scope.spawn(|| guard.unlock().unwrap());
        scope.spawn(|| other.refresh().unwrap());
        scope.spawn(|| drop(store.lock("c").unwrap()));
        scope.spawn(|| drop(store.mutex("d").unwrap().try_lock().unwrap()));
        scope.spawn(|| drop(smol::block_on(store.lock_async("e")).unwrap()));
        scope.spawn(|| assert!(!store.mutex("f").unwrap().is_locked()));
        scope.spawn(|| drop(setup.connect(|builder| builder)));
        scope.spawn(|| {
            let began = Instant::now();
            let error = store.mutex("g").unwrap().try_lock_for(Duration::from_millis(100)).unwrap_err();
            assert!(began.elapsed() < Duration::from_secs(1), "its deadline is its own");
            println!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        });
    });
    assert!(other.is_held());
    other.unlock().unwrap();
    assert!(store.locks().unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_named() {
    let setup = Replicated::start();
    let refused = |url: &str| {
        let error = RedisStore::builder(url).timeout(Duration::from_millis(1500)).connect().unwrap_err();
        let LockError::Store(source) = error else { panic!("{error}") };
        source.downcast_ref::<RedisStoreError>().unwrap().clone()
    };
    let sentinel = setup.sentinels[0].address();
    let error = refused(&format!("redis-sentinel://{sentinel}/other"));
    let text = error.to_string();
    assert!(matches!(error, RedisStoreError::Config(_)) && text.contains("knows no service `other`"), "{text}");
    assert!(text.contains(&sentinel), "{text}");
    let server = setup.nodes[0].address();
    let text = refused(&format!("redis-sentinel://{server}/mine")).to_string();
    assert!(text.contains("is no Sentinel"), "{text}");
    let nobody = [free_port(), free_port()];
    let error = refused(&format!("redis-sentinel://me:secret@127.0.0.1:{},127.0.0.1:{}/mine", nobody[0], nobody[1]));
    let text = error.to_string();
    assert!(matches!(error, RedisStoreError::Unreachable { .. }), "{text}");
    assert!(nobody.iter().all(|port| text.matches(&port.to_string()).count() == 2), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let error = refused(&format!("redis-sentinel://me:secret@{sentinel}/mine"));
    assert_eq!(error, RedisStoreError::Authentication { address: server });
}
