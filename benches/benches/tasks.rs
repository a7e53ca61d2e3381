//! Tasks: a lock that is free, and a crowd that waits for one node.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mutextree::{LockStore, MemoryStore};

const CROWD: usize = 1_000;

fn free(c: &mut Criterion) {
    let mut group = c.benchmark_group("lock_async + unlock, free");
    let ours = MemoryStore::new().mutex("org/team/project/file").unwrap();
    group.bench_function("mutextree", |bencher| bencher.iter(|| drop(now(black_box(&ours).lock_async()))));
    let tokio = tokio::sync::Mutex::new(());
    group.bench_function("tokio::sync::Mutex", |bencher| bencher.iter(|| drop(now(black_box(&tokio).lock()))));
    let other = async_lock::Mutex::new(());
    group.bench_function("async_lock::Mutex", |bencher| bencher.iter(|| drop(now(black_box(&other).lock()))));
}

/// Each has it once, in turn. To begin to wait is not timed.
fn crowd(c: &mut Criterion) {
    let mut group = c.benchmark_group("1,000 waiting tasks get through");
    let ours = MemoryStore::new().mutex("org/team/project/file").unwrap();
    group.bench_function("mutextree", |bencher| {
        let held_by = || (ours.lock().unwrap(), waiting(|| Box::pin(ours.lock_async())));
        bencher.iter_batched(held_by, |(held, all)| pass_on(held, all), BatchSize::PerIteration);
    });
    let tokio = tokio::sync::Mutex::new(());
    group.bench_function("tokio::sync::Mutex", |bencher| {
        let held_by = || (tokio.try_lock().unwrap(), waiting(|| Box::pin(tokio.lock())));
        bencher.iter_batched(held_by, |(held, all)| pass_on(held, all), BatchSize::PerIteration);
    });
}

fn waiting<F: Future + Unpin>(wait: impl Fn() -> F) -> Vec<F> {
    (0..CROWD)
        .map(|_| {
            let mut wait = wait();
            assert!(poll(&mut wait).is_pending(), "it is held");
            wait
        })
        .collect()
}

fn pass_on<H, F: Future + Unpin>(held: H, waiting: Vec<F>) {
    drop(held);
    for mut wait in waiting {
        match poll(&mut wait) {
            Poll::Ready(guard) => drop(guard),
            Poll::Pending => panic!("the one before has let go"),
        }
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("nobody holds it"),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = free, crowd
}
criterion_main!(benches);
