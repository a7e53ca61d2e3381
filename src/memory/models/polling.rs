//! Tasks: acquisitions that are polled, with a waker that loom sees. A new one at each poll, so one
//! that is woken through an old one is a deadlock.

use std::task::{Wake, Waker};

use loom::sync::Condvar;

use super::super::acquire::{Acquisition, Step};
use super::*;
use crate::sync::Mutex;

/// Rung by the waker; waited for by whoever polls.
pub(super) struct Bell {
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl Bell {
    fn new() -> PlainArc<Self> {
        PlainArc::new(Self { rung: Mutex::new(false), condvar: Condvar::new() })
    }

    pub(super) fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            rung = self.condvar.wait(rung).unwrap();
        }
    }
}

impl Wake for Bell {
    fn wake(self: PlainArc<Self>) {
        *self.rung.lock() = true;
        self.condvar.notify_one();
    }
}

/// A task that waits for a lock.
pub(super) struct Task<'a> {
    world: &'a World,
    node: &'a PlainArc<Node>,
    kind: Kind,
    acquisition: Acquisition<'a>,
    /// How its lock ends.
    end: fn(&PlainArc<Node>, Kind),
}

impl<'a> Task<'a> {
    fn new(world: &'a World, node: &'a PlainArc<Node>, kind: Kind) -> Self {
        Self { world, node, kind, acquisition: Acquisition::new(node, kind, None), end: Node::drop_claim }
    }

    /// One that hands its lock over.
    pub(super) fn handing_over(world: &'a World, node: &'a PlainArc<Node>) -> Self {
        Self { end: Node::release_waited_for, ..Self::new(world, node, Kind::Xs) }
    }

    /// Polls once: what will ring, if it has to wait. If it has not, it uses what it locked, and
    /// unlocks.
    pub(super) fn poll(&mut self) -> Option<PlainArc<Bell>> {
        let bell = Bell::new();
        match self.acquisition.poll_step(&Waker::from(bell.clone())) {
            Step::Asleep => Some(bell),
            Step::Granted => {
                self.world.touch(self.node, self.kind);
                (self.end)(self.node, self.kind);
                None
            }
        }
    }

    pub(super) fn run(&mut self) {
        while let Some(bell) = self.poll() {
            bell.wait();
        }
    }
}

/// A task gives up, queued or woken, while the lock is released and a thread waits for it. Fails if
/// one that gives up in the queue only takes itself off it.
#[test]
fn dropped_against_a_release() {
    explore_at_most(3, "dropped_against_a_release", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => drop(Task::new(&world, &node, Kind::Xs).poll())),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
            threaded!(world, node => { world.touch(&node, Kind::Xs); node.drop_claim(Kind::Xs) }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A task is dropped after it was woken, with another task behind it. Fails if one that was woken
/// and gives up wakes nobody in its place.
#[test]
fn dropped_after_it_was_woken() {
    explore_at_most(3, "dropped_after_it_was_woken", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => {
                let mut task = Task::new(&world, &node, Kind::Xs);
                if let Some(bell) = task.poll() {
                    bell.wait();
                }
            }),
            threaded!(world, node => Task::new(&world, &node, Kind::Xs).run()),
            threaded!(world, node => node.drop_claim(Kind::Xs)),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A task is dropped after it was woken, with another task behind it that follows it: both wait at
/// the root for one node. Fails if one that gives up does not wake the one that follows it.
#[test]
fn dropped_with_one_that_follows() {
    explore_at_most(3, "dropped_with_one_that_follows", || {
        let world = World::new(ENDLESS, &["a"]);
        let (root, leaf) = (world.used("/"), world.used("a"));
        root.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, leaf => {
                let mut task = Task::new(&world, &leaf, Kind::Xs);
                if let Some(bell) = task.poll() {
                    bell.wait();
                }
            }),
            threaded!(world, leaf => Task::new(&world, &leaf, Kind::Xs).run()),
            threaded!(world, root => root.drop_claim(Kind::Xs)),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}

/// One that drains is dropped, woken or not: its claim goes, and those it kept out below get in.
/// Fails if a drain that gives up keeps its claim.
#[test]
fn dropped_while_it_drains() {
    explore_at_most(3, "dropped_while_it_drains", || {
        let world = World::new(ENDLESS, &["a/1", "a/2"]);
        let (inner, one, two) = (world.used("a"), world.used("a/1"), world.used("a/2"));
        one.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, inner => drop(Task::new(&world, &inner, Kind::Xs).poll())),
            threaded!(world, two => Task::new(&world, &two, Kind::Xs).run()),
            threaded!(world, one => one.drop_claim(Kind::Xs)),
        ]);
        drop((inner, one, two));
        world.assert_as_new();
    });
}

/// A task is polled again, with another waker, while it is being woken. Fails if a task's new waker
/// is set after the step, or if a task keeps its first waker.
#[test]
fn polled_with_another_waker_while_woken() {
    explore("polled_with_another_waker_while_woken", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        node.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, node => {
                let mut task = Task::new(&world, &node, Kind::Xs);
                if task.poll().is_some() {
                    task.run(); // polls at once, without having been woken
                }
            }),
            threaded!(world, node => { world.touch(&node, Kind::Xs); node.drop_claim(Kind::Xs) }),
        ]);
        drop(node);
        world.assert_as_new();
    });
}

