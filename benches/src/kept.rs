//! What it brings to keep locks over Redis: for one process alone, and for two that share a tree.
//!
//! A program that measures with this has to call [`other_process`] first: it is started again as
//! the other process.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore, TreeMutex};
use redis::Connection;

use crate::redis::{Outcome, Running, Server};

/// For how long a lock is kept that nobody uses.
pub const IDLE: Duration = Duration::from_secs(10);
/// How many nodes each process has for itself, and how many both have.
const NODES: u64 = 64;
/// The words by which a program knows that it is the other process.
const SHARE: &str = "--share-a-tree";
const FRO: &str = "--to-and-fro";

/// A store on this tree, which keeps locks or does not.
pub fn store(url: &str, tree: &str, keeps: bool) -> Outcome<RedisStore> {
    let keep = if keeps { IDLE } else { Duration::ZERO };
    Ok(RedisStore::builder(url).tree(tree).keep(keep).connect()?)
}

/// Lock + unlock on a handle.
pub fn cycle(mutex: &TreeMutex<RedisStore>) {
    mutex.lock().expect("a lock").unlock().expect("a release");
}

/// With what processes lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// `SET NX` and a script that deletes, asked again at once if somebody else has it.
    Bare,
    /// A store.
    Ours,
    /// A store that keeps.
    Kept,
}

impl With {
    const ALL: [(Self, &str); 3] = [(Self::Bare, "bare"), (Self::Ours, "ours"), (Self::Kept, "kept")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(with, _)| *with == self).map_or("", |(_, name)| name)
    }
}

/// Does what the other process has to do, if this is one: `None` if it is not.
pub fn other_process() -> Option<Outcome<()>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [SHARE, url, with, number, percent] => Some(share_as(url, with, number, percent)),
        [FRO, url, tree, keeps] => Some(come_back(url, tree, keeps == "true")),
        _ => None,
    }
}

struct Other {
    _process: Running,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Other {
    /// Once it is ready.
    fn start(words: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (tell, hear) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        let mut other = Self { _process: Running(child), tell, hear: BufReader::new(hear) };
        other.hears()?;
        Ok(other)
    }

    fn told(&mut self, line: &str) -> Outcome<()> {
        writeln!(self.tell, "{line}")?;
        Ok(self.tell.flush()?)
    }

    fn hears(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.hear.read_line(&mut line)? {
            0 => Err("the other process is gone".into()),
            _ => Ok(line.trim().into()),
        }
    }
}

fn say(line: &str) -> Outcome<()> {
    println!("{line}");
    Ok(stdout().flush()?)
}

/// Two processes that lock one node after the other, of which so many in a hundred are nodes that
/// both use. The others are their own.
pub struct Sharing([Other; 2]);

impl Sharing {
    /// Starts them.
    pub fn start(server: &Server, with: With, percent: u64) -> Outcome<Self> {
        let (url, percent) = (server.url(), percent.to_string());
        let other = |number: &str| Other::start(&[SHARE, &url, with.name(), number, &percent]);
        Ok(Self([other("1")?, other("2")?]))
    }

    /// Locks and unlocks a second, of both together: twice what the slower one does. So it does not
    /// count if one of them is held up by the machine, and the other one has all for itself.
    fn rate(&mut self, time: Duration) -> Outcome<f64> {
        let line = time.as_millis().to_string();
        self.0.iter_mut().try_for_each(|other| other.told(&line))?;
        let mut slower = f64::INFINITY;
        for other in &mut self.0 {
            slower = slower.min(other.hears()?.parse()?);
        }
        Ok(2.0 * slower)
    }

    /// The best rate of each of several pairs, in turns. What else the machine does can only make
    /// it less, and three processes on two cores feel that.
    pub fn best<const N: usize>(pairs: &mut [Self; N], rounds: usize, turn: Duration) -> Outcome<[f64; N]> {
        let mut best = [0.0; N];
        for _ in 0..rounds {
            for (best, pair) in best.iter_mut().zip(pairs.iter_mut()) {
                *best = f64::max(*best, pair.rate(turn)?);
            }
        }
        Ok(best)
    }
}

enum Locks {
    Bare(Connection, redis::Script),
    /// Once the store is gone its handles keep nothing.
    Store {
        mutexes: Vec<TreeMutex<RedisStore>>,
        _store: RedisStore,
    },
}

impl Locks {
    fn cycle(&mut self, paths: &[String], at: u64) -> Outcome<()> {
        match self {
            Self::Store { mutexes, .. } => Ok(mutexes[at as usize].lock()?.unlock()?),
            Self::Bare(connection, delete) => {
                let set = |connection: &mut Connection| {
                    let mut set = redis::cmd("SET");
                    set.arg(&paths[at as usize]).arg("token").arg("NX").arg("PX").arg(30_000).query::<bool>(connection)
                };
                while !set(connection)? {}
                Ok(delete.key(&paths[at as usize]).arg("token").invoke(connection)?)
            }
        }
    }
}

fn share_as(url: &str, with: &str, number: &str, percent: &str) -> Outcome<()> {
    let with = With::ALL.iter().find(|(_, name)| *name == with).ok_or("with what?")?.0;
    let (seed, percent): (u64, u64) = (number.parse()?, percent.parse()?);
    let own = (0..NODES).map(|i| format!("org/process {number}/{i}"));
    let paths: Vec<String> = own.chain((0..NODES).map(|i| format!("org/common/{i}"))).collect();
    let mut locks = match with {
        With::Bare => {
            let delete =
                "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";
            Locks::Bare(redis::Client::open(url)?.get_connection()?, redis::Script::new(delete))
        }
        _ => {
            let store = store(url, &format!("{with:?}"), with == With::Kept)?;
            let mutexes = paths.iter().map(|path| store.mutex(path)).collect::<Result<_, _>>()?;
            Locks::Store { mutexes, _store: store }
        }
    };
    say("ready")?;
    let mut random = seed;
    for line in stdin().lock().lines() {
        let (time, began) = (Duration::from_millis(line?.parse()?), Instant::now());
        let mut done = 0;
        while began.elapsed() < time {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = random >> 33;
            let is_common = drawn % 100 < percent;
            locks.cycle(&paths, drawn / 100 % NODES + if is_common { NODES } else { 0 })?;
            done += 1;
        }
        say(&(f64::from(done) / began.elapsed().as_secs_f64()).to_string())?;
    }
    Ok(())
}

/// Two processes that lock one node by turns.
pub struct ToAndFro {
    mutex: TreeMutex<RedisStore>,
    _store: RedisStore,
    other: Other,
}

impl ToAndFro {
    /// Starts the other one. A tree is for one of these.
    pub fn start(server: &Server, tree: &str, keeps: bool) -> Outcome<Self> {
        let store = store(&server.url(), tree, keeps)?;
        let other = Other::start(&[FRO, &server.url(), tree, &keeps.to_string()])?;
        Ok(Self { mutex: store.mutex("org/team")?, _store: store, other })
    }

    /// Microseconds from one lock to the next, with the message to the other process.
    pub fn pass(&mut self, count: u32) -> Outcome<f64> {
        let began = Instant::now();
        for _ in 0..count {
            cycle(&self.mutex);
            self.other.told("yours")?;
            self.other.hears()?;
        }
        Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(2 * count))
    }
}

fn come_back(url: &str, tree: &str, keeps: bool) -> Outcome<()> {
    let store = store(url, tree, keeps)?;
    let mutex = store.mutex("org/team")?;
    say("ready")?;
    for line in stdin().lock().lines() {
        line?;
        cycle(&mutex);
        say("yours")?;
    }
    Ok(())
}
