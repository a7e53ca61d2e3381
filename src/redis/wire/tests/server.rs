//! A `redis-server` of the test's own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(super) struct Server {
    child: Child,
    port: u16,
    pub(super) dir: TempDir,
}

impl Server {
    /// With more options, as on the command line of `redis-server`.
    pub(super) fn with(options: &[&str]) -> Self {
        Self::in_dir(TempDir::new().unwrap(), options)
    }

    pub(super) fn in_dir(dir: TempDir, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--unixsocket", "socket", "--save", "", "--port"]).arg(port.to_string());
        command.arg("--dir").arg(dir.path()).args(options).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("this test starts a Redis server of its own, and `redis-server` cannot be run: {error}")
        });
        let began = Instant::now();
        let socket = dir.path().join("socket");
        while TcpStream::connect(("127.0.0.1", port)).is_err() || !is_there(&socket) {
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start");
            std::thread::yield_now();
        }
        Self { child, port, dir }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn is_there(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

#[cfg(not(unix))]
fn is_there(_: &Path) -> bool {
    true
}
