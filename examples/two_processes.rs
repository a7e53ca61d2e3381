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
//!
//! Then `fay` and `gus` lock five hundred times each, mostly what nobody else wants, and now and
//! then a plan that both want. They do so twice: each lock is given back at once, or it is kept
//! until somebody else wants it (`RedisStoreBuilder::keep`). What that took stands side by side at
//! the end.

#[path = "shared/processes.rs"]
mod processes;

use std::thread;
use std::time::{Duration, Instant};

use lexopt::ValueExt;
use mutextree::{LockStore, OwnedTreeMutexGuard, RedisStore, Snapshot};
use processes::{Cast, Copy, Outcome, Server};

const TREE: &str = "two_processes";
const LEASE: Duration = Duration::from_secs(3);
/// For how long a lock is kept, where locks are kept.
const KEEP: Duration = Duration::from_secs(1);
const LOCKS: u32 = 500;
/// One lock in so many is on what both want.
const PLAN: u32 = 100;

fn main() -> Outcome<()> {
    let (mut url, mut role, mut keeps) = (None, None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("redis") => url = Some(arguments.value()?.string()?),
            // For the copies of this program.
            lexopt::Arg::Long("role") => role = Some(arguments.value()?.string()?),
            lexopt::Arg::Long("keep") => keeps = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if let (Some(role), Some(url)) = (role, &url) {
        return if let "fay" | "gus" = &*role { lock_often(&role, url, keeps) } else { work(&role, url) };
    }
    let directory = tempfile::tempdir()?;
    let server = if url.is_none() { Some(Server::start(directory.path())?) } else { None };
    let url = server.as_ref().map(Server::url).or(url).unwrap_or_default();
    tell(&url)?;
    compare(&url)
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
    let cast = Cast::new();
    let start = |role: &str| cast.start(role, &["--role", role, "--redis", url]);

    let mut siblings = [start("ann")?, start("ben")?];
    cast.until(&["ann", "ben"], "done")?;
    siblings.iter_mut().try_for_each(Copy::succeeds)?;

    let mut eve = start("eve")?;
    cast.until(&["eve"], "holds")?;
    let mut dan = start("dan")?;
    cast.until(&["dan"], "waits")?;
    println!("\n{}", once_somebody_waits(&RedisStore::builder(url).tree(TREE).connect()?)?);
    eve.0.kill()?;
    let killed = Instant::now();
    cast.say("eve", &format!("is killed; her lease of {LEASE:?} goes on without her"));
    cast.until(&["dan"], "done")?;
    dan.succeeds()?;
    cast.say("", &format!("the lock was handed on {:.1?} after its holder died", killed.elapsed()));
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

/// What fay and gus do: the same, whether what they let go of is kept or not.
fn lock_often(role: &str, url: &str, keeps: bool) -> Outcome<()> {
    let keep = if keeps { KEEP } else { Duration::ZERO };
    let store = RedisStore::builder(url).tree(TREE).lease(LEASE).client_name(role).keep(keep).connect()?;
    let (own, plan) = (store.mutex(["org", "team", role])?, store.mutex("org/team/plan")?);
    let began = Instant::now();
    for number in 1..=LOCKS {
        let mutex = if number % PLAN == 0 { &plan } else { &own };
        mutex.lock()?.unlock()?;
    }
    println!("{:.1} ms, {} without a request", began.elapsed().as_secs_f64() * 1e3, store.kept_locks().hits);
    println!("done");
    Ok(())
}

/// Fay and gus at work, at the same time, without and with `keep`.
fn compare(url: &str) -> Outcome<()> {
    println!("\n{LOCKS} locks each, one in {PLAN} of them on what both want:\n");
    let run = |more: &[&str]| -> Outcome<Vec<String>> {
        let cast = Cast::new();
        let start = |role| cast.start(role, &[&["--role", role, "--redis", url], more].concat());
        let mut both = [start("fay")?, start("gus")?];
        let mut said = cast.until(&["fay", "gus"], "done")?;
        both.iter_mut().try_for_each(Copy::succeeds)?;
        said.retain(|(_, line)| line != "done");
        said.sort();
        Ok(said.into_iter().map(|(_, line)| line).collect())
    };
    let (without, with) = (run(&[])?, run(&["--keep"])?);
    println!("\n{:<6}{:<36}with keep", "", "each lock given back at once");
    for (role, (without, with)) in ["fay", "gus"].into_iter().zip(without.into_iter().zip(with)) {
        println!("{role:<6}{without:<36}{with}");
    }
    Ok(())
}
