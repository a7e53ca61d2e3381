//! Locking by path: the same path over and over, and new paths one after the other.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use dashmap::DashMap;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::ours::ByPath;
use mutextree_benches::peers::{Bolt, InsertRemove, MapOfMutexes, ParkingLot, PoolOwned, PoolStatic};
use mutextree_benches::{Site, Subject};

fn warm(c: &mut Criterion) {
    let mut group = c.benchmark_group("one path");
    lone::<ByPath>(&mut group);
    lone::<ParkingLot>(&mut group);
    lone::<PoolStatic>(&mut group);
    lone::<PoolOwned>(&mut group);
    lone::<InsertRemove>(&mut group);
    lone::<MapOfMutexes>(&mut group);
    lone::<Bolt>(&mut group);
}

fn lone<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let mut subject = S::workers(&Site::LONE).remove(0);
    group.bench_function(S::NAME, |bencher| bencher.iter(|| subject.cycle()));
}

fn distinct(c: &mut Criterion) {
    let mut group = c.benchmark_group("distinct paths");
    let mut file = 0_u64;
    let mut path = || {
        file += 1;
        format!("org{}/team{}/project{}/file{file}", file % 7, file % 91, file % 1001)
    };
    let store = MemoryStore::new();
    group.bench_function(ByPath::NAME, |bencher| {
        let lock = |path: String| drop(store.lock(&*path).unwrap());
        bencher.iter_batched(&mut path, lock, BatchSize::NumIterations(250));
    });
    let locked = DashMap::new();
    group.bench_function(InsertRemove::NAME, |bencher| {
        let lock = |path: String| {
            locked.insert(path.clone(), ());
            locked.remove(&path);
        };
        bencher.iter_batched(&mut path, lock, BatchSize::NumIterations(250));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = warm, distinct
}
criterion_main!(benches);
