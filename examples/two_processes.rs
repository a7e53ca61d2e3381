//! Processes that share a tree of locks over Redis. One of them is killed while it holds a lock.
//!
//! `cargo run --release --features redis --example two_processes [-- --redis URL]`
//!
//! Without a URL it starts a Redis server of its own and ends it afterwards. It then starts itself
//! four times:
//!
//! * `ann` and `ben` work on sibling nodes, and never wait for each other.
//! * `eve` locks the team above ann's and ben's projects when they are done, and is killed (as by
//!   `kill -9`) while she holds it.
//! * `dan` waits for a file below that team. He gets his lock when eve's lease ends, as nothing
//!   renews it any more.
//!
//! The number behind each lock is its fencing token. It rises with every lock in the tree.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use std::{env, thread};

use lexopt::ValueExt;
use mutextree::{LockStore, OwnedTreeMutexGuard, RedisStore, Snapshot};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TREE: &str = "two_processes";
const LEASE: Duration = Duration::from_secs(3);

fn main() -> Outcome<()> {
    let (mut url, mut role) = (None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("redis") => url = Some(arguments.value()?.string()?),
            // For the copies of this program.
            lexopt::Arg::Long("role") => role = Some(arguments.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if let (Some(role), Some(url)) = (role, &url) {
        return work(&role, url);
    }
    let directory = tempfile::tempdir()?;
    let server = if url.is_none() { Some(Server::start(directory.path())?) } else { None };
    let own = format!("unix://{}", directory.path().join("socket").display());
    let story = tell(url.as_deref().unwrap_or(&own));
    drop(server);
    story
}

/// What one copy does. It says what it sees on its standard output.
fn work(role: &str, url: &str) -> Outcome<()> {
    let store = RedisStore::builder(url).tree(TREE).lease(LEASE).client_name(role).connect()?;
    let lock = |path: &str| -> Outcome<OwnedTreeMutexGuard<RedisStore>> {
        let asked = Instant::now();
        let guard = store.mutex(path)?.owner(role).lock_owned()?;
        println!("locked {path} after {:.1?}, token {}", asked.elapsed(), guard.fencing_token());
        Ok(guard)
    };
    match role {
        "eve" => {
            let guard = lock("org/team")?;
            println!("holds {} and will be killed", guard.path());
            thread::park(); // for ever
        }
        "dan" => {
            if let Err(error) = store.mutex("org/team/plan/draft")?.try_lock() {
                println!("waits: {error}");
            }
            lock("org/team/plan/draft")?.unlock()?;
        }
        _ => {
            for _ in 0..3 {
                let guard = lock(&format!("org/team/{role}"))?;
                thread::sleep(Duration::from_millis(100)); // the work
                guard.unlock()?;
            }
        }
    }
    println!("done");
    Ok(())
}

/// Starts the copies, one after the other as the story goes, and prints what they say.
fn tell(url: &str) -> Outcome<()> {
    let began = Instant::now();
    let say = |who: &str, what: &str| println!("{:5.2} s  {who:<6} {what}", began.elapsed().as_secs_f64());
    let (speaks, heard) = channel();
    let until = |who: &[&str], what: &str| -> Outcome<()> {
        let mut open = who.len();
        while open > 0 {
            let (speaker, line): (String, String) = heard.recv_timeout(Duration::from_secs(30))?;
            say(&speaker, &line);
            open -= usize::from(who.contains(&speaker.as_str()) && line.starts_with(what));
        }
        Ok(())
    };

    let mut siblings = [Copy::start("ann", url, &speaks)?, Copy::start("ben", url, &speaks)?];
    until(&["ann", "ben"], "done")?;
    siblings.iter_mut().try_for_each(Copy::succeeds)?;

    let mut eve = Copy::start("eve", url, &speaks)?;
    until(&["eve"], "holds")?;
    let mut dan = Copy::start("dan", url, &speaks)?;
    until(&["dan"], "waits")?;
    println!("\n{}", once_somebody_waits(&RedisStore::builder(url).tree(TREE).connect()?)?);
    eve.0.kill()?;
    let killed = Instant::now();
    say("eve", &format!("is killed; her lease of {LEASE:?} goes on without her"));
    until(&["dan"], "done")?;
    dan.succeeds()?;
    say("", &format!("the lock was handed on {:.1?} after its holder died", killed.elapsed()));
    Ok(())
}

/// Who holds and who waits, as anyone may look.
fn once_somebody_waits(store: &RedisStore) -> Outcome<Snapshot> {
    loop {
        let snapshot = store.snapshot()?;
        if snapshot.waiters().len() > 0 {
            return Ok(snapshot);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// This program once more, in a process of its own. It does not outlive us.
struct Copy(Child);

impl Copy {
    fn start(role: &str, url: &str, speaks: &Sender<(String, String)>) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(["--role", role, "--redis", url]).stdout(Stdio::piped()).spawn()?;
        let (said, speaks, role) = (child.stdout.take(), speaks.clone(), role.to_owned());
        thread::spawn(move || {
            for line in said.into_iter().flat_map(|said| BufReader::new(said).lines()).map_while(Result::ok) {
                let _ = speaks.send((role.clone(), line));
            }
        });
        Ok(Self(child))
    }

    fn succeeds(&mut self) -> Outcome<()> {
        if self.0.wait()?.success() { Ok(()) } else { Err("a copy failed".into()) }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis server of our own, on a socket, without a port.
struct Server(Child);

impl Server {
    fn start(directory: &Path) -> Outcome<Self> {
        let socket = directory.join("socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).arg("--dir").arg(directory);
        let child = command.stdout(Stdio::null()).spawn();
        let server =
            Self(child.map_err(|error| format!("`redis-server` cannot be run ({error}); or give --redis URL"))?);
        for _ in 0..500 {
            if socket.exists() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("the Redis server does not start".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
