//! A worker process: threads and tasks that take locks of one tree, hold them, and give them back,
//! until they are told to finish, or killed.

use std::io::BufRead;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mutextree::RedisStore;

use crate::clock::{MILLI, now};
use crate::event::{What, id, tell, tell_now};
use crate::user::{self, User};

/// In the second one a thread of each worker holds a lock for long.
pub(crate) const TREES: [&str; 2] = ["mutextree", "kept"];

/// How a worker is set up: its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) number: u64,
    pub(crate) url: String,
    pub(crate) seed: u64,
    /// In microseconds.
    pub(crate) lease: u64,
    /// The longest lease that is asked for.
    pub(crate) longest: u64,
    pub(crate) heartbeat: u64,
    pub(crate) timeout: u64,
    /// For how long what nobody uses is kept; 0: not at all.
    pub(crate) keep: u64,
    pub(crate) threads: u64,
    pub(crate) tasks: u64,
}

impl Setup {
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let Self { number, url: _, seed, lease, longest, heartbeat, timeout, keep, threads, tasks } = *self;
        let numbers = [number, seed, lease, longest, heartbeat, timeout, keep, threads, tasks];
        [self.url.clone()].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    }

    pub(crate) fn of_arguments(arguments: &[String]) -> Option<Self> {
        let (url, numbers) = arguments.split_first()?;
        let numbers: Vec<u64> = numbers.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        let [number, seed, lease, longest, heartbeat, timeout, keep, threads, tasks] = numbers[..] else { return None };
        Some(Self { number, url: url.clone(), seed, lease, longest, heartbeat, timeout, keep, threads, tasks })
    }

    fn connect(&self, tree: &str) -> RedisStore {
        let micros = Duration::from_micros;
        loop {
            let builder =
                RedisStore::builder(&self.url).tree(tree).lease(micros(self.lease)).heartbeat(micros(self.heartbeat));
            match builder.timeout(micros(self.timeout)).keep(micros(self.keep)).connect() {
                Ok(store) => return store,
                Err(error) => {
                    tell_now(id(self.number, 0), What::Failed { text: format!("connect: {}", user::text(&error)) });
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

/// What all users of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) setup: Setup,
    /// Nobody asks any more; who waits goes on waiting, and then releases.
    pub(crate) finishes: AtomicBool,
    pub(crate) last_id: AtomicU64,
}

impl Shared {
    pub(crate) fn finishes(&self) -> bool {
        self.finishes.load(Ordering::Relaxed)
    }
}

pub(crate) fn run(setup: Setup) -> ! {
    let me = id(setup.number, 0);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tell_now(me, What::Panicked { text: info.to_string() });
        hook(info);
        exit(101);
    }));
    let (threads, tasks) = (setup.threads, setup.tasks);
    let shared = Arc::new(Shared { setup, finishes: AtomicBool::new(false), last_id: AtomicU64::new(0) });
    let watched = shared.clone();
    thread::spawn(move || obey(&watched));
    thread::spawn(move || watch_for_stalls(me));
    let (store, kept) = (shared.setup.connect(TREES[0]), shared.setup.connect(TREES[1]));
    let what_is_left = [store.clone(), kept.clone()]; // it is given back by threads of the stores
    let users: Vec<User> = (0..threads + tasks).map(|number| User::new(number, &store, &shared, false)).collect();
    let keeper = User::new(threads + tasks, &kept, &shared, true);
    let (of_threads, of_tasks): (Vec<_>, Vec<_>) =
        users.into_iter().enumerate().partition(|(at, _)| *at < threads as usize);
    let mut running: Vec<_> = of_threads.into_iter().map(|(_, user)| thread::spawn(move || user.run())).collect();
    running.push(thread::spawn(move || keeper.run()));
    running.push(thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        let tasks: Vec<_> = of_tasks.into_iter().map(|(_, user)| runtime.spawn(user.run_as_task())).collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).expect("a panic ends the process"));
    }));
    running.into_iter().for_each(|thread| thread.join().expect("a panic ends the process"));
    let (hits, recalls) = what_is_left
        .iter()
        .map(RedisStore::kept_locks)
        .fold((0, 0), |(hits, recalls), kept| (hits + kept.hits, recalls + kept.recalls));
    tell_now(me, What::Kept { hits, recalls });
    tell_now(me, What::Idle);
    loop {
        thread::park();
        std::hint::black_box(&what_is_left);
    }
}

/// A line of the parent: finish. The end of its lines: it is gone.
fn obey(shared: &Shared) {
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        shared.finishes.store(true, Ordering::Relaxed);
    }
    exit(0);
}

/// Tells of times at which this process did not run: it was stopped, or the machine is busy.
fn watch_for_stalls(me: u64) {
    loop {
        let before = now();
        thread::sleep(Duration::from_millis(10));
        let after = now();
        if after - before > 40 * MILLI {
            tell(after, me, What::Stalled { since: before });
        }
    }
}
