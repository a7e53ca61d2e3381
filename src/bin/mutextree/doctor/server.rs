//! A look at a server, or at those of a Sentinel setup or a cluster: as a store of locks first, and
//! then as a client of Redis.

use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore as _, RedisStore, RedisStoreError};

use super::Finding;
use super::asking::{Asker, Way};
use super::info::{Info, Part};
use super::{cluster, sentinels};
use crate::args::Keeper;
use crate::dir::wall_clock;
use crate::place::{connect, sentinel_login, tree, url};
use crate::redact::redacted;
use crate::status::{Failure, chain};
use crate::text::span;

/// As many questions as this to measure how long answers take.
const QUESTIONS: usize = 50;
/// Slower than this, a lock costs more than most commands do.
const SLOW: Duration = Duration::from_millis(20);
/// A difference of clocks that is worth a word.
const APART: Duration = Duration::from_secs(1);
/// What a store says if the URL makes sense, and none of its servers is what it says they are.
const NOBODY: &str = "leads to no master";
const BELOW: &str = "do what the lines below say of each server";

pub(super) type Tell<'a> = &'a mut dyn FnMut(Finding) -> Result<(), Failure>;

/// One server of several.
pub(super) struct Member {
    pub(super) address: String,
    pub(super) part: Part,
}

pub(super) fn look(keeper: &Keeper, tell: Tell<'_>) -> Result<(), Failure> {
    let url = url(keeper)?;
    let began = Instant::now();
    // The store first: what it says is what programs will hear.
    let store = connect(keeper, &url, None);
    match &store {
        Ok(_) => {
            tell(Finding::good("connection", format!("{}, in {}", redacted(&url), span(began.elapsed()))))?;
            let found = format!("all that is needed may be done in tree `{}`", tree(keeper));
            tell(Finding::good("permissions", found))?;
        }
        Err(error) => tell(refusal(error, &url))?,
    }
    if store.as_ref().is_err_and(is_of_the_text) {
        return Ok(());
    }
    let (asker, login) = (Asker::new(&url, keeper.timeout), sentinel_login());
    match Way::of(&url) {
        Way::Fixed => match (asker.connect(), &store) {
            (Ok(mut connection), _) => look_closer(&mut connection, Part::Alone, tell)?,
            (Err(error), Ok(_)) => {
                tell(Finding::doubtful("more", chain(&error), "allow INFO and TIME to see more here"))?;
            }
            // It has been said that it cannot be reached.
            (Err(_), Err(_)) => {}
        },
        Way::Sentinels { addresses, service } => {
            let of_sentinels = Asker::of_sentinels(&url, login.as_ref(), keeper.timeout);
            let members = sentinels::look(&of_sentinels, &addresses, &service, tell)?;
            look_at_all(&asker, &members, tell)?;
        }
        Way::Cluster { addresses } => {
            let members = cluster::look(&asker, &addresses, tree(keeper), tell)?;
            look_at_all(&asker, &members, tell)?;
        }
    }
    match store {
        Ok(store) => tell(latency(&store)),
        Err(_) => Ok(()),
    }
}

/// Whether the URL makes no sense, whatever the servers say.
fn is_of_the_text(error: &LockError) -> bool {
    let LockError::Store(source) = error else { return false };
    match source.downcast_ref() {
        Some(RedisStoreError::Config(what)) => !what.contains(NOBODY),
        _ => false,
    }
}

/// Each of several servers: its findings say whose they are.
fn look_at_all(asker: &Asker<'_>, members: &[Member], tell: Tell<'_>) -> Result<(), Failure> {
    for Member { address, part } in members {
        match asker.connect_to(address) {
            Ok(mut connection) => look_closer(&mut connection, *part, &mut |finding| tell(finding.at(address)))?,
            Err(error) => {
                let advice = if error.kind() == redis::ErrorKind::AuthenticationFailed {
                    "give it the same users and passwords as its master: it may become master"
                } else {
                    "start it, or have it reached from here, by the address that the others know it by"
                };
                tell(Finding::doubtful("server", chain(&error), advice).at(address))?;
            }
        }
    }
    Ok(())
}

