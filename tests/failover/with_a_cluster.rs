//! Three masters, and a replica of each.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore};

use crate::checker::check;
use crate::load::Load;
use crate::sharded::Sharded;
use crate::{LONG, SOON, wait_until};

/// What a move of a slot, or a planned failover, takes away from nobody.
#[test]
fn moves_under_load() {
    let mut setup = Sharded::start();
    let kept = setup.connect(|builder| builder.tree("load").lease(LONG));
    let (lost, held) = (kept.lost_locks(), kept.lock("held").unwrap());
    let slot = setup.slot("load");
    let load = Load::start("load", |options| setup.connect(options));
    load.gets_through("before");

    let home = setup.owner(slot, 0);
    let away = (home + 1) % 3;
    for (from, to) in [(home, away), (away, home)] {
        let keys = setup.migrate(slot, from, to, Duration::from_millis(400));
        assert!(keys >= 3, "the tree was there");
        load.gets_through("a slot that moved");
        load.nobody_was_told("a slot that moved");
    }
    let added = setup.add();
    setup.migrate(slot, home, added, Duration::ZERO);
    load.gets_through("a slot that moved to a node that was added");
    setup.migrate(slot, added, home, Duration::ZERO);
    load.gets_through("a slot that moved back");
    load.nobody_was_told("a node that was added");

    let replica = setup.replica_of(home);
    setup.fail_over(replica, "");
    load.gets_through("CLUSTER FAILOVER");
    load.nobody_was_told("CLUSTER FAILOVER");

    assert!(held.is_held() && lost.try_recv().is_err());
    held.unlock().unwrap();
    load.end();
    let mut connection = setup.nodes[replica].connect();
    wait_until("something is left behind", || {
        let left = check(&mut connection, "load");
        left.held.is_empty() && left.waits.is_empty()
    });
}

#[test]
fn failovers_under_load() {
    let mut setup = Sharded::start();
    let kept = setup.connect(|builder| builder.tree("load").lease(LONG));
    let held = kept.lock("held").unwrap();
    let slot = setup.slot("load");
    let mut load = Load::start("load", |options| setup.connect(options));
    load.gets_through("before");

    let home = setup.owner(slot, 0);
    let replica = setup.replica_of(home);
    load.losing(|| setup.fail_over(replica, "FORCE"));
    load.gets_through("CLUSTER FAILOVER FORCE");
    setup.nodes[replica].wait_for([&setup.nodes[home]]);

    load.losing(|| {
        setup.nodes[replica].kill();
        wait_until("nobody takes over", || setup.owner(slot, home) == home);
    });
    load.gets_through("kill -9 of the master");
    setup.nodes[replica].restart(&[]);
    setup.nodes[home].wait_for([&setup.nodes[replica]]);

    load.losing(|| {
        setup.nodes[home].signal("-STOP");
        wait_until("nobody takes over", || setup.owner(slot, replica) == replica);
        load_goes_on(&setup, replica);
        setup.nodes[home].signal("-CONT");
    });
    load.gets_through("a master that was stopped and goes on");
    assert!(held.is_held());
    held.unlock().unwrap();
    load.end();
}

/// Writes come to the new master while the old one hangs.
fn load_goes_on(setup: &Sharded, at: usize) {
    let calls = || setup.nodes[at].field("INFO stats", "total_commands_processed").unwrap().parse::<u64>().unwrap();
    let before = calls();
    wait_until("nobody comes to the new master", || calls() > before + 200);
}

/// A move that does not end: what callers and waiters are told.
#[test]
fn a_slot_that_is_stuck_between_two_nodes() {
    let setup = Sharded::start();
    let store = setup.connect(|builder| builder.timeout(Duration::from_millis(700)));
    let slot = setup.slot("mutextree");
    let from = setup.owner(slot, 0);
    let to = (from + 1) % 3;
    let guard = store.lock("a").unwrap();
    let to_id: String = setup.nodes[to].ask("CLUSTER MYID");
    let from_id: String = setup.nodes[from].ask("CLUSTER MYID");
    let _: String = setup.nodes[to].ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    let _: String = setup.nodes[from].ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    let began = Instant::now();
    let error = store.mutex("b").unwrap().try_lock().unwrap_err();
    assert!(began.elapsed() < SOON / 3);
    let LockError::Store(source) = error else { panic!("{error}") };
    assert!(source.to_string().contains("the slot of this tree is being moved"), "{source}");
    let began = Instant::now();
    let error = store.mutex("b").unwrap().try_lock_for(Duration::from_millis(200)).unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(200) + SOON / 10, "{error}");
    let _: String = setup.nodes[from].ask(&format!("CLUSTER SETSLOT {slot} STABLE"));
    let _: String = setup.nodes[to].ask(&format!("CLUSTER SETSLOT {slot} STABLE"));
    drop(store.lock("b").unwrap());
    guard.unlock().unwrap();
}

/// Trees lie where their names say, and what a user of a cluster needs is enough.
#[test]
fn each_tree_is_in_its_slot() {
    let setup = Sharded::start();
    for node in &setup.nodes {
        let _: String = node.ask(
            "ACL SETUSER me on >secret ~{tree* -@all +info +eval +evalsha +time +hset +hget +hmget +hexists +hdel +zadd +zscore \
             +zrangebyscore +zrangebylex +zrem +rpush +pexpire +blmpop +cluster|slots",
        );
    }
    let mut owners = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for number in 0..12 {
        let tree = format!("tree{number}");
        let url = setup.url().replace("://", "://me:secret@");
        let store = mutextree::RedisStore::builder(&url).tree(&tree).connect().unwrap();
        let guard = store.lock("a/b").unwrap();
        let owner = setup.owner(setup.slot(&tree), 0);
        let keys: Vec<String> = setup.nodes[owner].ask(&format!("CLUSTER GETKEYSINSLOT {} 10", setup.slot(&tree)));
        assert!(keys.contains(&format!("{{{tree}}}:n")), "{keys:?}");
        seen.insert(owner);
        owners.push((store.clone(), guard));
    }
    assert_eq!(seen.len(), 3);
}
