//! Locks below kept ones, for threads and tasks. The protocol, and why all of it is right, is in
//! `protocol/keep/below.rs` (K7 to K12).
//!
//! What a guest is to the agenda begins and ends under the mutex of its host's part, and so in the
//! order of the steps there. That mutex is taken before the agenda's, and never after it.
//!
//! **Nobody waits for an exchange that was answered.** Whoever waits has read how many were, then
//! found that his is under way, and sleeps only while the count is the same.

use super::{Keeping, State, count, give_back};
use crate::error::LockError;
use crate::observe::meters;
use crate::redis::clock::{clock, until};
use crate::redis::error::Failure;
use crate::redis::primitives::{Arc, Ordering};
use crate::redis::protocol::calls::Released;
use crate::redis::protocol::exchange::{Exchange, Outcome};
use crate::redis::protocol::keep::{Found, Keep};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::Call;
use crate::redis::run::client::{Client, store_error};
use crate::request::Request;

/// Takes a lock below a kept one.
pub(super) fn take(client: &Client, keep: &Keep, target: &Target, request: &Request) -> Found {
    let new = || client.new_below(target, request);
    keep.take_below((target, request.kind), &client.timing, clock(), new, |lock, host| {
        client.agenda(|agenda| {
            agenda.held(lock);
            host.filter(|host| host.was_left()).into_iter().for_each(|host| agenda.lent(host));
        });
    })
}

/// The user of a lock that was taken below a kept one lets go. `false` if it is a lock of its own,
/// or was lost: then it is to be released. While it is exchanged a thread waits, and a task does
/// not (K10).
///
/// # Errors
/// If the server does not answer in time. It is given back once it does.
pub(in crate::redis) fn leave(
    client: &Arc<Client>,
    lock: &Lock,
    target: &Target,
    of_task: bool,
) -> Result<bool, LockError> {
    let Some(keeping) = client.keeping.as_ref().filter(|_| lock.is_guest()) else { return Ok(false) };
    let mut waited = Ok(());
    loop {
        let (now, may_owe) = (clock(), of_task || waited.is_err());
        let left = keeping.keep.leave(lock, target, may_owe, now, |left| {
            if left.is_exchanged && may_owe {
                keeping.owes(client);
            }
            if left.is_all {
                client.agenda(|agenda| agenda.forget(lock));
            }
            left
        });
        if left.host.is_some() {
            keeping.was_kept(client, now);
        }
        if !left.is_exchanged {
            return Ok(left.is_all);
        }
        if may_owe {
            return waited.map(|()| left.is_all);
        }
        waited = keeping.exchange(client, |keep| keep.is_exchanged(lock));
    }
}

/// Before anything is done with a lock but to release it: it becomes one of its own (K12).
///
/// # Errors
/// If the server does not answer in time. Then it is held as before.
pub(in crate::redis) fn own(client: &Arc<Client>, lock: &Lock) -> Result<(), LockError> {
    let Some(keeping) = client.keeping.as_ref().filter(|_| lock.is_guest()) else { return Ok(()) };
    keeping.exchange(client, |keep| keep.exchange(lock))
}

/// Before what is held at a node, above it and below it is listed: it is known to the server (K12).
///
/// # Errors
/// If the server does not answer in time.
pub(in crate::redis) fn show(client: &Arc<Client>, target: &Target) -> Result<(), LockError> {
    let Some(keeping) = &client.keeping else { return Ok(()) };
    // What comes there from now on is not waited for.
    let mut hosts = None;
    keeping.exchange(client, |keep| {
        let hosts = hosts.get_or_insert_with(|| keep.exchange_around(target));
        keep.is_exchanging(hosts)
    })
}

/// Waits until what was let go while it was exchanged has been given back, or cannot be, or for as
/// long as this.
pub(in crate::redis) fn settle(client: &Client, deadline: u64) {
    let Some(keeping) = &client.keeping else { return };
    let mut state = keeping.state.lock();
    while state.owed > 0 && !until(deadline).is_zero() {
        keeping.exchanged.wait_for(&mut state, until(deadline));
    }
}

