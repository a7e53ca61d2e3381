//! Locks that a process keeps: for itself, and when another one wants them.

use std::time::{Duration, Instant};

use mutextree::{LockStore, OwnedTreeMutexGuard, RedisStore};
use mutextree_benches::kept::{IDLE, Sharing, ToAndFro, With, cycle, store};
use mutextree_benches::measure::{Versus, median, time, together};
use mutextree_benches::redis::{Bare, Outcome, Server};

use crate::{PATH, ROUNDS, row};

/// Turns of a hundred microseconds each, and of a microsecond. An exclusive lock is lent once a
/// microsecond at the most, as its tokens rise: the other turn leaves time enough for so many.
const CALLS: u64 = 200;
const KEPT_CALLS: u64 = 4_000;
const SLICE: Duration = Duration::from_millis(100);
const PASSES: u32 = 400;
/// Nodes of each of two threads.
const EACH: u64 = 64;

pub(crate) fn rows(server: &Server) -> Outcome<()> {
    alone(server)?;
    two_threads(server)?;
    first_locks()?;
    to_and_fro(server)?;
    shared(server)
}

fn verdict(what: &str, measured: f64, unit: &str, most: Option<f64>, least: Option<f64>) {
    let (bound, is_good) = match (most, least) {
        (Some(most), _) => (format!("<= {most}{unit}"), measured <= most),
        (_, Some(least)) => (format!(">= {least}{unit}"), measured >= least),
        _ => (String::new(), true),
    };
    row(what, &format!("{measured:.2}{unit}"), &format!("{bound}{}", if is_good { "" } else { " NO" }));
}

fn alone(server: &Server) -> Outcome<()> {
    let store = store(&server.url(), "alone", true)?;
    let mutex = store.mutex(PATH)?;
    let mut bare = Bare::new(server, "bare")?;
    let versus = Versus::in_turns(
        ROUNDS,
        || time(CALLS, &mut || bare.lock_and_unlock().expect("a bare lock")),
        || time(KEPT_CALLS, &mut || cycle(&mutex)),
    );
    println!("  bare {:.1} us, kept {:.3} us", versus.a / 1e3, versus.b / 1e3);
    verdict("lock + unlock of a kept node, in microseconds", versus.b / 1e3, "", Some(1.0), None);
    verdict("bare SET NX PX + compare-and-delete, against that", versus.ratio, "x", None, Some(100.0));
    Ok(())
}

fn two_threads(server: &Server) -> Outcome<()> {
    let store = store(&server.url(), "threads", true)?;
    let mutexes = [store.mutex("org/a")?, store.mutex("org/b")?];
    let rate = |count: usize| {
        let workers = mutexes[..count].iter().map(|mutex| || cycle(mutex)).collect();
        together(SLICE, workers).rate()
    };
    let versus = Versus::in_turns(ROUNDS, || rate(2), || rate(1));
    println!("  two threads {:.0} a second, one {:.0}", versus.a, versus.b);
    verdict("two threads on two kept nodes, against one", versus.ratio, "x", None, Some(1.8));
    two_threads_on_many(&store)
}

/// One node is lent once a microsecond at the most, as its tokens rise. Of many each has time.
fn two_threads_on_many(store: &RedisStore) -> Outcome<()> {
    let node = |thread: u64, node| store.mutex(format!("org/{thread}/{node}")).expect("a path");
    let mutexes: [Vec<_>; 2] = [0, 1].map(|thread| (0..EACH).map(|it| node(thread, it)).collect());
    let rate = |count: usize| {
        let workers = mutexes[..count].iter().map(|its| {
            let mut all = its.iter().cycle();
            move || all.next().into_iter().for_each(cycle)
        });
        together(SLICE, workers.collect()).rate()
    };
    let versus = Versus::in_turns(ROUNDS, || rate(2), || rate(1));
    println!("  two threads {:.0} a second, one {:.0}", versus.a, versus.b);
    verdict("two threads on many kept nodes each, against one", versus.ratio, "x", None, Some(1.8));
    Ok(())
}

/// Locks of nodes that were never locked before: each has a parent of its own, or they have one,
/// below which they are had at once when there are many.
struct First {
    store: RedisStore,
    parent: Option<&'static str>,
    /// With these all stay locked.
    held: Option<Vec<OwnedTreeMutexGuard<RedisStore>>>,
    next: u64,
}

