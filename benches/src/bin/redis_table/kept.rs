//! Locks that a process keeps: for itself, and when another one wants them.

use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};
use mutextree_benches::kept::{Sharing, ToAndFro, With, cycle, store};
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
    first_locks(server)?;
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

/// The time of locks of nodes that were never locked before, and of lock + unlock. Each has a
/// parent of its own, or they have one, below which they are had at once when there are many.
fn first(store: &RedisStore, next: &mut u64, parent: Option<&str>) -> (f64, f64) {
    let (mut locks, mut both) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..CALLS {
        *next += 1;
        let number = next.to_string();
        let mutex = store.mutex(["org", parent.unwrap_or(&number), &number]).expect("a path");
        let began = Instant::now();
        let guard = mutex.lock().expect("a lock");
        locks += began.elapsed();
        guard.unlock().expect("a release");
        both += began.elapsed();
    }
    (locks.as_secs_f64() * 1e6 / CALLS as f64, both.as_secs_f64() * 1e6 / CALLS as f64)
}

fn first_locks(server: &Server) -> Outcome<()> {
    // What is kept goes back while others are locked, or after it.
    let soon = RedisStore::builder(&server.url()).tree("first, soon").keep(Duration::from_millis(20)).connect()?;
    let [keeps, plain] = [store(&server.url(), "first, kept", true)?, store(&server.url(), "first", false)?];
    let (mut one, mut two) = (0, 0);
    let (mut locks, mut both, mut below) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 2 {
        let [kept, bare] = [&keeps, &plain].map(|store| first(store, &mut one, None));
        let [soon, grown] =
            [(&soon, None), (&keeps, Some("team"))].map(|(store, parent)| first(store, &mut two, parent));
        locks.push(kept.0 / bare.0);
        both.push(soon.1 / bare.1);
        below.push(grown.1 / bare.1);
    }
    verdict("first locks of nodes with keep, against without", median(locks), "x", Some(1.1), None);
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