/// A lock is over that nobody had as his own, and so what was below it is.
pub(in crate::redis) fn lost(client: &Client, host: &Lock) {
    if let Some(keeping) = &client.keeping {
        keeping.keep.lost(host);
        client.agenda(|agenda| agenda.look_now());
    }
}

impl Keeping {
    /// Waits until exchanges are done. `is_under_way` begins them, and says whether they are not.
    fn exchange(&self, client: &Arc<Client>, mut is_under_way: impl FnMut(&Keep) -> bool) -> Result<(), LockError> {
        let deadline = client.timing.call_deadline(clock());
        loop {
            let answered = self.state.lock().answered;
            if !is_under_way(&self.keep) {
                return Ok(());
            }
            let begun = self.keep.begun();
            let mut state = self.state.lock();
            begin(client, &mut state, begun);
            if state.needs_a_lane() {
                self.call(client, state);
            } else if until(deadline).is_zero() {
                return Err(store_error(Failure::Unsure(client.wire.too_late())));
            } else if state.answered == answered {
                self.exchanged.wait_for(&mut state, until(deadline));
            }
        }
    }

    /// Something was let go while it is exchanged, and is to be given back after that.
    fn owes(&self, client: &Client) {
        self.state.lock().owed += 1;
        client.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// What was owed has been given back, or the agenda goes on with it.
    pub(super) fn paid(&self, client: &Client, count: usize) {
        if count > 0 {
            self.state.lock().owed -= count;
            client.owed.fetch_sub(count as u64, Ordering::Relaxed);
            self.exchanged.notify_all();
        }
    }

    /// Sends an exchange once, and does what the answer says. One without an answer is sent again
    /// later. What is to be given back now, and how many of it were owed.
    pub(super) fn send(
        &self,
        client: &Client,
        mut exchange: Exchange,
        send: impl FnOnce(&Call, u64) -> Result<Released, Failure>,
    ) -> (Vec<Arc<Lock>>, usize) {
        let (call, deadline) = exchange.call(&client.name, &client.timing, clock());
        let answer = send(&call, deadline);
        let outcome = exchange.answered(answer.as_ref().map_err(Failure::clone), clock());
        if let Ok(released) = answer {
            client.left_over(released.more);
        }
        let found = match outcome {
            Outcome::Again(at) => {
                let mut state = self.state.lock();
                state.exchanges.push((at, exchange));
                self.look_by(client, &mut state, at);
                return (Vec::new(), 0);
            }
            Outcome::Done(found) => found,
            Outcome::Over(release) => {
                client.agenda(|agenda| agenda.give_up(release, clock()));
                Vec::new()
            }
        };
        let now = clock();
        let back_and_owed = self.keep.exchanged(&exchange, &found, now, |exchanges| {
            client.agenda(|agenda| {
                exchanges.own.iter().for_each(|lock| agenda.became_own(lock, now));
                agenda.look_now();
            });
            (exchanges.back, exchanges.gone)
        });
        self.state.lock().answered += 1;
        count(&self.counts.exchanges, 1);
        meters::exchanged();
        self.exchanged.notify_all();
        back_and_owed
    }
}

/// Exchanges that have begun are to be sent. From now on nobody renews the locks that they end.
pub(super) fn begin(client: &Client, state: &mut State, begun: Vec<Exchange>) {
    for exchange in begun {
        client.agenda(|agenda| agenda.forget(exchange.host()));
        state.exchanges.push((0, exchange));
    }
}

/// The store is gone: what is below its kept locks becomes locks of their own, as far as the time
/// goes. The keeper sees to the rest.
pub(super) fn end(keeping: &Keeping, client: &Client, deadline: u64) {
    let exchanges = std::mem::take(&mut keeping.state.lock().exchanges);
    for (_, exchange) in exchanges {
        let (back, owed) = keeping.send(client, exchange, |call, limit| client.call(call, limit.min(deadline)));
        give_back(client, &back, |release| client.call(&release.call(&client.timing), deadline));
        keeping.paid(client, owed);
    }
}