/// What a refused connection means, and what to do.
fn refusal(error: &LockError, url: &str) -> Finding {
    use RedisStoreError as Error;
    let LockError::Store(source) = error else { return Finding::bad("connection", chain(error), "see above") };
    let found = chain(&**source);
    let (what, advice) = match source.downcast_ref::<Error>() {
        Some(Error::Config(what)) if what.contains(NOBODY) => ("connection", BELOW),
        Some(Error::Config(_)) => ("connection", form(url)),
        Some(Error::Unreachable { .. }) if Way::of(url).is_fixed() => {
            ("connection", "start the server, correct host and port, or open the firewall between here and there")
        }
        Some(Error::Unreachable { .. }) => ("connection", BELOW),
        Some(Error::Authentication { .. }) => {
            ("connection", "give user and password in the URL, as redis://user:password@host, or correct them")
        }
        Some(Error::Permission { .. }) => {
            ("permissions", "allow it: ACL SETUSER name +@scripting +@read +@write +@blocking ~{tree}:*")
        }
        Some(Error::TooOld { .. }) => ("version", "use Redis 7.0 or later"),
        Some(Error::Evicting { .. }) => {
            ("memory", "set maxmemory-policy to noeviction: CONFIG SET maxmemory-policy noeviction")
        }
        Some(Error::Busy { .. }) => {
            ("state", "wait until it has loaded its data, or name the master if it is a replica")
        }
        _ => ("connection", "check that a Redis server listens there"),
    };
    Finding::bad(what, found, advice)
}

/// How a URL of its kind is written.
fn form(url: &str) -> &'static str {
    match Way::of(url) {
        Way::Fixed => "correct the URL: redis://[user:password@]host[:port][/database]",
        Way::Sentinels { .. } => {
            "correct the URL: redis-sentinel://[user:password@]host[:port],host[:port]/service[/database]"
        }
        Way::Cluster { .. } => "correct the URL: redis-cluster://[user:password@]host[:port],host[:port]",
    }
}

fn look_closer(connection: &mut redis::Connection, part: Part, tell: Tell<'_>) -> Result<(), Failure> {
    match redis::cmd("INFO").arg("all").query::<String>(connection) {
        Ok(text) => Info::new(text).findings(part).into_iter().try_for_each(&mut *tell)?,
        Err(error) => tell(Finding::doubtful("more", chain(&error), "allow INFO to see more here"))?,
    }
    tell(clock(connection))
}

/// Leases are counted by the server's clock, and by the holders' own: the clocks need not agree.
/// But a clock that is set while locks are held ends leases early.
fn clock(connection: &mut redis::Connection) -> Finding {
    const WHAT: &str = "clock";
    let mut read = || -> redis::RedisResult<(u64, u64)> {
        let before = wall_clock();
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(connection)?;
        let here = before + (wall_clock() - before) / 2;
        Ok((seconds * 1_000_000 + micros, here))
    };
    match read() {
        Err(error) => Finding::doubtful(WHAT, chain(&error), "allow TIME"),
        Ok((there, here)) => {
            let apart = Duration::from_micros(there.abs_diff(here));
            if apart < Duration::from_millis(2) {
                return Finding::good(WHAT, "as this machine's");
            }
            let direction = if there < here { "behind" } else { "ahead of" };
            let found = format!("{} {direction} this machine's", span(apart));
            if apart > APART {
                let advice = "have both machines keep time by NTP: it does not matter to leases, but a clock that is set \
                              forward while locks are held ends their leases early";
                return Finding::doubtful(WHAT, found, advice);
            }
            Finding::good(WHAT, found)
        }
    }
}

/// How long it takes to ask whether a lock could be had: one script, as each lock and unlock is.
fn latency(store: &RedisStore) -> Finding {
    const WHAT: &str = "latency";
    let mut times: Vec<Duration> = Vec::new();
    let Ok(mutex) = store.mutex(["mutextree doctor"]) else {
        return Finding::bad(WHAT, "not measured", "report this");
    };
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        let _ = mutex.is_locked();
        times.push(began.elapsed());
    }
    times.sort();
    let (median, longest) = (times[QUESTIONS / 2], times[QUESTIONS - 1]);
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    let found = format!("{} to ask for a lock; the longest of {QUESTIONS} took {}", millis(median), millis(longest));
    if median > SLOW {
        return Finding::doubtful(WHAT, found, "use a server that is nearer, or that has less to do");
    }
    Finding::good(WHAT, found)
}
