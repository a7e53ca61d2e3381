//! What the distributed store costs its server, for docs/distributed.md: bytes, commands and time.
//! It starts a Redis server of its own, and takes three minutes.
//!
//! `cargo run --release -p mutextree-benches --features redis --bin redis_costs`

use std::pin::Pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};
use mutextree_benches::redis::{Outcome, Server};
use redis::Connection;

/// As long as this a process is left alone, to see what it sends.
const IDLE: Duration = Duration::from_secs(30);

const MANY: usize = 10_000;

fn main() -> Outcome<()> {
    println!("{:<64} {:>10}", "what", "measured");
    let server = Server::start()?;
    bytes(&server)?;
    commands(&server)?;
    kept(&server)?;
    idle(&server)?;
    Ok(())
}

fn row(what: &str, measured: impl std::fmt::Display) {
    println!("{what:<64} {measured:>10}");
}

/// A field of `INFO`.
fn info(connection: &mut Connection, section: &str, field: &str) -> Outcome<f64> {
    let text: String = redis::cmd("INFO").arg(section).query(connection)?;
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(value.ok_or_else(|| format!("INFO has no {field}"))?.trim().parse()?)
}

/// Of each command that the server has run: how often, and for how many microseconds.
fn stats(connection: &mut Connection) -> Outcome<Vec<(String, u64, u64)>> {
    let text: String = redis::cmd("INFO").arg("commandstats").query(connection)?;
    let read = |line: &str| {
        let (name, values) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let value = |key: &str| values.split(',').find_map(|pair| pair.strip_prefix(key)?.parse().ok());
        Some((name.to_owned(), value("calls=")?, value("usec=")?))
    };
    Ok(text.lines().filter_map(read).collect())
}

/// How often a client has sent a command, by now. What scripts run themselves is left out.
fn sent(connection: &mut Connection) -> Outcome<u64> {
    let of_clients = ["evalsha", "eval", "blmpop", "ping"];
    Ok(stats(connection)?.iter().filter(|(name, ..)| of_clients.contains(&&**name)).map(|(_, calls, _)| calls).sum())
}

