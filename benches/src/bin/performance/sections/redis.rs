//! Over Redis: lock + unlock by the number of locks that others hold, and by the number of threads.

use mutextree::{LockStore, RedisStore, TreeMutex};
use mutextree_benches::Site;
use mutextree_benches::measure::{Contestant, Effort, all_in_turns, time, together};
use mutextree_benches::redis::{Bare, Outcome, Rslock, Server};
use mutextree_benches::unit::Unit::Times;
use mutextree_benches::unit::nanos;

use super::SERVER;
use crate::page::Section;
use crate::plot::{Plot, Unit};
use crate::series::{Line, Look, colour, sweep};

const OURS: Line = Line::new("mutextree over Redis", colour::HANDLE, Look::Ours);
const BARE: Line = Line::new("bare SET NX + delete script", colour::FLAT, Look::Peer);
const RSLOCK: Line = Line::new("rslock", colour::POOL, Look::Peer);

const HELD: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
const THREADS: [usize; 5] = [1, 2, 4, 8, 16];
/// A turn has as many calls as this: they take a hundred microseconds each, or more.
const CALLS: u64 = 200;

fn cycle(mutex: &TreeMutex<RedisStore>) -> Outcome<()> {
    Ok(mutex.lock()?.unlock()?)
}

/// By how many locks others hold.
pub(crate) fn held(effort: &Effort) -> Section {
    let server = Server::start().expect(SERVER);
    let store = RedisStore::connect(&server.url()).expect(SERVER);
    let mutex = store.mutex(Site::LONE.leaf(0)).expect("a path");
    let (mut bare, mut rslock) = (Bare::new(&server, "bare").expect(SERVER), Rslock::new(&server).expect(SERVER));
    let crowd = RedisStore::builder(&server.url()).lease(std::time::Duration::from_secs(3600));
    let crowd = crowd.connect().expect(SERVER);
    let mut others = Vec::new();
    let series = sweep([OURS, BARE, RSLOCK], &HELD, |held| {
        for i in others.len()..held {
            let path = format!("org/team{}/project{}/file{i}", i % 100, i % 1000);
            others.push(crowd.lock(path).expect("a lock that nobody else wants"));
        }
        let mut contestants: [Contestant<'_>; 3] = [
            Box::new(|| time(CALLS, &mut || cycle(&mutex).expect(SERVER))),
            Box::new(|| time(CALLS, &mut || bare.lock_and_unlock().expect(SERVER))),
            Box::new(|| time(CALLS, &mut || rslock.lock_and_unlock().expect(SERVER))),
        ];
        all_in_turns(effort.rounds, &mut contestants)
    });
    let plot = Plot {
        name: "redis-held",
        title: "Lock + unlock over Redis on the same machine, depth 4, one thread",
        x: "locks that others hold in the tree",
        y: "time for lock + unlock",
        unit: Unit::Time,
        series,
    };
    let at = |line: Line, held| plot.of(line.name).at(held);
    let shows = format!(
        "Lock + unlock over Redis takes {} with one other lock held, and {} with 100,000. \
         A bare `SET NX PX` with a compare-and-delete script, which knows no tree, takes {}: ours takes {} its time.",
        nanos(at(OURS, 1.0)),
        nanos(at(OURS, 100_000.0)),
        nanos(at(BARE, 1.0)),
        Times.show(at(OURS, 1.0) / at(BARE, 1.0)),
    );
    Section { heading: "Over Redis, by locks held", plot, shows }
}

/// By threads, on disjoint paths.
pub(crate) fn threads(effort: &Effort) -> Section {
    let server = Server::start().expect(SERVER);
    let store = RedisStore::connect(&server.url()).expect(SERVER);
    let series = sweep([OURS, BARE], &THREADS, |threads| {
        let site = Site { workers: threads, ..Site::LONE };
        let mutexes: Vec<_> = (0..threads).map(|i| store.mutex(site.leaf(i)).expect("a path")).collect();
        let mut bares: Vec<_> = (0..threads).map(|i| Bare::new(&server, &format!("bare{i}")).expect(SERVER)).collect();
        let ours = || {
            let workers = mutexes.iter().map(|mutex| || cycle(mutex).expect(SERVER)).collect();
            together(effort.together * 4, workers).rate()
        };
        let bare = || {
            let workers = bares.iter_mut().map(|bare| || bare.lock_and_unlock().expect(SERVER)).collect();
            together(effort.together * 4, workers).rate()
        };
        all_in_turns(effort.rounds, &mut [Box::new(ours), Box::new(bare)])
    });
    let plot = Plot {
        name: "redis-threads",
        title: "Throughput over Redis on the same machine, disjoint siblings, depth 4",
        x: "threads",
        y: "locks a second, all threads together",
        unit: Unit::Rate,
        series,
    };
    let gain = |line: Line| Times.show(plot.of(line.name).at(16.0) / plot.of(line.name).at(1.0));
    let shows = format!(
        "Sixteen threads of one process share two connections, and do {} what one thread does. \
         With bare commands on sixteen connections they do {}.",
        gain(OURS),
        gain(BARE),
    );
    Section { heading: "Over Redis, threads on siblings", plot, shows }
}