/// A task and a thread in one queue, for an inner node and for what is below it. Fails if tasks are
/// not woken, if one that sleeps again leaves no waker, or if one that was woken stays in the
/// queue.
#[test]
fn a_task_and_a_thread_in_one_queue() {
    explore_at_most(3, "a_task_and_a_thread_in_one_queue", || {
        let world = World::new(ENDLESS, &["a", "a/b"]);
        let (inner, leaf) = (world.used("a"), world.used("a/b"));
        inner.try_claim(Kind::Xs).unwrap();
        run([
            threaded!(world, leaf => Task::new(&world, &leaf, Kind::Xs).run()),
            threaded!(world, inner => world.lock(&inner, Kind::Xs)),
            threaded!(world, inner => { world.touch(&inner, Kind::Xs); inner.drop_claim(Kind::Xs) }),
        ]);
        drop((inner, leaf));
        world.assert_as_new();
    });
}

/// A task that drains lapses while it is polled after all, or dropped: its claim is dropped once.
/// Fails if one that is polled does not learn that it lapsed, if one that is dropped does not learn
/// that it lapsed, or if a drain that lapses keeps its claim.
#[test]
fn a_drain_lapses_against_a_poll_or_a_drop() {
    for is_polled in [true, false] {
        explore_at_most(3, "a_drain_lapses_against_a_poll_or_a_drop", move || {
            let world = World::new(ENDLESS, &["a", "a/b"]);
            let (inner, leaf) = (world.used("a"), world.used("a/b"));
            leaf.try_claim(Kind::Xs).unwrap();
            run([
                threaded!(world, inner => {
                    let mut task = Task::new(&world, &inner, Kind::Xs);
                    if let Some(bell) = task.poll() {
                        bell.wait();
                        if is_polled {
                            task.run();
                        }
                    }
                }),
                threaded!(world, leaf => {
                    leaf.drop_claim(Kind::Xs);
                    leaf.look_after();
                    leaf.look_after();
                    world.lock(&leaf, Kind::Xs);
                }),
            ]);
            drop((inner, leaf));
            world.assert_as_new();
        });
    }
}

/// A task that has closed gates everywhere on its way is woken and not polled: once it has lapsed,
/// others get in, and then it does. Fails if one that lapses leaves its gates closed, or if one
/// that lapses opens only the gates of the node where it slept.
#[test]
fn gates_of_one_that_lapses() {
    explore_at_most(2, "gates_of_one_that_lapses", || {
        let world = World::new(NONE, &["a/b"]);
        let (root, leaf) = (world.used("/"), world.used("a/b"));
        root.try_claim(Kind::Xs).unwrap();
        let (others_are_through, through) = (Bell::new(), Bell::new());
        let (rings, waits) = (others_are_through.clone(), others_are_through);
        run([
            threaded!(world, leaf, waits, through => {
                let mut task = Task::new(&world, &leaf, Kind::Xs);
                let bell = task.poll();
                through.wake_by_ref(); // it is in the queue, with all its gates closed
                if let Some(bell) = bell {
                    bell.wait();
                    waits.wait();
                    task.run();
                }
            }),
            threaded!(world, root, leaf, rings, through => {
                through.wait();
                root.drop_claim(Kind::Xs);
                root.look_after();
                root.look_after();
                world.lock(&leaf, Kind::Xs);
                rings.wake_by_ref();
            }),
        ]);
        drop((root, leaf));
        world.assert_as_new();
    });
}
