//! Several threads: on disjoint paths, where more threads should do more, and on one node.
//!
//! The wait for the root under a storm is no bench here. Its median counts, and criterion knows no
//! median: see the table.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::ours::{ByPath, Handle};
use mutextree_benches::peers::{Bolt, Chain, Glock, InsertRemove, MapOfMutexes, ParkingLot, PoolOwned};
use mutextree_benches::{Site, Subject};

fn disjoint(c: &mut Criterion) {
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("disjoint paths, threads: {threads}"));
        group.throughput(Throughput::Elements(threads));
        let site = Site::siblings(threads as usize);
        siblings::<Handle>(&mut group, &site);
        siblings::<ParkingLot>(&mut group, &site);
        siblings::<Chain<4>>(&mut group, &site);
        siblings::<Glock>(&mut group, &site);
        siblings::<ByPath>(&mut group, &site);
        siblings::<InsertRemove>(&mut group, &site);
        siblings::<MapOfMutexes>(&mut group, &site);
        siblings::<PoolOwned>(&mut group, &site);
        siblings::<Bolt>(&mut group, &site);
    }
}

fn siblings<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>, site: &Site) {
    let mut subjects = S::apart(site);
    group.bench_function(S::NAME, |bencher| {
        bencher.iter_custom(|times| at_once(times, subjects.iter_mut().map(|subject| || subject.cycle())));
    });
}

fn one_node(c: &mut Criterion) {
    let mut group = c.benchmark_group("four threads on one node");
    group.throughput(Throughput::Elements(4));
    let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
    group.bench_function(Handle::NAME, |bencher| {
        bencher.iter_custom(|times| at_once(times, [(); 4].map(|()| || drop(node.lock().unwrap()))));
    });
    let flat = parking_lot::Mutex::new(());
    group.bench_function(ParkingLot::NAME, |bencher| {
        bencher.iter_custom(|times| at_once(times, [(); 4].map(|()| || drop(flat.lock()))));
    });
}

/// How long it takes until each of the workers, all started together, has run so many times.
fn at_once<F: FnMut() + Send>(times: u64, workers: impl IntoIterator<Item = F>) -> Duration {
    let workers: Vec<F> = workers.into_iter().collect();
    let start = Barrier::new(workers.len() + 1);
    let run = |mut work: F| {
        start.wait();
        for _ in 0..times {
            work();
        }
    };
    let started = thread::scope(|scope| {
        workers.into_iter().for_each(|work| drop(scope.spawn(|| run(work))));
        start.wait();
        Instant::now()
    });
    started.elapsed()
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = disjoint, one_node
}
criterion_main!(benches);
