//! Several threads: on disjoint paths, where more threads should do more; as readers of one node,
//! where they should, too; and each alone on one node.
//!
//! The wait for the root under a storm is no bench here. Its median counts, and criterion knows no
//! median: see the table.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_utils::CachePadded;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::ours::{ByPath, Handle, LeasedHandle, NamedHandle, Reader, TwoStep};
use mutextree_benches::peers::{
    Bolt, Chain, FlatTwoStep, Glock, InsertRemove, MapOfMutexes, ParkingLot, PoolOwned, ReadParkingLot, ReadSharded,
    ReadStd,
};
use mutextree_benches::workload::after_readers::write_after;
use mutextree_benches::workload::one_node::Work;
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
        siblings::<NamedHandle>(&mut group, &site);
        siblings::<LeasedHandle>(&mut group, &site);
    }
}

fn readers(c: &mut Criterion) {
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("readers, threads: {threads}"));
        group.throughput(Throughput::Elements(threads));
        let site = Site::siblings(threads as usize);
        siblings::<Reader>(&mut group, &site);
        siblings::<ReadParkingLot>(&mut group, &site);
        siblings::<ReadStd>(&mut group, &site);
        siblings::<ReadSharded>(&mut group, &site);
        siblings::<TwoStep>(&mut group, &site);
        siblings::<FlatTwoStep>(&mut group, &site);
    }
}

fn after_readers(c: &mut Criterion) {
    let exclusive = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let shared = exclusive.clone().shared();
    let mut group = c.benchmark_group("exclusive, readers just gone");
    group.sample_size(10).bench_function(Handle::NAME, |bencher| {
        // As many rounds of readers as criterion asks for calls would take minutes.
        bencher.iter_custom(|calls| {
            let each = write_after(100, || drop(shared.lock().unwrap()), || drop(exclusive.lock().unwrap()));
            Duration::from_nanos((each * calls as f64) as u64)
        });
    });
}

fn siblings<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>, site: &Site) {
    let mut subjects = S::apart(site);
    group.bench_function(S::NAME, |bencher| {
        bencher.iter_custom(|times| at_once(times, subjects.iter_mut().map(|subject| || subject.cycle())));
    });
}

fn one_node(c: &mut Criterion) {
    for threads in [2, 4, 8] {
        for nanos in [0, 20, 200, 2_000, 20_000] {
            let mut group = c.benchmark_group(format!("{threads} threads on one node, sections of {nanos} ns"));
            group.throughput(Throughput::Elements(threads));
            let section = Work::lasting(Duration::from_nanos(nanos));
            let node = MemoryStore::new().mutex("org/team/project/file").unwrap();
            let flat = CachePadded::new(parking_lot::Mutex::new(()));
            contended(&mut group, Handle::NAME, threads, section, || node.lock().unwrap());
            contended(&mut group, ParkingLot::NAME, threads, section, || flat.lock());
        }
    }
}

fn contended<G>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: u64,
    section: Work,
    lock: impl Fn() -> G + Sync,
) {
    let cycle = || {
        let guard = lock();
        section.run();
        drop(guard);
        section.run();
    };
    let workers = || (0..threads).map(|_| &cycle);
    group.bench_function(name, |bencher| bencher.iter_custom(|times| at_once(times, workers())));
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
    targets = disjoint, readers, after_readers, one_node
}
criterion_main!(benches);
