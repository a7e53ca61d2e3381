//! A set of two and of eight locks, against the same locks one after the other, and against
//! happylock.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use mutextree_benches::sets::{Happy, OneByOne, Set};
use mutextree_benches::{Site, Subject};

fn sets(c: &mut Criterion) {
    of::<2>(&mut c.benchmark_group("2 locks"));
    of::<8>(&mut c.benchmark_group("8 locks"));
}

fn of<const N: usize>(group: &mut BenchmarkGroup<'_, WallTime>) {
    lone::<Set<N>>(group);
    lone::<OneByOne<N>>(group);
    lone::<Happy<N>>(group);
}

fn lone<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let mut subject = S::workers(&Site::LONE).remove(0);
    group.bench_function(S::NAME, |bencher| bencher.iter(|| subject.cycle()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = sets
}
criterion_main!(benches);
