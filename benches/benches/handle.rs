//! A kept `TreeMutex` by depth, against a flat mutex and the textbook tree lock; and the root of a
//! tree full of idle handles. What owners, leases and tokens cost; and tries that are refused.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use mutextree::{LockStore, MemoryStore, TreeMutex, TreePath};
use mutextree_benches::ours::{FencedHandle, Handle, LeasedHandle, NamedHandle, OwnedHandle, SharedHandle};
use mutextree_benches::peers::{Chain, Glock, ParkingLot, Std};
use mutextree_benches::{Site, Subject};

fn depths(c: &mut Criterion) {
    let mut group = c.benchmark_group("depth 4");
    let site = Site::LONE;
    lone::<Handle>(&mut group, &site);
    lone::<SharedHandle>(&mut group, &site);
    lone::<OwnedHandle>(&mut group, &site);
    lone::<NamedHandle>(&mut group, &site);
    lone::<LeasedHandle>(&mut group, &site);
    lone::<FencedHandle>(&mut group, &site);
    lone::<ParkingLot>(&mut group, &site);
    lone::<Std>(&mut group, &site);
    lone::<Chain<4>>(&mut group, &site);
    lone::<Glock>(&mut group, &site);
    drop(group);

    let mut group = c.benchmark_group("depth 16");
    let site = Site { depth: 16, ..site };
    lone::<Handle>(&mut group, &site);
    lone::<Chain<16>>(&mut group, &site);
    lone::<Glock>(&mut group, &site);
}

fn lone<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>, site: &Site) {
    let mut subject = S::workers(site).remove(0);
    group.bench_function(S::NAME, |bencher| bencher.iter(|| subject.cycle()));
}

fn refused(c: &mut Criterion) {
    let mut group = c.benchmark_group("refused try_lock");
    for (name, held) in [("a lock below", "org/team/project/file"), ("a lock above", "org")] {
        let store = MemoryStore::new();
        let tried = store.mutex("org/team/project").unwrap();
        drop(tried.lock().unwrap());
        let _held = store.lock(held).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| drop(black_box(&tried).try_lock().unwrap_err())));
    }
}

fn idle_handles(c: &mut Criterion) {
    let store = MemoryStore::new();
    let file = |n| store.mutex(format!("org/team{}/project{}/file{n}", n % 10, n % 100)).unwrap();
    let handles: Vec<TreeMutex> = (0..100_000).map(file).collect();
    let lock = |mutex: &TreeMutex| drop(black_box(mutex).lock().unwrap());
    handles.iter().for_each(lock);
    let root = store.mutex(TreePath::root()).unwrap();

    let mut group = c.benchmark_group("100,000 idle handles");
    group.bench_function("a leaf", |bencher| bencher.iter(|| lock(&handles[50_000])));
    group.bench_function("the root", |bencher| bencher.iter(|| lock(&root)));
    let mut used = handles.iter().cycle();
    group.bench_function("a leaf and the root in turn", |bencher| {
        bencher.iter(|| {
            used.next().map(lock);
            lock(&root);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = depths, refused, idle_handles
}
criterion_main!(benches);