fn bytes(server: &Server) -> Outcome<()> {
    let mut connection = server.connect()?;
    let store = RedisStore::builder(&server.url()).tree("bytes").lease(Duration::from_secs(3600)).connect()?;
    drop(store.lock("org/team/project/file")?);
    let empty: u64 = redis::cmd("MEMORY").arg("USAGE").arg("{bytes}:n").query(&mut connection)?;
    row("bytes of a tree in which nothing is held", empty);
    let shapes: [(&str, &dyn Fn(usize) -> String); 2] = [
        ("side by side", &|i| format!("org/team/project/file-{i}")),
        ("each in a branch of its own", &|i| format!("org/team-{i}/project-{i}/file-{i}")),
    ];
    for (name, path) in shapes {
        let before = info(&mut connection, "memory", "used_memory")?;
        let guards = (0..MANY).map(|i| store.lock(path(i))).collect::<Result<Vec<_>, _>>()?;
        let held = info(&mut connection, "memory", "used_memory")? - before;
        row(&format!("bytes a held lock, of {MANY}, {name}"), format!("{:.0}", held / MANY as f64));
        // Each of these waits for one that is held.
        let before = info(&mut connection, "memory", "used_memory")?;
        let mut waits: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
        for i in 0..MANY {
            let mut wait: Pin<Box<dyn Future<Output = _>>> = Box::pin(store.lock_async(path(i)));
            let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            waits.push(wait);
        }
        while redis::cmd("HLEN").arg("{bytes}:w").query::<usize>(&mut connection)? < MANY {
            thread::sleep(Duration::from_millis(10));
        }
        let waiting = info(&mut connection, "memory", "used_memory")? - before;
        row(&format!("bytes a waiter, of {MANY}, {name}"), format!("{:.0}", waiting / MANY as f64));
        drop(waits);
        drop(guards);
        while redis::cmd("HLEN").arg("{bytes}:n").query::<usize>(&mut connection)? > 3 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

fn commands(server: &Server) -> Outcome<()> {
    let mut connection = server.connect()?;
    let store = RedisStore::builder(&server.url()).tree("commands").connect()?;
    for (depth, path) in [(1, "org"), (4, "org/team/project/file"), (8, "a/b/c/d/e/f/g/h")] {
        let mutex = store.mutex(path)?;
        drop(mutex.lock()?);
        redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut connection)?;
        let (bytes_in, began) = (info(&mut connection, "stats", "total_net_input_bytes")?, Instant::now());
        for _ in 0..MANY {
            mutex.lock()?.unlock()?;
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / MANY as f64;
        let bytes_in = info(&mut connection, "stats", "total_net_input_bytes")? - bytes_in;
        let stats = stats(&mut connection)?;
        let scripts = stats.iter().find(|(name, ..)| name == "evalsha").ok_or("no script ran")?;
        let inside: u64 = stats.iter().filter(|it| !["evalsha", "info"].contains(&&*it.0)).map(|it| it.1).sum();
        let lock = MANY as f64;
        row(&format!("us for lock + unlock, one thread, depth {depth}"), format!("{each:.1}"));
        row("  us of the server's time", format!("{:.1}", scripts.2 as f64 / lock));
        row("  calls of scripts", format!("{:.2}", scripts.1 as f64 / lock));
        row("  commands inside them", format!("{:.1}", inside as f64 / lock));
        row("  bytes sent to the server", format!("{:.0}", bytes_in / lock));
    }
    Ok(())
}

/// What is kept is taken again without a request.
fn kept(server: &Server) -> Outcome<()> {
    let store = RedisStore::builder(&server.url()).tree("kept").keep(Duration::from_secs(600)).connect()?;
    for (depth, path) in [(1, "org"), (4, "org/team/project/file"), (8, "a/b/c/d/e/f/g/h")] {
        let mutex = store.mutex(path)?;
        drop(mutex.lock()?);
        let began = Instant::now();
        for _ in 0..MANY {
            mutex.lock()?.unlock()?;
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / MANY as f64;
        row(&format!("us for lock + unlock of a kept node, one thread, depth {depth}"), format!("{each:.2}"));
    }
    Ok(())
}

fn idle(server: &Server) -> Outcome<()> {
    let mut connection = server.connect()?;
    let mut watch = |what: String| -> Outcome<()> {
        thread::sleep(Duration::from_secs(1)); // the last of what came before
        let before = sent(&mut connection)?;
        thread::sleep(IDLE);
        let sent = sent(&mut connection)? - before;
        row(&what, format!("{:.2}", sent as f64 / IDLE.as_secs_f64()));
        Ok(())
    };
    let store = RedisStore::connect(&server.url())?;
    watch("commands a second of a process that holds nothing".into())?;
    let guard = store.lock("org")?;
    watch("commands a second of a process that holds one lock".into())?;
    let guards = (0..MANY).map(|i| store.lock(["other", &i.to_string()])).collect::<Result<Vec<_>, _>>()?;
    watch(format!("commands a second of one that holds {MANY} locks"))?;
    drop(guards);
    let other = RedisStore::connect(&server.url())?;
    let wait = |count: usize| -> Vec<Pin<Box<dyn Future<Output = _>>>> {
        let begin = |_| {
            let mut wait: Pin<Box<dyn Future<Output = _>>> = Box::pin(other.lock_async("org"));
            let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            wait
        };
        (0..count).map(begin).collect()
    };
    let one = wait(1);
    watch("commands a second of one holder, and a process with one waiter".into())?;
    let more = wait(999);
    watch("commands a second of one holder, and one with 1,000 waiters".into())?;
    drop((one, more, guard));
    Ok(())
}
