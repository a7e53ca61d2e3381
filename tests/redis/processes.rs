//! Other processes: this test program again, each time as one that does a single thing. They are
//! killed, and stopped.

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};

use crate::checker::check;
use crate::server::Server;

const SOON: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_millis(1000);
const HOUR: Duration = Duration::from_secs(3600);
const HEARTBEAT: Duration = Duration::from_millis(200);
const JOB: &str = "MUTEXTREE_TEST_JOB";

fn connect(url: &str) -> RedisStore {
    RedisStore::builder(url).lease(LEASE).heartbeat(HEARTBEAT).connect().unwrap()
}

/// A process that was told what to do.
pub(crate) struct Process {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(job: &str, server: &Server, count: u64) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "processes::the_other_process", "--nocapture"])
            .env(JOB, format!("{job},{},{count}", server.url()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says }
    }

    /// What it says after this word.
    pub(crate) fn says(&mut self, word: &str) -> String {
        let line =
            self.says.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once(word)?.1.trim().to_owned()));
        line.unwrap_or_else(|| panic!("it never said {word}"))
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what [`Process::start`] told, in a process of its own; in the test run itself nothing was
/// told.
#[test]
fn the_other_process() {
    let Ok(job) = env::var(JOB) else { return };
    let job: Vec<&str> = job.split(',').collect();
    let [job, url, count] = job[..] else { panic!() };
    let count: u64 = count.parse().unwrap();
    let store = connect(url);
    match job {
        "hold" => {
            let guard = store.lock("a").unwrap();
            println!("\nheld {}", guard.fencing_token());
            // Until it is killed, or has lost the lock.
            while guard.is_held() {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(matches!(guard.unlock(), Err(LockError::NotHeld { .. })));
            println!("\nlost");
        }
        "wait" => {
            println!("\nwaits");
            let _guard = store.lock("a/b").unwrap();
            println!("\nheld");
            std::thread::park();
        }
        // So many locks, for an hour each, or waits for them behind somebody else's.
        "hold many" | "wait many" => {
            let store = RedisStore::builder(url).lease(HOUR).heartbeat(HOUR).connect().unwrap();
            let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
            let (mut guards, mut waits) = (Vec::new(), Vec::new());
            for at in 0..count {
                let path = ["dead".to_owned(), (at % 100).to_string(), at.to_string()];
                let mut wait = crate::faults::waits(store.mutex(path).unwrap());
                assert!(wait.poll().is_none());
                waits.push(wait);
                if at % 1000 != 999 && at + 1 < count {
                    continue;
                } else if job == "hold many" {
                    guards.extend(waits.drain(..).map(|wait| wait.block_on().unwrap()));
                } else {
                    let waits_all = || redis::cmd("HLEN").arg("{mutextree}:w").query::<u64>(&mut server).unwrap() > at;
                    crate::failures::wait_until("they never wait", waits_all);
                }
            }
            println!("\nready");
            std::thread::park();
        }
        // Locks of its own, that nobody may refuse.
        "sibling" => {
            let mutex = store.mutex(["work", &std::process::id().to_string()]).unwrap();
            for _ in 0..count {
                mutex.try_lock().expect("siblings never touch").unlock().unwrap();
            }
            println!("\ndone");
        }
        // One lock for all. Whoever has it writes down a token, and each is greater than those
        // before.
        "node" => {
            let mutex = store.mutex("work/one").unwrap();
            let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
            for _ in 0..count {
                let guard = mutex.try_lock_for(SOON * 6).unwrap();
                let token = guard.fencing_token();
                let (inside, last): (u64, Option<u64>) =
                    redis::pipe().incr("inside", 1).getset("token", token).query(&mut server).unwrap();
                assert!(
                    inside == 1 && last.is_none_or(|last| last < token),
                    "{inside} inside, {last:?} before {token}"
                );
                let _: () = redis::cmd("DECR").arg("inside").query(&mut server).unwrap();
                guard.unlock().unwrap();
            }
            println!("\ndone");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_killed_holder_frees_its_lock_when_its_lease_ends() {
    let server = Server::start();
    let store = connect(&server.url());
    let mut holder = Process::start("hold", &server, 0);
    let token: u64 = holder.says("held").parse().unwrap();
    // It renews: nobody gets in for longer than a lease.
    assert!(store.mutex("a/b").unwrap().try_lock_for(2 * LEASE).is_err());
    holder.child.kill().unwrap();
    let killed = Instant::now();
    let guard = store.mutex("a/b").unwrap().try_lock_owned_for(SOON).unwrap();
    assert!(guard.fencing_token() > token);
    assert!(killed.elapsed() < LEASE + SOON / 8, "{:?}", killed.elapsed());
}

#[test]
fn a_killed_waiter_is_passed_over() {
    let server = Server::start();
    let store = connect(&server.url());
    let guard = store.lock("a").unwrap();
    let mut waiter = Process::start("wait", &server, 0);
    waiter.says("waits");
    while check(&mut server.connect(), "mutextree").waits.is_empty() {}
    waiter.child.kill().unwrap();
    guard.unlock().unwrap();
    drop(store.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap());
    let left = check(&mut server.connect(), "mutextree");
    assert!(left.held.is_empty() && left.waits.is_empty(), "{left:?}");
}

#[test]
fn a_holder_stopped_for_longer_than_its_lease_finds_it_lost() {
    let server = Server::start();
    let store = connect(&server.url());
    let mut holder = Process::start("hold", &server, 0);
    let token: u64 = holder.says("held").parse().unwrap();
    holder.signal("-STOP");
    let guard = store.mutex("a").unwrap().try_lock_owned_for(SOON).unwrap();
    assert!(guard.fencing_token() > token);
    holder.signal("-CONT");
    holder.says("lost");
    assert!(guard.is_held());
    guard.unlock().unwrap();
}

/// How many each process does: `MUTEXTREE_ACQUISITIONS` says how many for a long run.
fn count() -> u64 {
    env::var("MUTEXTREE_ACQUISITIONS").map_or(300, |count| count.parse().unwrap())
}

fn four(job: &str) {
    let server = Server::start();
    let mut processes: Vec<Process> = (0..4).map(|_| Process::start(job, &server, count())).collect();
    for process in &mut processes {
        process.says("done");
        assert!(process.child.wait().unwrap().success());
    }
    let left = check(&mut server.connect(), "mutextree");
    assert!(left.held.is_empty() && left.waits.is_empty(), "{left:?}");
}

#[test]
fn four_processes_on_siblings_never_see_a_conflict() {
    four("sibling");
}

#[test]
fn four_processes_on_one_node_never_overlap() {
    four("node");
}
