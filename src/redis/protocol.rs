//! The lock protocol of one process, pure: no thread, no socket, no clock and no random number.
//!
//! It is told calls, answers, messages and times. It says what to send, whom to tell, and when to
//! come back. `run/` has the threads and the clock, `wire/` the connections; neither is named here.
//! So a simulator can run this code as it stands, with any order of events.
//!
//! * `timing.rs`: every length of time, and the arithmetic on them
//! * `keys.rs`: the names of a tree's keys; a path as the scripts want it
//! * `script.rs`: the scripts, and a call of one
//! * `calls.rs`: one typed function a script: its arguments, and what it replies
//! * `lock.rs`: one lock of this process, from its first request to its release; its deadline
//! * `acquisition.rs`: how a lock is taken: ask, wait, sit out failures
//! * `release.rs`: how a lock is given back: the only place
//! * `held.rs`: what is done with a held lock: refresh, downgrade, detach
//! * `change.rs`: how a held lock becomes another one: narrower, wider, or exclusive
//! * `confirm.rs`: grants that replicas are to have before anybody is given them
//! * `agenda.rs`: what is due when: renewals, heartbeats, losses, releases that failed
//! * `keep.rs`: locks that nobody uses, and that are kept until somebody else wants them
//! * `exchange.rs`: how a kept lock becomes those that are held below it
//! * `message.rs`: the messages in a mailbox
//!
//! # Invariants
//!
//! All times are microseconds on one clock of this process.
//!
//! * **P1, believe less than the server.** A lock's deadline counts from *before* the request was
//!   sent. A request that may shorten the lease cuts the deadline before it is sent. A request
//!   without an answer never makes the deadline later. So the server holds the lock for longer than
//!   its holder believes.
//! * **P2, lost is lost.** Once a deadline has passed, no late answer makes the lock held again.
//! * **P3, the last word counts.** Requests that set the end of a lease exactly carry a version.
//!   The server ignores a version older than the one that it has. An answer counts only if no
//!   younger request has begun. A renewal carries no version and only ever raises the end.
//! * **P4, what was given up is given back.** A token that the server may know is released, again
//!   and again, for as long as the server may hold it.
//! * **P5, nobody is told twice.** A loss is told by the one who takes the lock off the agenda.
//! * **P6, a renewal has time.** It is first sent with two thirds of the lease left. Without an
//!   answer it is sent again, on another connection, after a quarter of what is left each time.

pub(super) mod acquisition;
pub(super) mod agenda;
pub(super) mod calls;
pub(super) mod change;
pub(super) mod confirm;
pub(super) mod exchange;
pub(super) mod held;
pub(super) mod keep;
pub(super) mod keys;
pub(super) mod lock;
pub(super) mod message;
pub(super) mod release;
pub(super) mod script;
pub(super) mod timing;

#[cfg(test)]
mod samples;
