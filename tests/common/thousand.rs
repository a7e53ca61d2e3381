//! A process that has a thousand trees, over one client: what it does, and how it is told.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisClient, RedisStore};

pub(crate) const TREES: usize = 1000;
pub(crate) const NAME: &str = "thousand";
const JOB: &str = "MUTEXTREE_TEST_THOUSAND";
/// What has to come is there by then, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub(crate) fn tree(number: usize) -> String {
    format!("tree-{number}")
}

/// The process.
pub(crate) struct Thousand {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

/// What it says of itself.
#[derive(Debug)]
pub(crate) struct Report {
    /// Threads of the crate.
    pub(crate) threads: usize,
    /// Losses it was told of, so far.
    pub(crate) lost: usize,
}

impl Thousand {
    /// Starts it by running this test program again; `test` is the test that calls [`work`].
    pub(crate) fn start(url: &str, test: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(JOB, url);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, says }
    }

    /// What it says when it has got so far.
    #[track_caller]
    pub(crate) fn says(&mut self, step: &str) -> Report {
        let line = self.says.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once(step)?.1.to_owned()));
        let line = line.unwrap_or_else(|| panic!("it never said {step}"));
        println!("{step}:{line}");
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        Report { threads: numbers[0] as usize, lost: numbers[1] as usize }
    }

    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Thousand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does it, in a process that was started for that; else nothing.
pub(crate) fn work() {
    let Ok(url) = env::var(JOB) else { return };
    let mut began = Instant::now();
    let client = RedisClient::builder(&url).client_name(NAME).timeout(Duration::from_secs(15)).connect().unwrap();
    let connect = |number| {
        let builder = client.tree(tree(number)).lease(Duration::from_secs(20));
        builder.heartbeat(Duration::from_millis(500)).connect().unwrap()
    };
    say("started", began, 0);
    let stores: Vec<RedisStore> = (0..TREES).map(connect).collect();
    let losses: Vec<_> = stores.iter().map(RedisStore::lost_locks).collect();
    let lost = || losses.iter().map(|lost| std::iter::from_fn(|| lost.try_recv().ok()).count()).sum::<usize>();
    say("connected", began, 0);
    wait_for_stdin();

    // Held by threads, and waited for by tasks.
    began = Instant::now();
    let held: Vec<_> = stores.iter().map(|store| store.lock("a/b").unwrap()).collect();
    let waiters: Vec<_> =
        stores.iter().cloned().map(|store| smol::spawn(async move { store.lock_async("a").await })).collect();
    for store in &stores {
        let began = Instant::now();
        while store.snapshot().unwrap().waiters().count() == 0 {
            assert!(began.elapsed() < SOON, "nobody waits");
            thread::yield_now();
        }
    }
    say("held", began, lost());
    wait_for_stdin();

    // Handed over to tasks.
    began = Instant::now();
    held.into_iter().for_each(unlock);
    let held: Vec<_> = waiters.into_iter().map(|waiter| smol::block_on(waiter).unwrap()).collect();
    say("tasks", began, lost());
    wait_for_stdin();

    // Waited for by threads, a few at a time.
    began = Instant::now();
    let mut held: Vec<_> = held.into_iter().map(Some).collect();
    for (stores, held) in stores.chunks(50).zip(held.chunks_mut(50)) {
        thread::scope(|scope| {
            for store in stores {
                scope.spawn(|| unlock(store.mutex("a/b/c").unwrap().try_lock_owned_for(SOON).unwrap()));
            }
            held.iter_mut().for_each(|held| unlock(held.take().unwrap()));
        });
    }
    say("threads", began, lost());
    wait_for_stdin();
    drop(losses);
    drop(stores);
    let began = Instant::now();
    while own_threads() > 1 {
        assert!(began.elapsed() < SOON, "threads are left without a tree");
        thread::yield_now();
    }
    say("dropped", began, 0);
    wait_for_stdin();
}

/// Data may have been lost by a failover.
fn unlock(guard: mutextree::OwnedTreeMutexGuard<RedisStore>) {
    match guard.unlock() {
        Ok(()) | Err(LockError::NotHeld { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

fn say(step: &str, began: Instant, lost: usize) {
    println!("{step} {} {lost} after {:.1?}, {} KiB", own_threads(), began.elapsed(), memory());
}

fn wait_for_stdin() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap() == 0 {
        std::process::exit(0); // the test is over
    }
}

fn own_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("mutextree-")).count()
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
