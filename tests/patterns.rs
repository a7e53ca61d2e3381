//! The patterns of the crate's documentation, under load. The functions here are those of the
//! documentation, word for word.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore, TreeMutexSet};
use std::error::Error;

/// Locks both names, runs `work`, and releases.
fn rename<S: LockStore>(store: &S, from: &str, to: &str, work: impl FnOnce()) -> Result<(), Box<dyn Error>> {
    let both = TreeMutexSet::new([store.mutex(from)?, store.mutex(to)?])?;
    if both.paths().len() == 1 {
        return Err("one name contains the other".into()); // `a` cannot be moved to `a/b`
    }
    both.with(work)?; // std::fs::rename, say
    Ok(())
}

const HOLD: Duration = Duration::from_millis(2);

/// Threads that hold locks over and over, until the storm is dropped.
#[derive(Default)]
struct Storm {
    over: AtomicBool,
    holds: AtomicU64,
    micros: AtomicU64,
}

impl Storm {
    fn run(&self, store: &MemoryStore, path: &str, rest: Duration) {
        let mutex = store.mutex(path).unwrap();
        while !self.over.load(SeqCst) {
            let guard = mutex.lock().unwrap();
            let since = Instant::now();
            thread::sleep(HOLD);
            drop(guard);
            self.holds.fetch_add(1, SeqCst);
            self.micros.fetch_add(since.elapsed().as_micros() as u64, SeqCst);
            thread::sleep(rest);
        }
    }

    /// How long a hold takes on this machine, as busy as it is.
    fn hold(&self) -> Duration {
        Duration::from_micros(self.micros.load(SeqCst) / self.holds.load(SeqCst).max(1)).max(HOLD)
    }
}

/// Runs `work` while three threads each hold leaves under `from` and under `to` for 2 ms at a time,
/// without a pause, and one thread each of `others` does so with a pause.
fn in_a_storm<T>(store: &MemoryStore, others: &[&str], work: impl FnOnce(&Storm) -> T) -> T {
    let storm = Storm::default();
    thread::scope(|scope| {
        for leaf in ["from/1", "from/2", "from/3", "to/1", "to/2", "to/3"] {
            scope.spawn(|| storm.run(store, leaf, Duration::ZERO));
        }
        for path in others {
            scope.spawn(|| storm.run(store, path, 2 * HOLD));
        }
        while storm.holds.load(SeqCst) < 6 {
            thread::yield_now();
        }
        struct End<'a>(&'a Storm);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.over.store(true, SeqCst);
            }
        }
        let _end = End(&storm);
        work(&storm)
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Renames again and again. How long each took.
fn timed(store: &MemoryStore, from: &str, to: &str, times: usize) -> Vec<Duration> {
    let once = |_| {
        let since = Instant::now();
        let mut took = Duration::ZERO;
        rename(store, from, to, || took = since.elapsed()).unwrap();
        assert!(took < Duration::from_secs(3), "it starves");
        thread::sleep(HOLD / 2); // so that others come in between
        took
    };
    (0..times).map(once).collect()
}

#[test]
fn a_rename_gets_through_a_storm() {
    let store = MemoryStore::new();
    for (from, to) in [("from", "to"), ("to", "from")] {
        let (took, hold) = in_a_storm(&store, &[], |storm| (median(timed(&store, from, to, 15)), storm.hold()));
        println!("{from} to {to}: {took:?}, a hold {hold:?}");
        assert!(took < 10 * hold, "it takes {took:?}, and a hold {hold:?}");
    }
}

#[test]
fn renames_to_and_fro_get_through_a_storm() {
    let store = MemoryStore::new();
    let both = Mutex::new(());
    let (took, hold) = in_a_storm(&store, &[], |storm| {
        let took = thread::scope(|scope| {
            let work = |(from, to)| {
                let (store, both) = (&store, &both);
                scope.spawn(move || {
                    let once = |at| {
                        let (from, to) = if at % 2 == 0 { (from, to) } else { (to, from) };
                        let since = Instant::now();
                        let mut took = Duration::ZERO;
                        let work = || {
                            took = since.elapsed();
                            let _alone = both.try_lock().expect("two renames at once");
                            thread::sleep(HOLD);
                        };
                        rename(store, from, to, work).unwrap();
                        took
                    };
                    (0..10).map(once).collect::<Vec<_>>()
                })
            };
            let threads = [("from", "to"), ("to", "from"), ("from", "to")].map(work);
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        (took, storm.hold())
    });
    let (middle, longest) = (median(took.clone()), took.into_iter().max().unwrap());
    println!("to and fro: {middle:?}, {longest:?} at most, a hold {hold:?}");
    // Each waits for the other two, and all for the leaves in between.
    assert!(middle < 3 * 10 * hold, "it takes {middle:?}, and a hold {hold:?}");
    assert!(longest < Duration::from_secs(3), "one starves: {longest:?}");
}

/// The trap: who waits for all of `/` waits for the first name, and is in the way of the second.
#[test]
fn a_rename_and_a_lock_on_all_of_it_get_past_each_other() {
    let store = MemoryStore::new();
    let (took, hold) = in_a_storm(&store, &["/", "/"], |storm| (timed(&store, "to", "from", 30), storm.hold()));
    let (middle, longest) = (median(took.clone()), took.into_iter().max().unwrap());
    println!("beside locks on the root: {middle:?}, {longest:?} at most, a hold {hold:?}");
    assert!(middle < 20 * hold, "it takes {middle:?}, and a hold {hold:?}");
    assert!(longest < Duration::from_secs(3), "it starves at times: {longest:?}");
}

/// The same, one step after the other: it does not hang, and lets the other go first.
#[test]
fn the_trap_is_sprung_and_opens() {
    let store = MemoryStore::new();
    let in_the_way = store.lock("to/1").unwrap();
    thread::scope(|scope| {
        let renaming = scope.spawn(|| rename(&store, "from", "to", || ()).map_err(|error| error.to_string()));
        while store.try_lock("from").is_ok() {
            thread::yield_now(); // until it waits, and keeps others off the first name
        }
        let all = scope.spawn(|| store.lock("/").map(drop));
        thread::sleep(Duration::from_millis(5));
        drop(in_the_way);
        all.join().unwrap().unwrap();
        renaming.join().unwrap().unwrap();
    });
    assert!(store.try_lock("/").is_ok());
}

#[test]
fn a_thing_is_not_moved_into_itself() {
    let store = MemoryStore::new();
    for (from, to) in [("a", "a/b"), ("a/b/c", "a"), ("a", "a"), ("/", "a")] {
        let error = rename(&store, from, to, || panic!("{from} to {to}")).unwrap_err();
        assert_eq!(error.to_string(), "one name contains the other");
    }
    assert!(rename(&store, "a", "b//c", || ()).is_err(), "that is no path");
    assert!(store.try_lock("/").is_ok(), "nothing is left");
}
