//! What a Redis server forgets that is killed, by how it keeps its data, for docs/distributed.md.
//! Takes a minute.
//!
//! `cargo run --release -p mutextree-benches --features redis --bin redis_crashes`

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, OwnedTreeMutexGuard, RedisStore};
use mutextree_benches::redis::{Outcome, Running};

/// How a server keeps its data, and how often it is killed.
const SETUPS: [(&[&str], u32); 4] = [
    (&["--save", "", "--appendonly", "no"], 3),
    (&["--save", "1 1", "--appendonly", "no"], 3),
    (&["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"], 8),
    (&["--save", "", "--appendonly", "yes", "--appendfsync", "always"], 8),
];

const THREADS: usize = 4;
const LONG: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(20);

fn main() -> Outcome<()> {
    println!(
        "{:<55} {:>5} {:>9} {:>9} {:>8} {:>9}",
        "server", "kills", "confirmed", "forgotten", "at kills", "came back"
    );
    for (setup, kills) in SETUPS {
        let (mut confirmed, mut forgotten, mut at_kills, mut back) = (0, 0, 0, 0);
        for kill in 0..kills {
            // At different times within the second that `everysec` is about.
            let seen = crash(setup, Duration::from_millis(1500 + u64::from(kill) * 137 % 1000))?;
            let is_there = |path: &&String| seen.there.contains(*path);
            confirmed += seen.held.len();
            let missing = seen.held.iter().filter(|path| !is_there(path)).count();
            forgotten += missing;
            at_kills += u32::from(missing > 0);
            back += seen.released.iter().filter(is_there).count();
        }
        let setup = setup.join(" ");
        println!("{setup:<55} {kills:>5} {confirmed:>9} {forgotten:>9} {at_kills:>8} {back:>9}");
    }
    Ok(())
}

/// Paths of locks.
struct Seen {
    /// Whose grant was confirmed, and that were not released.
    held: Vec<String>,
    /// Whose release was confirmed.
    released: Vec<String>,
    /// That the server knows when it is back.
    there: HashSet<String>,
}

/// Kills a server after some time, and starts it again.
fn crash(setup: &[&str], after: Duration) -> Outcome<Seen> {
    let directory = tempfile::tempdir()?;
    let (server, url) = start(directory.path(), setup)?;
    let stores = (0..THREADS)
        .map(|_| RedisStore::builder(&url).lease(LONG).timeout(Duration::from_millis(500)).connect())
        .collect::<Result<Vec<_>, _>>()?;
    let over = &AtomicBool::new(false);
    let worked: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> =
            stores.iter().enumerate().map(|(i, store)| scope.spawn(move || work(store, i, over))).collect();
        thread::sleep(after);
        drop(server); // as by kill -9
        over.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });
    // What is still believed to be held must not be given back before the server is looked at.
    let (mut guards, mut seen) = (Vec::new(), Seen { held: Vec::new(), released: Vec::new(), there: HashSet::new() });
    for (held, released) in worked {
        seen.held.extend(held.iter().map(|guard| guard.path().to_string()));
        seen.released.extend(released);
        guards.extend(held);
    }
    let (server, url) = start(directory.path(), setup)?;
    seen.there = RedisStore::connect(&url)?.locks()?.iter().map(|lock| lock.path.to_string()).collect();
    drop(server);
    // Without a server each would wait for a release that cannot be sent.
    guards.into_iter().for_each(std::mem::forget);
    Ok(seen)
}

/// Takes locks until the server is gone. Every other one is released.
fn work(store: &RedisStore, number: usize, over: &AtomicBool) -> (Vec<OwnedTreeMutexGuard<RedisStore>>, Vec<String>) {
    let (mut held, mut released) = (Vec::new(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        let path = format!("{number}/{}", held.len() + released.len());
        let Ok(guard) = store.try_lock(path.as_str()) else { break };
        if held.len() <= released.len() {
            held.push(guard);
        } else if guard.unlock().is_ok() {
            released.push(path);
        } else {
            break; // it may have been given back, or not
        }
    }
    (held, released)
}

fn start(directory: &Path, setup: &[&str]) -> Outcome<(Running, String)> {
    let socket = directory.join("socket");
    let _ = std::fs::remove_file(&socket); // a server that was killed leaves it
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket"]).arg(&socket).arg("--dir").arg(directory).args(setup);
    let server = Running(command.stdout(Stdio::null()).spawn()?);
    let (url, began) = (format!("unix://{}", socket.display()), Instant::now());
    while RedisStore::connect(&url).is_err() {
        if began.elapsed() > SOON {
            return Err("the Redis server does not start".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((server, url))
}
