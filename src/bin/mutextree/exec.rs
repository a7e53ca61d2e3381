//! `mutextree exec`: a command that runs under a lock.
//!
//! * `exec/wanted.rs`: what is to be locked, and for how long
//! * `exec/events.rs`: signals, and whatever else there is to wait for, in one channel
//! * `exec/waiting.rs`: what is said while the lock is not had yet
//! * `exec/server.rs`, `exec/files.rs`: taking the lock, from a server and from a directory
//! * `exec/supervise.rs`: the command runs; signals, the terminal, the lease
//! * `exec/child.rs`: the command's process group; `exec/terminal.rs`: who has the terminal
//! * `exec/limits.rs`: when the command has to be stopped
//! * `exec/starter.rs`: what becomes the command, before it does
//! * `exec/watchdog.rs`: a process that stops the command if this one cannot
//!
//! # Processes
//! This one holds the lock. The command leads a process group of its own. The watchdog is a second
//! process of this program, in a session of its own, that knows the group and the deadline. It acts
//! when this process is gone (`kill -9`) or does not go on (`kill -STOP`, Ctrl-Z), which this
//! process cannot do itself.

use std::process::ExitCode;
use std::time::Duration;

use mutextree::LockError;

mod child;
mod events;
mod files;
mod limits;
mod server;
pub(crate) mod starter;
mod supervise;
mod terminal;
mod waiting;
mod wanted;
pub(crate) mod watchdog;

use crate::args::Exec;
use crate::place::Place;
use crate::status::{Failure, say};
use crate::text::span;
use events::Events;
use limits::Limits;
use waiting::Waiting;
use wanted::{Patience, Wanted};

/// A lock that was taken, on however many nodes.
trait Held {
    /// The greatest fencing token of it.
    fn token(&self) -> u64;

    /// The time until the first part of it is lost unless it is renewed; `None` if it is not lost
    /// while this process lives.
    fn remaining(&self) -> Option<Duration>;

    /// Whether all of it is still held.
    fn is_held(&self) -> bool;

    /// What keeps the lock held for as long as any process has it open.
    fn file(&self) -> Option<std::os::fd::OwnedFd> {
        None
    }

    fn release(self: Box<Self>) -> Result<(), LockError>;
}

pub(crate) fn run(exec: Exec) -> Result<ExitCode, Failure> {
    let wanted = Wanted::new(&exec)?;
    let limits = Limits::new(&exec)?;
    let patience = Patience::new(&exec);
    // Until here and while it connects, a signal ends this process as it does by default.
    let place = Place::open(&exec.keeper, Some(limits.lease))?;
    let events = Events::start().map_err(|error| Failure::system("cannot handle signals", error))?;
    let mut waiting = Waiting::new(&events, &wanted, &place);
    let held: Box<dyn Held> = match &place {
        Place::Server(server) => Box::new(server::acquire(&server.store, &wanted, patience, &mut waiting)?),
        Place::Directory(dir) => Box::new(files::acquire(dir, &wanted, patience, &mut waiting)?),
    };
    let waited = waiting.done();
    if exec.verbose {
        say(&format!("locked {wanted} after {}, fencing token {}", span(waited), held.token()));
    }
    supervise::supervise(held, &exec, &wanted, limits, &events)
}
