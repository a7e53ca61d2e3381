//! A master, two replicas, and three Sentinels that watch them.

use std::fs;
use std::time::Duration;

use mutextree::{RedisStore, RedisStoreBuilder};
use tempfile::TempDir;

use crate::node::{Node, free_port};
use crate::wait_until;

pub(crate) struct Replicated {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sentinels: Vec<Node>,
}

/// What is added to the options of servers, and to the configuration of Sentinels.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    pub(crate) servers: &'a [&'a str],
    pub(crate) sentinels: &'a str,
    pub(crate) login: &'a str,
    pub(crate) sentinel_login: &'a str,
    /// The ports with TLS: what Sentinels are to know of the master, and where they listen.
    pub(crate) tls: Option<[u16; 6]>,
}

impl Replicated {
    pub(crate) fn start() -> Self {
        Self::with(&Extra::default())
    }

    pub(crate) fn with(extra: &Extra) -> Self {
        let ports = [(); 3].map(|()| free_port());
        let known = |at: usize| extra.tls.map_or(ports[at], |tls| tls[at]).to_string();
        let nodes: Vec<Node> = (0..3)
            .map(|at| {
                let mut options = vec!["--save", "", "--repl-diskless-sync-delay", "0"];
                options.extend(extra.servers);
                let (tls, master) = (known(at), known(0));
                if extra.tls.is_some() {
                    options.extend(["--tls-port", &tls]);
                }
                if at > 0 {
                    options.extend(["--replicaof", "127.0.0.1", &master]);
                }
                Node::start_in(TempDir::new().unwrap(), ports[at], &options, extra.login)
            })
            .collect();
        nodes[0].wait_for(&nodes[1..]);
        let sentinels = (0..3)
            .map(|at| {
                let dir = TempDir::new().unwrap();
                let text = format!(
                    "sentinel monitor mine 127.0.0.1 {} 2\nsentinel down-after-milliseconds mine 1000\n\
                     sentinel failover-timeout mine 4000\n{}\n",
                    known(0),
                    extra.sentinels
                );
                fs::write(dir.path().join("conf"), text).unwrap();
                let tls = extra.tls.map(|tls| tls[3 + at].to_string());
                let mut options = vec!["conf", "--sentinel"];
                options.extend(tls.iter().flat_map(|port| ["--tls-port", port]));
                Node::start_in(dir, free_port(), &options, extra.sentinel_login)
            })
            .collect();
        let this = Self { nodes, sentinels };
        wait_until("the Sentinels never know each other", || this.sentinels.iter().all(|one| this.is_complete(one)));
        this
    }

    /// Whether a Sentinel knows all the others.
    fn is_complete(&self, sentinel: &Node) -> bool {
        let state: Vec<String> = sentinel.ask("SENTINEL MASTER mine");
        let field = |name: &str| state.iter().skip_while(|word| *word != name).nth(1).map(String::as_str);
        field("num-slaves") == Some("2")
            && field("num-other-sentinels") == Some("2")
            && field("flags") == Some("master")
    }

    pub(crate) fn url(&self) -> String {
        let places: Vec<String> = self.sentinels.iter().map(Node::address).collect();
        format!("redis-sentinel://{}/mine", places.join(","))
    }

    pub(crate) fn connect(&self, options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore {
        let builder = RedisStore::builder(&self.url()).lease(Duration::from_secs(8));
        let builder = builder.heartbeat(Duration::from_millis(500)).timeout(Duration::from_secs(15));
        options(builder).connect().unwrap()
    }

    /// Which server the Sentinels name.
    pub(crate) fn master(&self) -> usize {
        let (_, port): (String, u16) = self.sentinels[0].ask("SENTINEL GET-MASTER-ADDR-BY-NAME mine");
        self.nodes.iter().position(|node| node.port() == port).expect("it is one of ours")
    }

    /// Waits until all Sentinels name another server than this one, which is a master.
    pub(crate) fn wait_for_another(&self, than: usize) -> usize {
        let port = self.nodes[than].port();
        wait_until("nobody takes over", || {
            self.sentinels.iter().all(|one| {
                let (_, now): (String, u16) = one.ask("SENTINEL GET-MASTER-ADDR-BY-NAME mine");
                now != port
            })
        });
        let new = self.master();
        wait_until("it is no master", || self.nodes[new].is_master());
        new
    }

    /// Has a server that was killed follow the master, as all others do.
    pub(crate) fn back_as_replica(&mut self, at: usize) {
        let port = self.nodes[self.master()].port().to_string();
        self.nodes[at].restart(&["--replicaof", "127.0.0.1", &port]);
        self.wait_for_replicas();
    }

    /// Waits until all replicas follow the master.
    pub(crate) fn wait_for_replicas(&self) {
        let master = self.master();
        self.nodes[master].wait_for((0..3).filter(|&at| at != master).map(|at| &self.nodes[at]));
    }
}
