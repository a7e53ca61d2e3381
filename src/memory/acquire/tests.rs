//! Which gates an acquisition has closed, sleep after sleep.

use std::time::{Duration, Instant};

use super::super::tree::Tree;
use super::super::word::GATES;
use super::*;
use crate::path::ToTreePath;

/// Long enough for what is done meanwhile, also on a busy machine.
const PATIENCE: Duration = Duration::from_millis(500);

fn nodes(patience: Duration) -> [PlainArc<Node>; 3] {
    let tree = Tree::new(patience);
    ["/", "a", "a/b"].map(|path| tree.resolve(path.to_path_ref().unwrap()))
}

fn gates<const N: usize>(nodes: [&PlainArc<Node>; N]) -> [bool; N] {
    nodes.map(|node| node.word.load(Ordering::SeqCst) & GATES != 0)
}

/// Young when it fell asleep, and old when it has to again: then it closes the gates of its node
/// and of all above.
#[test]
fn one_that_has_grown_old_closes_all_gates() {
    let [root, inner, leaf] = nodes(PATIENCE);
    inner.try_claim(Kind::Xs).unwrap();
    let mut waiting = Acquisition::new(&leaf, Kind::Xs, None);
    assert_eq!(waiting.step(), Step::Asleep);
    // Overtaken on the spot, and not yet back on its feet when it is old.
    inner.drop_claim(Kind::Xs);
    inner.try_claim(Kind::Xs).unwrap();
    let start = Instant::now();
    while start.elapsed() <= PATIENCE {
        std::hint::spin_loop();
    }
    assert_eq!(waiting.step(), Step::Asleep);
    assert_eq!(gates([&root, &inner, &leaf]), [true; 3]);
    waiting.cancel();
    assert_eq!(gates([&root, &inner, &leaf]), [false; 3]);
}

/// A task whose turn was taken from it, and its gates with it, closes them again when it has to
/// sleep again.
#[test]
fn one_that_lapsed_closes_all_gates_again() {
    let [root, inner, leaf] = nodes(Duration::ZERO);
    inner.try_claim(Kind::Xs).unwrap();
    let mut waiting = Acquisition::new(&leaf, Kind::Xs, None);
    assert_eq!(waiting.poll_step(Waker::noop()), Step::Asleep);
    assert_eq!(gates([&root, &inner, &leaf]), [true; 3]);
    inner.drop_claim(Kind::Xs);
    inner.look_after();
    inner.look_after();
    assert_eq!(gates([&root, &inner, &leaf]), [false; 3], "it was not polled");
    inner.try_claim(Kind::Xs).unwrap();
    assert_eq!(waiting.poll_step(Waker::noop()), Step::Asleep);
    assert_eq!(gates([&root, &inner, &leaf]), [true; 3]);
    waiting.cancel();
    assert_eq!(gates([&root, &inner, &leaf]), [false; 3]);
}

/// A crowd of tasks may wait. With the features of `observe.rs` each keeps a span and gauges, too.
#[test]
#[cfg(not(any(feature = "metrics", feature = "tracing")))]
fn a_waiting_task_takes_little_memory() {
    use crate::{LockStore, MemoryStore};

    let store = MemoryStore::new();
    let mutex = store.mutex("a").unwrap();
    let counts = 2 * size_of::<usize>(); // of an `Arc`
    let queued = size_of::<Waiter>() + size_of::<Sleeper>() + counts;
    for (what, size, most) in [
        ("the handle", size_of_val(&mutex), 48),
        ("the future of the handle", size_of_val(&mutex.lock_async()), 72),
        ("that with an owned guard", size_of_val(&mutex.lock_owned_async()), 40),
        ("the future of the store", size_of_val(&store.lock_async("a")), 136),
        ("what the queue has of it", queued, 96),
    ] {
        println!("{what}: {size}");
        assert!(size <= most, "{what}: {size} bytes");
    }
}
