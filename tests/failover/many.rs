//! A thousand trees of one process, over a cluster: what the connections of one site may not do to
//! those of the others.

#[path = "../common/thousand.rs"]
mod thousand;

use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, OwnedTreeMutexGuard, RedisClient, RedisStore};

use crate::sharded::Sharded;
use crate::{LONG, SOON, wait_until};
use thousand::{NAME, TREES, Thousand, tree};

/// So many connections and threads may a site have (`src/redis/run/workers.rs`), and a client one
/// thread more. Connections to guides count at the node that is asked: three for each site.
const MOST: usize = 20;

fn connections(setup: &Sharded, at: usize) -> usize {
    let list: String = setup.nodes[at].ask("CLIENT LIST");
    list.lines().filter(|line| line.contains(&format!("name={NAME} "))).count()
}

fn channels(setup: &Sharded, nodes: &[usize]) -> usize {
    nodes.iter().map(|&at| setup.nodes[at].ask::<Vec<String>>("PUBSUB SHARDCHANNELS").len()).sum()
}

/// One cluster for all, as it takes its time to start.
#[test]
fn over_a_cluster() {
    let mut setup = Sharded::start();
    a_thousand_trees(&setup);
    a_site_that_is_down_is_no_matter_of_the_others(&setup);
    a_failover_moves_all_trees_of_a_site(&mut setup);
}

fn a_thousand_trees(setup: &Sharded) {
    let mut process = Thousand::start(&setup.url(), "many::the_thousand");
    process.says("connected");
    process.go_on();
    let bounded = |step: &str, threads: usize| {
        assert!(threads <= 3 * MOST, "{step}: {threads} threads");
        for at in 0..setup.nodes.len() {
            let connections = connections(setup, at);
            assert!(connections <= MOST + 3 * 3, "{step}: {connections} connections to node {at}");
        }
    };
    let report = process.says("held");
    bounded("held", report.threads);
    wait_until("not all trees are heard", || channels(setup, &[0, 1, 2]) == TREES);

    // A slot moves with what is held and waited for there, and its tree with it.
    let slot = setup.slot(&tree(0));
    let from = setup.owner(slot, 0);
    let to = (from + 1) % 3;
    assert!(setup.migrate(slot, from, to, Duration::ZERO) >= 3);
    wait_until("the channel does not move", || {
        let heard: Vec<String> = setup.nodes[to].ask("PUBSUB SHARDCHANNELS");
        heard.iter().any(|channel| channel.starts_with(&format!("{{{}}}", tree(0))))
    });
    // A planned failover, while all is held.
    let replica = setup.replica_of(from);
    setup.fail_over(replica, "");
    let masters: Vec<usize> = [0, 1, 2].map(|at| if at == from { replica } else { at }).into();
    wait_until("not all trees are heard again", || channels(setup, &masters) == TREES);
    process.go_on();
    let report = process.says("tasks");
    assert_eq!(report.lost, 0);
    bounded("tasks", report.threads);
    process.go_on();
    let report = process.says("threads");
    assert_eq!(report.lost, 0);
    bounded("threads", report.threads);
    process.go_on();
    process.says("dropped");
    wait_until("connections are left", || (0..setup.nodes.len()).all(|at| connections(setup, at) == 0));
}

#[test]
fn the_thousand() {
    thousand::work();
}

/// So many trees at each of the masters, by who that is.
fn trees(setup: &Sharded, client: &RedisClient, each: usize) -> Vec<(usize, Vec<RedisStore>)> {
    let mut sites: Vec<(usize, Vec<RedisStore>)> = Vec::new();
    for number in 0.. {
        let name = format!("tree-{number}");
        let owner = setup.owner(setup.slot(&name), 0);
        let at = sites.iter().position(|(other, _)| *other == owner).unwrap_or_else(|| {
            sites.push((owner, Vec::new()));
            sites.len() - 1
        });
        if sites[at].1.len() < each {
            sites[at].1.push(client.tree(name).lease(LONG).connect().unwrap());
        } else if sites.len() == 3 && sites.iter().all(|(_, stores)| stores.len() == each) {
            break;
        }
    }
    sites
}

/// A master that hangs, and whose replica does, too.
fn a_site_that_is_down_is_no_matter_of_the_others(setup: &Sharded) {
    let client = RedisClient::builder(&setup.url()).timeout(Duration::from_secs(3)).connect().unwrap();
    let sites = trees(setup, &client, 20);
    let [(master, sick), (_, well), (_, others)] = &sites[..] else { panic!("three masters") };
    let held: Vec<_> = sick.iter().chain(well).map(|store| store.lock("held").unwrap()).collect();
    let replica = setup.replica_of(*master);
    setup.nodes[replica].signal("-STOP");
    setup.nodes[*master].signal("-STOP");
    thread::scope(|scope| {
        // Threads and tasks hang there.
        let calls: Vec<_> =
            sick.iter().map(|store| scope.spawn(|| store.mutex("x").unwrap().try_lock().is_err())).collect();
        let lock = |store: RedisStore| smol::spawn(async move { store.lock_async("y").await.is_err() });
        let tasks: Vec<_> = sick.iter().cloned().map(lock).collect();
        for round in 0..5 {
            for (number, store) in well.iter().chain(others).enumerate() {
                let began = Instant::now();
                drop(store.lock("x").unwrap());
                drop(smol::block_on(store.lock_async("y")).unwrap());
                assert!(began.elapsed() < Duration::from_secs(1), "{round}, {number}: {:?}", began.elapsed());
            }
        }
        assert!(calls.into_iter().all(|call| call.join().unwrap()), "they are told");
        drop(tasks);
    });
    setup.nodes[*master].signal("-CONT");
    setup.nodes[replica].signal("-CONT");
    wait_until("it does not go on", || sick.iter().all(|store| store.mutex("x").unwrap().try_lock().is_ok()));
    assert!(held.iter().all(OwnedTreeMutexGuard::is_held));
    held.into_iter().for_each(|held| held.unlock().unwrap());
}

/// kill -9 of a master: its trees go on where the replica is, and others notice nothing.
fn a_failover_moves_all_trees_of_a_site(setup: &mut Sharded) {
    wait_until("the cluster is never well", || setup.is_well());
    let client = RedisClient::builder(&setup.url()).timeout(Duration::from_secs(15)).connect().unwrap();
    let sites = trees(setup, &client, 30);
    let [(master, failing), (_, well), _] = &sites[..] else { panic!("three masters") };
    let held: Vec<_> = well.iter().map(|store| store.lock("held").unwrap()).collect();
    let lost: Vec<_> = well.iter().map(RedisStore::lost_locks).collect();
    let of_failing: Vec<_> = failing.iter().map(|store| store.lock("held").unwrap()).collect();
    let replica = setup.replica_of(*master);
    setup.nodes[*master].kill();
    let began = Instant::now();
    thread::scope(|scope| {
        for store in failing {
            scope.spawn(|| drop(store.mutex("x").unwrap().try_lock_for(SOON).unwrap()));
        }
    });
    println!("all are through after {:.1?}", began.elapsed());
    assert!(setup.nodes[replica].is_master());
    assert!(held.iter().all(OwnedTreeMutexGuard::is_held));
    assert!(lost.iter().all(|lost| lost.try_recv().is_err()));
    // One connection set for all of them.
    let list: String = setup.nodes[replica].ask("CLIENT LIST");
    assert!(list.lines().count() <= MOST + 3 * 3, "{list}");
    drop((of_failing, held));
}
