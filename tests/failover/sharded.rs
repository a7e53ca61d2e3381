//! A cluster of three masters, and a replica of each.

use std::time::{Duration, Instant};

use mutextree::{RedisStore, RedisStoreBuilder};

use crate::node::Node;
use crate::wait_until;

pub(crate) struct Sharded {
    pub(crate) nodes: Vec<Node>,
}

/// A server gives up a failover that was asked for after five seconds.
const ELECTION: Duration = Duration::from_secs(6);

const OPTIONS: [&str; 12] = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--cluster-allow-replica-migration",
    "no",
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
    "--save",
    "",
];

impl Sharded {
    pub(crate) fn start() -> Self {
        let nodes: Vec<Node> = (0..6).map(|_| Node::start(&OPTIONS)).collect();
        for (at, slots) in ["0 5460", "5461 10922", "10923 16383"].into_iter().enumerate() {
            let _: String = nodes[at].ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
            let _: String = nodes[at].ask(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        }
        for node in &nodes[1..] {
            let _: String = nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {}", node.port()));
        }
        let this = Self { nodes };
        this.wait_for_all();
        for at in 3..6 {
            let _: String = this.nodes[at].ask(&format!("CLUSTER REPLICATE {}", this.id(at - 3)));
        }
        (0..3).for_each(|at| this.nodes[at].wait_for([&this.nodes[at + 3]]));
        wait_until("the cluster is never well", || this.is_well());
        this
    }

    /// All nodes know all nodes.
    fn wait_for_all(&self) {
        let all = self.nodes.len();
        wait_until("the nodes never meet", || {
            self.nodes.iter().all(|node| {
                let nodes: String = node.ask("CLUSTER NODES");
                nodes.lines().count() == all && !nodes.contains("handshake")
            })
        });
    }

    pub(crate) fn is_well(&self) -> bool {
        self.nodes.iter().all(|node| node.field("CLUSTER INFO", "cluster_state").as_deref() == Some("ok"))
    }

    /// Another node, without slots.
    pub(crate) fn add(&mut self) -> usize {
        let node = Node::start(&OPTIONS);
        let _: String = self.nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {}", node.port()));
        self.nodes.push(node);
        self.wait_for_all();
        wait_until("the cluster is never well", || self.is_well());
        self.nodes.len() - 1
    }

    fn id(&self, at: usize) -> String {
        self.nodes[at].ask("CLUSTER MYID")
    }

    pub(crate) fn url(&self) -> String {
        let places: Vec<String> = self.nodes[..3].iter().map(Node::address).collect();
        format!("redis-cluster://{}", places.join(","))
    }

    pub(crate) fn connect(&self, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore {
        let builder = RedisStore::builder(&self.url()).lease(Duration::from_secs(8));
        let builder = builder.heartbeat(Duration::from_millis(500)).timeout(Duration::from_secs(15));
        options(builder).connect().unwrap()
    }

    pub(crate) fn slot(&self, tree: &str) -> u16 {
        self.nodes[0].ask(&format!("CLUSTER KEYSLOT {{{tree}}}:n"))
    }

    /// Which node has a slot, by one that was not killed.
    pub(crate) fn owner(&self, slot: u16, asked: usize) -> usize {
        let nodes: String = self.nodes[asked].ask("CLUSTER NODES");
        let has = |range: &str| match range.split_once('-') {
            Some((first, last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                _ => false,
            },
            None => range.parse() == Ok(slot),
        };
        let line = nodes.lines().find(|line| line.split(' ').skip(8).any(has)).expect("somebody has it");
        let address = line.split([' ', '@']).nth(1).unwrap();
        self.nodes.iter().position(|node| node.address() == address).expect("it is one of ours")
    }

    /// The replica of a master, once the master has heard of it.
    pub(crate) fn replica_of(&self, master: usize) -> usize {
        let (command, mut replicas) = (format!("CLUSTER REPLICAS {}", self.id(master)), Vec::<String>::new());
        wait_until("the master never hears of its replica", || {
            replicas = self.nodes[master].ask(&command);
            !replicas.is_empty()
        });
        let address = replicas[0].split([' ', '@']).nth(1).unwrap().to_owned();
        self.nodes.iter().position(|node| node.address() == address).expect("it is one of ours")
    }

    /// Has a replica take over from its master, `how` the command says. An election that fails is
    /// not held again by itself, so it is asked for anew, as an operator would.
    pub(crate) fn fail_over(&self, replica: usize, how: &str) {
        let (command, mut asked) = (format!("CLUSTER FAILOVER {how}"), None::<Instant>);
        wait_until("it does not take over", || {
            if asked.is_none_or(|asked| asked.elapsed() > ELECTION) {
                let _ = self.nodes[replica].try_ask(command.trim_end());
                asked = Some(Instant::now());
            }
            self.nodes[replica].is_master()
        });
    }

    /// Moves a slot key by key, as `redis-cli --cluster reshard` does, with a pause before it is
    /// all the other's. Returns how many keys it had.
    pub(crate) fn migrate(&self, slot: u16, from: usize, to: usize, pause: Duration) -> usize {
        let (from_id, to_id, to_port) = (self.id(from), self.id(to), self.nodes[to].port());
        let _: String = self.nodes[to].ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        let _: String = self.nodes[from].ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        std::thread::sleep(pause / 2);
        let mut moved = 0;
        loop {
            let keys: Vec<String> = self.nodes[from].ask(&format!("CLUSTER GETKEYSINSLOT {slot} 10"));
            if keys.is_empty() {
                break;
            }
            moved += keys.len();
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(to_port).arg("").arg(0).arg(5000).arg("KEYS").arg(&keys);
            migrate.exec(&mut self.nodes[from].connect()).unwrap();
        }
        std::thread::sleep(pause / 2);
        for at in [to, from] {
            let _: String = self.nodes[at].ask(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
        moved
    }
}