impl First {
    fn new(server: &Server, tree: &str, keep: Duration) -> Outcome<Self> {
        let store = RedisStore::builder(&server.url()).tree(tree).keep(keep).connect()?;
        Ok(Self { store, parent: None, held: None, next: 0 })
    }

    /// The time of one lock, and with its release.
    fn once(&mut self) -> Outcome<[Duration; 2]> {
        self.next += 1;
        let number = self.next.to_string();
        let mutex = self.store.mutex(["org", self.parent.unwrap_or(&number), &number])?;
        let began = Instant::now();
        let guard = mutex.lock_owned()?;
        let locked = began.elapsed();
        match &mut self.held {
            Some(held) => held.push(guard),
            None => guard.unlock()?,
        }
        Ok([locked, began.elapsed()])
    }

    /// The times of several, in microseconds each. They take turns lock by lock: whatever the
    /// machine does next to them, each has its share of it.
    fn time<const N: usize>(mut all: [&mut Self; N]) -> Outcome<[[f64; 2]; N]> {
        let mut times = [[0.0; 2]; N];
        for _ in 0..CALLS {
            for (first, times) in all.iter_mut().zip(&mut times) {
                for (sum, time) in times.iter_mut().zip(first.once()?) {
                    *sum += time.as_secs_f64() * 1e6 / CALLS as f64;
                }
            }
        }
        Ok(times)
    }
}

/// What is locked first costs a request, as without keep. The server holds what is kept, so that a
/// lock is dearer than where none is held: it is as dear as where as many are held for good.
fn first_locks() -> Outcome<()> {
    // Servers of their own: what goes back elsewhere would take the time of these. But what is
    // compared is on one, as it matters on which processor that runs.
    let (one, other) = (Server::start()?, Server::start()?);
    let mut keeps = First::new(&one, "kept", IDLE)?;
    let mut plain = First::new(&one, "plain", Duration::ZERO)?;
    let mut holds = First::new(&one, "held", Duration::ZERO)?;
    holds.held = Some(Vec::new());
    // What is kept goes back while others are locked, or after it.
    let mut soon = First::new(&other, "soon", Duration::from_millis(20))?;
    let mut grown = First::new(&other, "grown", IDLE)?;
    grown.parent = Some("team");
    let mut beside = First::new(&other, "plain", Duration::ZERO)?;
    let [mut alike, mut locks, mut both, mut below] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS * 2 {
        let [kept, held, bare] = First::time([&mut keeps, &mut holds, &mut plain])?;
        alike.push(kept[0] / held[0]);
        locks.push(kept[0] / bare[0]);
        let [soon, grown, bare] = First::time([&mut soon, &mut grown, &mut beside])?;
        both.push(soon[1] / bare[1]);
        below.push(grown[1] / bare[1]);
    }
    println!("  {} locks kept", keeps.next);
    verdict("first locks with keep, against without, as many held there", median(alike), "x", Some(1.1), None);
    verdict("first locks with keep, against without, none held there", median(locks), "x", Some(1.1), None);
    verdict("the same with their release, while what was kept goes back", median(both), "x", Some(1.1), None);
    verdict("first locks + unlocks of many nodes below one, against without", median(below), "x", Some(0.1), None);
    Ok(())
}

fn to_and_fro(server: &Server) -> Outcome<()> {
    let (mut kept, mut plain) =
        (ToAndFro::start(server, "to and fro, kept", true)?, ToAndFro::start(server, "to and fro", false)?);
    let pass = |it: &mut ToAndFro| it.pass(PASSES).expect("the other process answers");
    let versus = Versus::in_turns(ROUNDS * 2, || pass(&mut kept), || pass(&mut plain));
    println!("  a pass with keep {:.1} us, without {:.1} us", versus.a, versus.b);
    verdict("a node passed to and fro by two processes, against without keep", versus.ratio, "x", Some(1.5), None);
    Ok(())
}

fn shared(server: &Server) -> Outcome<()> {
    for percent in [0, 1, 10, 50] {
        let mut pairs = [
            Sharing::start(server, With::Bare, percent)?,
            Sharing::start(server, With::Ours, percent)?,
            Sharing::start(server, With::Kept, percent)?,
        ];
        let [bare, ours, kept] = Sharing::best(&mut pairs, ROUNDS, SLICE)?;
        println!("  bare {bare:.0} a second, ours {ours:.0}, kept {kept:.0}");
        let what = format!("two processes, {percent} % of locks on common nodes: kept, against not");
        verdict(&what, kept / ours, "x", None, None);
    }
    Ok(())
}
