//! What runs the protocol: the only place with threads and with a clock.
//!
//! * `hub.rs`: what the trees of one client share, and who works where
//! * `workers.rs`: the threads of one site, for all trees there
//! * `engine.rs`: all of a store in one process; what a forked child does
//! * `client.rs`: what the threads know of a tree: its agenda, its name, and a call of a script
//! * `caller.rs`: the calling thread: takes a lock, and does what is done with a held one
//! * `sets.rs`: the calling thread: several locks as one
//! * `change.rs`: the calling thread: a held lock becomes another one
//! * `confirm.rs`: has grants confirmed by replicas, where that is asked for
//! * `keeping.rs`: locks that nobody uses, and that are kept; how they are given back
//! * `look.rs`: the calling thread: looks at who holds and waits, and ends what another holds
//! * `inbox.rs`: how a waiter, thread or task, is told
//! * `keeper.rs`, `schedule.rs`: the thread that does what the agendas say is due, and when
//! * `lanes.rs`: the threads that do its I/O, each with a connection of its own
//! * `own.rs`: such a connection, and pipelines over it
//! * `listener.rs`: the thread that empties the mailbox of a store of its own
//! * `subscriber.rs`: the thread that hears of all trees of a site
//! * `driver.rs`: the thread that does the I/O of tasks
//! * `task.rs`: a task that waits, and its future
//! * `agents.rs`: who waits for whom, where deadlocks are looked for
//! * `watch.rs`: the thread that looks who is master, where that may change
//! * `check.rs`: whether a server will do
//!
//! Arrows run one way: from here to `protocol/` and `wire/`, which do not know each other.

pub(super) mod agents;
pub(super) mod caller;
pub(super) mod change;
pub(super) mod check;
pub(super) mod client;
pub(super) mod confirm;
pub(super) mod driver;
pub(super) mod engine;
pub(super) mod hub;
pub(super) mod inbox;
pub(super) mod keeper;
pub(super) mod keeping;
pub(super) mod lanes;
pub(super) mod listener;
pub(super) mod look;
pub(super) mod own;
pub(super) mod schedule;
pub(super) mod sets;
pub(super) mod subscriber;
pub(super) mod task;
pub(super) mod watch;
pub(super) mod workers;
