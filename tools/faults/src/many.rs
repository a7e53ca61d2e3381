//! Ten thousand locks of one process, held and renewed, in few calls.

use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use crate::clock::{SECOND, now};
use crate::server::Server;

const LOCKS: usize = 10_000;
const LEASE: u64 = 3 * SECOND;

/// Renewals are due three times a lease, 256 in a call: 240 calls in two leases. A busy machine
/// makes some of them twice.
const CALLS: u64 = 1000;

/// A line that says how it went, or what is wrong.
pub(crate) fn run() -> Result<String, String> {
    let server = Server::start();
    let store = RedisStore::builder(&server.url()).lease(Duration::from_micros(LEASE)).connect();
    let store = store.map_err(|error| error.to_string())?;
    let began = now();
    let guards: Result<Vec<_>, _> = (0..LOCKS).map(|at| store.try_lock(["many".to_owned(), at.to_string()])).collect();
    let guards = guards.map_err(|error| format!("one of {LOCKS} locks cannot be had: {error}"))?;
    let (taken, before) = (now(), calls(&server)?);
    std::thread::sleep(Duration::from_micros(2 * LEASE));
    let held = guards.iter().filter(|guard| guard.is_held()).count();
    let renewing = calls(&server)? - before;
    let listed = store.locks().map_err(|error| error.to_string())?.len();
    for guard in guards {
        guard.unlock().map_err(|error| format!("one of {LOCKS} locks cannot be released: {error}"))?;
    }
    let text = format!(
        "{LOCKS} locks, taken in {:.1} s: {held} held after two leases, {listed} listed, renewed by {renewing} calls",
        (taken - began) as f64 / SECOND as f64
    );
    let left = store.locks().map_err(|error| error.to_string())?.len();
    if held < LOCKS || listed < LOCKS || renewing > CALLS || left > 0 {
        return Err(format!("{text}, {left} left after all were released; {CALLS} calls are the most"));
    }
    Ok(text)
}

/// How many scripts the server has run, by its own count.
fn calls(server: &Server) -> Result<u64, String> {
    let info: redis::RedisResult<String> = redis::cmd("INFO").arg("commandstats").query(&mut server.connect());
    let info = info.map_err(|error| error.to_string())?;
    let scripts = info.lines().filter(|line| line.starts_with("cmdstat_eval"));
    let counts = scripts.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}
