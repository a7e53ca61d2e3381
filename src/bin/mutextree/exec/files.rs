//! Taking a lock from a directory. Several nodes are one request there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use mutextree::LockError;

use super::Held;
use super::waiting::Waiting;
use super::wanted::{Patience, Wanted};
use crate::dir::{Directory, Request, State, Table};
use crate::status::Failure;

impl Held for Request {
    fn token(&self) -> u64 {
        match self.entry.state {
            State::Held { token, .. } => token,
            State::Waits => 0,
        }
    }

    fn remaining(&self) -> Option<std::time::Duration> {
        None
    }

    fn is_held(&self) -> bool {
        true
    }

    fn file(&self) -> Option<std::os::fd::OwnedFd> {
        Self::file(self)
    }

    fn release(self: Box<Self>) -> Result<(), LockError> {
        Ok(())
    }
}

pub(super) fn acquire(
    dir: &Directory,
    wanted: &Wanted,
    patience: Patience,
    waiting: &mut Waiting<'_>,
) -> Result<Request, Failure> {
    let mut table = Table::lock(dir)?;
    let mut request = table.add(&wanted.paths, wanted.kind, wanted.owner.as_str())?;
    loop {
        let in_the_way = table.in_the_way(&request.entry)?;
        let Some(first) = in_the_way.first() else {
            table.grant(&mut request)?;
            return Ok(request);
        };
        let (deadline, given) = match patience {
            Patience::None => {
                drop(table); // the look takes it
                waiting.look()?;
                return Err(waiting.gave_up(None));
            }
            Patience::Until { deadline, given } => (deadline, given),
        };
        drop(table);
        if !wait_for_the_end_of(dir, first.number, deadline, waiting)? {
            waiting.look()?;
            return Err(waiting.gave_up(given));
        }
        table = Table::lock(dir)?;
    }
}

/// Waits until that request has ended: `false` if that takes too long.
fn wait_for_the_end_of(
    dir: &Directory,
    number: u64,
    deadline: Option<Instant>,
    waiting: &mut Waiting<'_>,
) -> Result<bool, Failure> {
    let (dir, waker) = (dir.clone(), waiting.waker());
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    // The wait has no end that could be set. If this gives up, the process ends, and with it the
    // thread.
    thread::spawn(move || {
        dir.wait_for_the_end_of(number);
        told.store(true, Ordering::Release); // before the wake-up, so that who is woken sees it
        waker.wake();
    });
    while !ended.load(Ordering::Acquire) {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(false);
        }
        waiting.next(deadline)?;
    }
    Ok(true)
}
