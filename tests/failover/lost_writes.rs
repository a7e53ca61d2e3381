//! A failover that loses the last writes, and a master that is cut off: what each setup makes of
//! it.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore, RedisStoreError};

use crate::node::Node;
use crate::replicated::Replicated;
use crate::{LONG, wait_until};

/// From now on the master's writes get nowhere, and neither clients nor Sentinels see a difference:
/// the replicas are let go, and may not come back.
fn cut_off_replicas(setup: &Replicated) {
    for replica in &setup.nodes[1..] {
        let _: String = replica.ask("CONFIG SET masteruser nobody masterauth wrong");
    }
    let _: usize = setup.nodes[0].ask("CLIENT KILL TYPE replica");
    wait_until("the master keeps its replicas", || {
        setup.nodes[0].field("INFO replication", "connected_slaves").as_deref() == Some("0")
    });
}

/// As if this server had been master of the tree for long. Else the first client of a server that
/// was just started waits for a period.
fn is_known(master: &Node, tree: &str) {
    let [run, history] = [("server", "run_id"), ("replication", "master_replid")]
        .map(|(section, name)| master.field(&format!("INFO {section}"), name).unwrap());
    let _: usize = master.ask(&format!("HSET {{{tree}}}:n server {run} history {history}"));
}

/// Two holders without a grace period, one with it; and with `wait_for_replicas` nobody who
/// believes in what was lost.
#[test]
fn a_failover_that_loses_the_last_writes() {
    let mut setup = Replicated::start();
    let pair =
        |tree: &str, grace| [(); 2].map(|()| setup.connect(|builder| builder.tree(tree).lease(LONG).grace(grace)));
    let [bare, bare_other] = pair("bare", Duration::ZERO);
    is_known(&setup.nodes[0], "graced");
    let [graced, graced_other] = pair("graced", LONG);
    let confirmed = setup.connect(|builder| builder.tree("bare").wait_for_replicas(1, Duration::from_millis(150)));
    for store in [&bare, &graced, &confirmed] {
        drop(store.lock("known").unwrap());
    }

    cut_off_replicas(&setup);
    let lost = bare.lock("a").unwrap();
    let saved = graced.lock("a").unwrap();
    let error = confirmed.try_lock("b").unwrap_err();
    let LockError::Store(source) = error else { panic!("{error}") };
    let expected = RedisStoreError::TooFewReplicas { acknowledged: 0, wanted: 1 };
    assert_eq!(source.downcast_ref(), Some(&expected));
    setup.nodes[0].kill();
    setup.wait_for_another(0);

    let second = bare_other.lock("a").unwrap();
    assert!(lost.is_held() && second.is_held(), "without a grace period two believe to hold one lock");
    assert!(second.fencing_token() > lost.fencing_token(), "and the token tells them apart");
    drop(bare_other.try_lock("b").expect("nobody was given it"));

    let error = graced_other.try_lock("a").unwrap_err();
    assert!(matches!(error, LockError::WouldBlock { .. }), "{error}");
    let error = graced_other.try_lock("c").unwrap_err();
    assert!(error.to_string().contains("change of servers"), "nothing new is granted: {error}");
    // It says what it holds with its next renewal, or now.
    saved.refresh().expect("its holder has it back");
    let token = saved.fencing_token();
    assert!(graced_other.locks().unwrap().iter().any(|lock| lock.fencing_token == Some(token)));
    saved.unlock().unwrap();
}

/// A master that is on its own refuses everything, renewals, too: what its client holds ends with
/// its lease, and only then does the other side grant it.
#[test]
fn a_master_that_is_cut_off_gives_up_its_locks() {
    let options = ["--save", "", "--repl-diskless-sync-delay", "0"];
    let old = Node::start(&[&options[..], &["--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"]].concat());
    let port = old.port().to_string();
    let new = Node::start(&[&options[..], &["--replicaof", "127.0.0.1", &port]].concat());
    old.wait_for([&new]);
    let connect = |node: &Node| {
        let lease = Duration::from_millis(1200);
        let builder = RedisStore::builder(&format!("redis://{}/", node.address())).lease(lease);
        builder.timeout(Duration::from_millis(700)).connect().unwrap()
    };
    let cut_off = connect(&old);
    let guard = cut_off.lock("a").unwrap();
    wait_until("the lock does not get to the replica", || {
        let held: usize = new.ask("ZCARD {mutextree}:l");
        held == 1
    });
    // Its side of the network elects it.
    let _: String = new.ask("REPLICAOF NO ONE");
    let other = connect(&new);
    let began = Instant::now();
    let theirs = other.lock("a").unwrap();
    assert!(!guard.is_held(), "two believe to hold one lock");
    println!("the other side had it after {:.1?}", began.elapsed());
    let error = cut_off.try_lock("b").unwrap_err();
    let LockError::Store(source) = &error else { panic!("{error}") };
    assert!(matches!(source.downcast_ref(), Some(RedisStoreError::Busy { reason }) if reason.contains("NOREPLICAS")));
    theirs.unlock().unwrap();
}
