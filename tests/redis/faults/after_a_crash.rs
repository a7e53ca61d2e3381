//! A process with thirty thousand locks, or waiters, was killed, and their time is up. Somebody has
//! to take all of that away, and a caller with a deadline is not the one to do it all.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore};

use super::{SOON, connect, key, millis};
use crate::processes::Process;
use crate::server::Server;

const MANY: u64 = 30_000;
const KEYS: [&str; 6] = ["n", "e", "l", "w", "wl", "wn"];
const ROUNDS: usize = 3;
/// What a try may take on a busy machine: a call or two. To take that many locks away is five
/// hundred calls, and a third of a second on a quiet one.
const A_TRY: Duration = Duration::from_millis(60);
/// What fifty tries may have the server compute: a fifth of it on most machines.
const FIFTY: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(20);

static COPIES: AtomicU32 = AtomicU32::new(0);

type Step = fn(&RedisStore) -> Result<(), LockError>;

/// The tree that a killed process left, and a copy of it for each round.
struct Crash {
    server: Server,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    time: Duration,
    /// By the server.
    computed: Duration,
}

impl Crash {
    /// `waits` behind a lock of somebody else's on the root, which is still held.
    fn new(waits: bool) -> Self {
        let server = Server::start();
        let holder = waits.then(|| {
            let store = connect(&server.url(), |builder| builder.lease(Duration::from_secs(3600)));
            store.mutex("dead").unwrap().owner("alive").lock_owned().unwrap().into_lease().unwrap()
        });
        let mut process = Process::start(if waits { "wait many" } else { "hold many" }, &server, MANY);
        process.says("ready");
        process.kill();
        drop(holder);
        // All of the dead process' have ended a second ago.
        let script = "local ends = redis.call('ZRANGE', KEYS[1], 0, -1)
            for _, token in ipairs(ends) do
                local text = redis.call('HGET', KEYS[2], token)
                if not (text and string.find(text, 'alive', 1, true)) then
                    redis.call('ZADD', KEYS[1], ARGV[1] - 1000000, token)
                end
            end";
        let mut connection = server.connect();
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(&mut connection).unwrap();
        let mut script = redis::cmd("EVAL").arg(script).arg(2).arg(key("e")).arg(key("n")).to_owned();
        let _: () = script.arg(seconds * 1_000_000 + micros).query(&mut connection).unwrap();
        Self { server }
    }

    /// What a step takes in a fresh copy: the median of some.
    fn median(&self, what: &str, step: Step) -> Taken {
        let mut connection = self.server.connect();
        let mut all: Vec<Taken> = (0..ROUNDS)
            .map(|_| {
                // With a name of its own: a store that is gone may still be giving back.
                let tree = format!("copy {}", COPIES.fetch_add(1, Ordering::Relaxed));
                let copies = KEYS.map(|name| format!("{{{tree}}}:{name}"));
                let store = connect(&self.server.url(), |builder| builder.tree(&tree));
                for (name, copy) in KEYS.iter().zip(&copies) {
                    let _: u64 = redis::cmd("COPY").arg(key(name)).arg(copy).query(&mut connection).unwrap();
                }
                let (began, computed) = (Instant::now(), self.computed());
                let result = step(&store);
                let taken = Taken { time: began.elapsed(), computed: self.computed() - computed };
                result.unwrap_or_else(|error| panic!("{what}: {error:?}"));
                drop(store);
                let _: u64 = redis::cmd("UNLINK").arg(&copies).query(&mut connection).unwrap();
                taken
            })
            .collect();
        all.sort();
        all.swap_remove(ROUNDS / 2)
    }

    /// What the server has computed so far, whatever else the machine has to do.
    fn computed(&self) -> Duration {
        let seconds = |field| self.server.info("cpu", field).parse::<f64>().unwrap();
        Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
    }

    fn comes_back_in_time(&self, steps: &[(&str, Duration, Step)]) {
        let times: Vec<_> =
            steps.iter().map(|&(what, most, step)| (what, most, self.median(what, step).time)).collect();
        let late: Vec<_> = times.iter().filter(|(_, most, took)| took > most).collect();
        assert!(late.is_empty(), "{late:?} of {times:?}");
        // Some tries take away a little of what is left.
        let fifty = self.median("fifty tries elsewhere", fifty_elsewhere);
        assert!(fifty.computed <= FIFTY, "fifty tries elsewhere: {fifty:?}");
    }
}

/// Nobody holds it any more, or it takes as long as it may.
fn or_late(result: Result<impl Sized, LockError>) -> Result<(), LockError> {
    match result {
        Err(LockError::TimedOut { .. } | LockError::WouldBlock { .. }) => Ok(()),
        result => result.map(drop),
    }
}

fn fifty_elsewhere(store: &RedisStore) -> Result<(), LockError> {
    let mutex = store.mutex("b")?;
    for at in 0..50 {
        if at % 2 == 0 { mutex.try_lock()?.unlock()? } else { mutex.try_lock_for(TIMEOUT)?.unlock()? }
    }
    Ok(())
}

#[test]
fn a_try_comes_back_in_time_after_the_death_of_very_many_locks() {
    let crash = Crash::new(false);
    crash.comes_back_in_time(&[
        ("try_lock on one of the paths", A_TRY, |store| or_late(store.mutex("dead/7/7")?.try_lock())),
        ("try_lock_for on one of the paths", TIMEOUT + A_TRY, |store| {
            or_late(store.mutex("dead/7/7")?.try_lock_for(TIMEOUT))
        }),
        ("try_lock_for around all of it", TIMEOUT + A_TRY, |store| or_late(store.mutex("/")?.try_lock_for(TIMEOUT))),
        ("a lock that is wanted", SOON / 2, |store| store.mutex("dead")?.try_lock_for(SOON / 2).map(drop)),
    ]);
}

#[test]
fn a_try_comes_back_in_time_after_the_death_of_very_many_waiters() {
    let crash = Crash::new(true);
    crash.comes_back_in_time(&[
        ("try_lock_for behind them", TIMEOUT + A_TRY, |store| or_late(store.mutex("dead/7/7")?.try_lock_for(TIMEOUT))),
        ("a lock that is wanted", SOON / 2, |store| {
            let alive = store.locks()?.into_iter().find(|lock| lock.owner.is_some()).expect("it is held");
            store.resume(&alive.path, &alive.token.expect("it is a lease"))?.release()?;
            store.mutex("dead/7/7")?.try_lock_for(SOON / 2).map(drop)
        }),
    ]);
}

/// Nearer to what happens every day, and nothing of it is in the way of a try above it.
#[test]
fn a_try_above_a_few_hundred_dead_locks_succeeds_at_once() {
    let server = Server::start();
    let mut process = Process::start("hold many", &server, 300);
    process.says("ready");
    process.kill();
    let mut connection = server.connect();
    let ends: Vec<String> = redis::cmd("ZRANGE").arg(key("e")).arg(0).arg(-1).query(&mut connection).unwrap();
    for token in ends {
        let _: u64 = redis::cmd("ZADD").arg(key("e")).arg(1).arg(token).query(&mut connection).unwrap();
    }
    let store = RedisStore::connect(&server.url()).unwrap();
    store.mutex("dead").unwrap().try_lock().unwrap().unlock().unwrap();
    drop(store.mutex("dead").unwrap().try_lock_for(millis(20)).unwrap());
}
