//! One `redis-server` of the test's own, of whatever kind, in a directory that goes with it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, Value};
use tempfile::TempDir;

use crate::wait_until;

pub(crate) struct Node {
    child: Child,
    port: u16,
    /// The first may be the name of a file in the directory.
    words: Vec<String>,
    /// How a test logs in to look around.
    login: String,
    pub(crate) dir: TempDir,
}

impl Node {
    /// A server with more options, as on the command line. The port is in the clear, also for a
    /// server that has another one with TLS.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), free_port(), options, "")
    }

    pub(crate) fn start_in(dir: TempDir, port: u16, options: &[&str], login: &str) -> Self {
        let words: Vec<String> = options.iter().map(|&option| option.into()).collect();
        let child = spawn(&dir, port, &words);
        let node = Self { child, port, words, login: login.into(), dir };
        node.wait();
        node
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait(&self) {
        wait_until("redis-server does not start", || self.try_ask("PING").is_ok());
    }

    pub(crate) fn try_ask(&self, command: &str) -> redis::RedisResult<Value> {
        let info = format!("redis://{}127.0.0.1:{}/", self.login, self.port).into_connection_info()?;
        debug_assert!(matches!(info.addr(), ConnectionAddr::Tcp(..)));
        let mut connection = redis::Client::open(info)?.get_connection_with_timeout(Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = cmd.arg(word));
        cmd.query(&mut connection)
    }

    /// The answer to a command whose words are without blanks.
    #[track_caller]
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let answer = self.try_ask(command).unwrap_or_else(|error| panic!("{} {command}: {error}", self.port));
        redis::from_redis_value(answer).unwrap()
    }

    /// A field of `INFO`, or of what else is lines of names and values.
    pub(crate) fn field(&self, command: &str, name: &str) -> Option<String> {
        let text: String = redis::from_redis_value(self.try_ask(command).ok()?).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    pub(crate) fn is_master(&self) -> bool {
        self.field("INFO replication", "role").as_deref() == Some("master")
    }

    /// Waits until all these replicas have what is written here.
    ///
    /// One whose link is up has what was written before it was copied. Of what comes later it is
    /// sent nothing for up to a second: so a failover in that second would lose more than is meant.
    #[track_caller]
    pub(crate) fn wait_for<'a>(&self, replicas: impl IntoIterator<Item = &'a Self> + Clone) {
        let count = replicas.clone().into_iter().count();
        wait_until("the replicas never follow", || {
            replicas.clone().into_iter().all(Self::follows) && self.is_followed_by(count)
        });
    }

    fn follows(&self) -> bool {
        self.field("INFO replication", "master_link_status").as_deref() == Some("up")
    }

    /// Whether so many replicas say that they have what was written last: a command without a key,
    /// which any master of a cluster takes.
    fn is_followed_by(&self, replicas: usize) -> bool {
        let (mut connection, mut both) = (self.connect(), redis::pipe());
        both.cmd("FUNCTION").arg("FLUSH").ignore();
        both.cmd("WAIT").arg(replicas).arg(100);
        both.query(&mut connection).is_ok_and(|(have_it,): (usize,)| have_it >= replicas)
    }

    pub(crate) fn connect(&self) -> redis::Connection {
        redis::Client::open(format!("redis://{}127.0.0.1:{}/", self.login, self.port))
            .unwrap()
            .get_connection()
            .unwrap()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with more options.
    pub(crate) fn restart(&mut self, more: &[&str]) {
        let words: Vec<String> = self.words.iter().cloned().chain(more.iter().map(|&word| word.into())).collect();
        self.child = spawn(&self.dir, self.port, &words);
        self.wait();
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &TempDir, port: u16, words: &[String]) -> Child {
    let (file, options) = match words.split_first() {
        Some((file, rest)) if !file.starts_with("--") => (Some(dir.path().join(file)), rest),
        _ => (None, words),
    };
    let mut command = Command::new("redis-server");
    command.args(file).args(["--bind", "127.0.0.1", "--port", &port.to_string()]).arg("--dir").arg(dir.path());
    command.args(["--logfile", "log"]).args(options).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| {
        panic!("these tests start servers of their own, and `redis-server` (7.0 or later) cannot be run: {error}")
    })
}

/// Below those that the system gives to connections by itself, and so that the bus of a cluster's
/// node, 10,000 above, is free, too.
pub(crate) fn free_port() -> u16 {
    let random = || RandomState::new().build_hasher().finish();
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut drawn = (0..1000).map(|_| 10_000 + (random() % 12_000) as u16);
    drawn.find(|&port| is_free(port) && is_free(port + 10_000)).expect("a port is free")
}
