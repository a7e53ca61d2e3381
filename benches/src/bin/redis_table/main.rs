//! The figures of the distributed store, each beside the bare Redis commands in the same run. It
//! starts a Redis server of its own.
//!
//! `cargo run --release -p mutextree-benches --features redis --bin redis_table`; `-- kept` for the
//! rows of locks that a process keeps alone.

mod kept;

use std::env;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mutextree::{LockStore, RedisStore};
use mutextree_benches::redis::{Bare, Outcome, Rslock, Running, Server};

const PATH: &str = "org/team/project/file";
const ROUNDS: usize = 9;
const OTHERS: usize = 100_000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, role, url] = &arguments[..]
        && role == "--wait"
    {
        return be_woken(url);
    }
    if let Some(done) = mutextree_benches::kept::other_process() {
        return done;
    }
    let server = Server::start()?;
    println!("{:<66} {:>10} {:>12}", "what", "measured", "promised");
    if arguments.get(1).is_some_and(|word| word == "kept") {
        return kept::rows(&server);
    }
    let store = RedisStore::connect(&server.url())?;
    alone(&server, &store)?;
    threads(&server)?;
    wake_up(&server, &store)?;
    heartbeats(&server, &store)?;
    kept::rows(&server)
}

fn row(what: &str, measured: &str, promised: &str) {
    println!("{what:<66} {measured:>10} {promised:>12}");
}

/// The time of one `work` in microseconds, over about a tenth of a second.
fn time(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < Duration::from_millis(100) {
        for _ in 0..20 {
            work()?;
        }
        done += 20;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(done))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn alone(server: &Server, store: &RedisStore) -> Outcome<()> {
    let mutex = store.mutex(PATH)?;
    let tree = || -> Outcome<()> { Ok(black_box(mutex.lock()?).unlock()?) };
    let mut bare = Bare::new(server, "bare")?;
    let compare = |bare: &mut Bare| -> Outcome<(f64, f64)> {
        let (mut bares, mut trees, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (one, two) = (time(|| bare.lock_and_unlock())?, time(tree)?);
            bares.push(one);
            trees.push(two);
            ratios.push(two / one);
        }
        println!("  bare {:.1} us, tree {:.1} us", median(bares), median(trees.clone()));
        Ok((median(trees), median(ratios)))
    };
    let (few, ratio) = compare(&mut bare)?;
    row("lock + unlock at depth 4, against SET NX PX + compare-and-delete", &format!("{ratio:.2}x"), "1.25x");

    let mut peer = Rslock::new(server)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(time(|| peer.lock_and_unlock())?);
    }
    let rslock = median(times);
    row("the same, against rslock, which knows no tree", &format!("{:.2}x", few / rslock), "");

    let crowd = RedisStore::builder(&server.url()).lease(Duration::from_secs(600)).connect()?;
    let paths = (0..OTHERS).map(|i| format!("org/team{}/project{}/file{i}", i % 100, i % 1000));
    let others = paths.map(|path| crowd.lock(path)).collect::<Result<Vec<_>, _>>()?;
    let (many, _) = compare(&mut bare)?;
    row("the same with 100,000 other locks held, against none", &format!("{:.2}x", many / few), "1.2x");
    drop(others);
    Ok(())
}

fn threads(server: &Server) -> Outcome<()> {
    let store = RedisStore::connect(&server.url())?;
    let rate = |count: usize| -> f64 {
        let began = Instant::now();
        let done: u64 = thread::scope(|scope| {
            let workers: Vec<_> = (0..count)
                .map(|i| {
                    let store = &store;
                    scope.spawn(move || {
                        let mutex = store.mutex(["org", "team", "project", &i.to_string()]).expect("a path");
                        let mut done = 0;
                        while began.elapsed() < Duration::from_millis(300) {
                            mutex.lock().expect("a lock").unlock().expect("a release");
                            done += 1;
                        }
                        done
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
        });
        done as f64 / began.elapsed().as_secs_f64()
    };
    let (mut ones, mut many, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (one, sixteen) = (rate(1), rate(16));
        ones.push(one);
        many.push(sixteen);
        ratios.push(sixteen / one);
    }
    println!("  one thread {:.0} a second, sixteen {:.0}", median(ones), median(many));
    row("16 threads on disjoint paths, against one thread", &format!("{:.2}x", median(ratios)), "3x");
    Ok(())
}

fn nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

/// The other process: says when it has the lock.
fn be_woken(url: &str) -> Outcome<()> {
    let store = RedisStore::connect(url)?;
    let mutex = store.mutex(PATH)?;
    loop {
        let guard = mutex.lock()?;
        println!("{}", nanos());
        guard.unlock()?;
        // Until the other one has it again.
        while !mutex.is_locked() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn wake_up(server: &Server, store: &RedisStore) -> Outcome<()> {
    let mut connection = server.connect()?;
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        trips.push(time(|| Ok(redis::cmd("PING").exec(&mut connection)?))?);
    }
    let mutex = store.mutex(PATH)?;
    let mut guard = mutex.lock()?;
    let child = Command::new(env::current_exe()?).args(["--wait", &server.url()]).stdout(Stdio::piped()).spawn()?;
    let mut child = Running(child);
    let mut lines = BufReader::new(child.0.stdout.take().ok_or("no output")?).lines();
    // A bare round trip after the same pause: when a core has gone to sleep, waking it takes longer
    // than the rest.
    let (mut waits, mut rested) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        while redis::cmd("HLEN").arg("{mutextree}:w").query::<usize>(&mut connection)? == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(1));
        let released = nanos();
        guard.unlock()?;
        let woken: u128 = lines.next().ok_or("the other process is gone")??.parse()?;
        waits.push(woken.saturating_sub(released) as f64 / 1e3);
        guard = mutex.lock()?;
        thread::sleep(Duration::from_millis(1));
        let began = Instant::now();
        redis::cmd("PING").exec(&mut connection)?;
        rested.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let (wait, trip, rested) = (median(waits), median(trips), median(rested));
    println!("  wake-up {wait:.1} us, round trip {rested:.1} us after the same pause and {trip:.1} us without one");
    let what = "release to wake-up of a waiter in another process, in round trips";
    row(what, &format!("{:.2}", wait / trip), "3");
    row("the same, in round trips after the same pause", &format!("{:.2}", wait / rested), "3");
    Ok(())
}

fn heartbeats(server: &Server, store: &RedisStore) -> Outcome<()> {
    let mut connection = server.connect()?;
    let other = RedisStore::connect(&server.url())?;
    let guard = store.lock(PATH)?;
    let mutex = other.mutex(PATH)?;
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| mutex.lock().expect("a lock").unlock());
        }
        while redis::cmd("HLEN").arg("{mutextree}:w").query::<usize>(&mut connection)? < 100 {}
        let mut commands = || -> Outcome<u64> {
            let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut connection)?;
            let count = |line: &str| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok();
            Ok(stats.lines().find_map(count).unwrap_or(0))
        };
        let before = commands()?;
        thread::sleep(Duration::from_secs(10));
        let sent = commands()? - before;
        guard.unlock()?;
        row("commands a second from 100 waiters on one node", &format!("{:.1}", sent as f64 / 10.0), "a few");
        Ok(())
    })
}
