//! The processes of an example: copies of itself, and a Redis server. None outlives the example.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Who says what. A process that has ended says nothing more: `None`.
type Said = (String, Option<String>);

/// For whatever a copy is waited for: far longer than it takes.
const LONG: Duration = Duration::from_secs(60);

/// The copies, and what they say.
pub(crate) struct Cast {
    began: Instant,
    speaks: Sender<Said>,
    heard: Receiver<Said>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let (speaks, heard) = channel();
        Self { began: Instant::now(), speaks, heard }
    }

    /// This program once more, in a process of its own.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Outcome<Copy> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (said, speaks, name) = (child.stdout.take(), self.speaks.clone(), name.to_owned());
        thread::spawn(move || {
            for line in said.into_iter().flat_map(|said| BufReader::new(said).lines()).map_while(Result::ok) {
                let _ = speaks.send((name.clone(), Some(line)));
            }
            let _ = speaks.send((name, None));
        });
        Ok(Copy(child))
    }

    pub(crate) fn say(&self, who: &str, what: &str) {
        println!("{:5.2} s  {who:<6} {what}", self.began.elapsed().as_secs_f64());
    }

    /// Prints what the copies say, until each of those has said that. Returns all of it.
    pub(crate) fn until(&self, who: &[&str], what: &str) -> Outcome<Vec<(String, String)>> {
        let (mut open, mut all) = (who.to_vec(), Vec::new());
        while !open.is_empty() {
            match self.heard.recv_timeout(LONG) {
                Ok((speaker, Some(line))) => {
                    self.say(&speaker, &line);
                    if line.starts_with(what) {
                        open.retain(|&name| name != speaker);
                    }
                    all.push((speaker, line));
                }
                Ok((speaker, None)) if !open.contains(&speaker.as_str()) => {}
                _ => return Err(format!("{} did not say: {what}", open.join(" and ")).into()),
            }
        }
        Ok(all)
    }
}

/// A copy.
pub(crate) struct Copy(pub(crate) Child);

impl Copy {
    pub(crate) fn succeeds(&mut self) -> Outcome<()> {
        if self.0.wait()?.success() { Ok(()) } else { Err("a copy failed".into()) }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis server of the example's own, on a socket, without a port.
pub(crate) struct Server {
    child: Child,
    socket: PathBuf,
}

impl Server {
    /// Its files are in that directory.
    pub(crate) fn start(directory: &Path) -> Outcome<Self> {
        let socket = directory.join("socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).arg("--dir").arg(directory);
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("`redis-server` cannot be run ({error}); or give --redis URL"))?;
        let server = Self { child, socket };
        for _ in 0..500 {
            if server.socket.exists() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("the Redis server does not start".into())
    }

    /// For a store.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
