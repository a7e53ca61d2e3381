//! A Redis server to measure on, and other locks on it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, IntoConnectionInfo, Script};

/// What can fail when a server takes part.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What everybody does who has no tree: one key, and a script that deletes it if it is still ours.
pub struct Bare {
    connection: Connection,
    delete: Script,
    key: String,
}

impl Bare {
    /// On a connection of its own.
    pub fn new(server: &Server, key: &str) -> Outcome<Self> {
        let delete =
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";
        Ok(Self { connection: server.connect()?, delete: Script::new(delete), key: key.into() })
    }

    /// Two round trips.
    pub fn lock_and_unlock(&mut self) -> Outcome<()> {
        let taken: bool = redis::cmd("SET")
            .arg(&self.key)
            .arg("token")
            .arg("NX")
            .arg("PX")
            .arg(30_000)
            .query(&mut self.connection)?;
        let deleted: bool = self.delete.key(&self.key).arg("token").invoke(&mut self.connection)?;
        if taken && deleted { Ok(()) } else { Err("the bare lock was taken".into()) }
    }
}

/// The crate rslock: a flat lock, with an async client.
pub struct Rslock {
    runtime: tokio::runtime::Runtime,
    manager: rslock::LockManager,
}

impl Rslock {
    /// On one server.
    pub fn new(server: &Server) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, manager: rslock::LockManager::new(vec![server.url()]) })
    }

    /// Locks and unlocks once.
    pub fn lock_and_unlock(&mut self) -> Outcome<()> {
        self.runtime.block_on(async {
            let lock = self.manager.lock("peer", Duration::from_secs(30)).await;
            self.manager.unlock(&lock.map_err(|error| format!("{error:?}"))?).await;
            Ok(())
        })
    }
}

/// A process that ends with this.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server of one's own, without persistence, on the loopback interface.
pub struct Server {
    port: u16,
    _child: Running,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts one on a free port.
    pub fn start() -> Outcome<Self> {
        Self::start_with(&[])
    }

    /// Starts one with more options, as on the command line.
    pub fn start_with(options: &[&str]) -> Outcome<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let directory = tempfile::tempdir()?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(directory.path())
            .args(options);
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("`redis-server` cannot be run (Debian's package redis-server has it): {error}"))?;
        let server = Self { port, _child: Running(child), _directory: directory };
        let began = Instant::now();
        while server.connect().is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("the Redis server does not start".into());
            }
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For a store.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// A plain connection.
    pub fn connect(&self) -> Outcome<Connection> {
        let info = self.url().into_connection_info()?;
        let settings = redis::io::tcp::TcpSettings::default().set_nodelay(true);
        Ok(redis::Client::open(info.set_tcp_settings(settings))?.get_connection()?)
    }
}
