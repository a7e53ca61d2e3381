//! Locks that are handed over from one task to the next. All waiters are old ones.

use super::polling::Task;
use super::*;

/// Uses the lock on a node, and ends it as a task does that has slept for it.
fn hand_over(world: &World, node: &PlainArc<Node>) {
    world.touch(node, Kind::Xs);
    node.release_waited_for(Kind::Xs);
}

/// A node that is locked, in a world of old waiters.
fn locked(path: &str) -> (PlainArc<World>, PlainArc<Node>) {
    let world = World::new(NONE, &["a", "a/b"]);
    let node = world.used(path);
    node.try_claim(Kind::Xs).unwrap();
    (world, node)
}

/// A lock is handed over to a task, beside a thread that wants it. Fails if the claim of the lock
/// ends all the same, or if one that has been handed the lock claims once more.
#[test]
fn a_lock_that_is_handed_over() {
    explore_at_most(3, "a_lock_that_is_handed_over", || {
        let (world, node) = locked("a");
        run([
            threaded!(world, node => Task::handing_over(&world, &node).run()),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, node => hand_over(&world, &node)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// The same of a task and then another, each of which may go before the other. Fails if the claim
/// of the lock ends all the same.
#[test]
fn a_lock_that_goes_from_task_to_task() {
    explore("a_lock_that_goes_from_task_to_task", || {
        let (world, node) = locked("a");
        run([
            threaded!(world, node => Task::handing_over(&world, &node).run()),
            threaded!(world, node => Task::handing_over(&world, &node).run()),
            threaded!(world, node => hand_over(&world, &node)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// The same beside a lock on the node above: it drains until the last one below has gone. Fails if
/// the claim of the lock ends all the same.
#[test]
fn a_lock_that_is_handed_over_below_one_that_drains() {
    explore("a_lock_that_is_handed_over_below_one_that_drains", || {
        let (world, leaf) = locked("a/b");
        let inner = world.used("a");
        run([
            threaded!(world, leaf => Task::handing_over(&world, &leaf).run()),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
            threaded!(world, leaf => hand_over(&world, &leaf)),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A task is dropped while it waits, or with the lock that was handed over to it, and a thread
/// waits behind it. Fails if one that gives up keeps the lock.
#[test]
fn dropped_with_the_lock() {
    for waits in [true, false] {
        explore("dropped_with_the_lock", move || {
            let (world, node) = locked("a");
            run([
                threaded!(world, node => {
                    let mut task = Task::handing_over(&world, &node);
                    if let Some(bell) = task.poll().filter(|_| waits) {
                        bell.wait();
                    }
                }),
                threaded!(world, node => world.lock(&node, Kind::Xs)),
                threaded!(world, node => hand_over(&world, &node)),
            ]);
            drop(node);
            world.assert_as_new();
        });
    }
}

/// A task that has the lock is not polled, and lapses, while it is polled after all, or dropped.
/// Fails if one that lapses keeps the lock.
#[test]
fn a_task_with_the_lock_lapses() {
    for is_polled in [true, false] {
        explore("a_task_with_the_lock_lapses", move || {
            let (world, node) = locked("a");
            run([
                threaded!(world, node => {
                    let mut task = Task::handing_over(&world, &node);
                    if let Some(bell) = task.poll() {
                        bell.wait();
                        if is_polled {
                            task.run();
                        }
                    }
                }),
                threaded!(world, node => {
                    hand_over(&world, &node);
                    node.look_after();
                    node.look_after();
                    world.lock(&node, Kind::Xs);
                }),
            ]);
            drop(node);
            world.assert_as_new();
        });
    }
}
