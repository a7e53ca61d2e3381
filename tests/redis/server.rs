//! A `redis-server` of the test's own: on a free port and a socket, in a directory that goes with
//! it.
#![allow(dead_code)] // each test program uses a part

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutextree::{RedisStore, RedisStoreBuilder};
use tempfile::TempDir;

pub(crate) struct Server {
    child: Child,
    port: u16,
    options: Vec<String>,
    dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With more options, as on the command line of `redis-server`.
    pub(crate) fn with(options: &[&str]) -> Self {
        let port = free_port();
        let dir = TempDir::new().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
        let child = spawn(port, &dir, &options);
        let server = Self { child, port, options, dir };
        server.wait_until_there();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection for the test to look around with.
    pub(crate) fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection_with_timeout(Duration::from_secs(10)).unwrap()
    }

    /// A field of a section of its `INFO`.
    pub(crate) fn info(&self, section: &str, field: &str) -> String {
        let info: String = redis::cmd("INFO").arg(section).query(&mut self.connect()).unwrap();
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("INFO {section} has no {field}: {info}")).trim().into()
    }

    /// Clients that wait for the end of a pause, or for a message.
    pub(crate) fn blocked(&self) -> usize {
        self.info("clients", "blocked_clients").parse().unwrap()
    }

    /// How many scripts have been called.
    pub(crate) fn calls(&self) -> u64 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connect()).unwrap();
        let count = |line: &str| line.strip_prefix("cmdstat_eval")?.split(['=', ',']).nth(1)?.parse::<u64>().ok();
        stats.lines().filter_map(count).sum()
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with whatever data it had written.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir, &self.options);
        self.wait_until_there();
    }

    fn wait_until_there(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, dir: &TempDir, options: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.arg("--port").arg(port.to_string()).arg("--dir").arg(dir.path()).args([
        "--unixsocket",
        "socket",
        "--save",
        "",
        "--bind",
        "127.0.0.1",
    ]);
    command.args(options).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "these tests start a Redis server of their own, and `redis-server` (7.0 or later) cannot be run: {error}"
        )
    })
}

/// Below those that the system gives to connections by itself: a client that connects to a server
/// that is away is now and then given that server's own port, and is then connected to itself.
pub(crate) fn free_port() -> u16 {
    let random = || RandomState::new().build_hasher().finish();
    let mut drawn = (0..1000).map(|_| 10_000 + (random() % 22_000) as u16);
    drawn.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).expect("a port is free")
}

/// A new tree on a server that all tests of this program share.
pub(crate) fn new_tree() -> RedisStore {
    new_tree_with(|builder| builder)
}

pub(crate) fn new_tree_with(options: impl FnOnce(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore {
    static TREES: AtomicU64 = AtomicU64::new(0);
    let tree = format!("tree {}", TREES.fetch_add(1, Ordering::Relaxed));
    options(RedisStore::builder(&shared().url())).tree(tree).connect().unwrap()
}

/// The name of the tree that a store was made for.
pub(crate) fn tree_of(store: &RedisStore) -> String {
    let text = format!("{store:?}");
    let name = text.split(['{', '}']).nth(2).expect("it shows its keys, which begin with the name in braces");
    name.to_owned()
}

/// Nobody drops a static: a shell kills this one when its input ends, which it does when we do,
/// however that is.
pub(crate) fn shared() -> &'static Server {
    static SERVER: OnceLock<(Server, Child)> = OnceLock::new();
    let (server, _) = SERVER.get_or_init(|| {
        let server = Server::start();
        let script = format!("cat >/dev/null; kill -9 {}; rm -r '{}'", server.pid(), server.dir.path().display());
        let watch = Command::new("sh").arg("-c").arg(script).stdin(Stdio::piped()).spawn().unwrap();
        (server, watch)
    });
    server
}
