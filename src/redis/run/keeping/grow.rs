//! A lock on a node in place of those that are kept below it, for threads and tasks. The protocol,
//! and why all of it is right, is in `protocol/keep/grow.rs` (K14 to K17).
//!
//! Whoever is about to ask for a lock asks for the node above first, where it is time for that: a
//! thread by itself, a task by the driver. What is kept from then on the agenda knows in the same
//! step, as with what is taken below (`below.rs`).

use super::{Client, below, count};
use crate::observe::meters;
use crate::redis::clock::clock;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::Acquisition;
use crate::redis::protocol::keep::{Found, Growth};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::run::engine::Engine;
use crate::redis::run::inbox::Inbox;
use crate::request::Request;

/// Before the first request of an acquisition: what it is to ask for first.
pub(in crate::redis::run) fn begin(
    engine: &Engine,
    acquisition: &mut Acquisition<Arc<Inbox>>,
    (target, request): (&Target, &Request),
) {
    let client = &*engine.client;
    let Some(keeping) = client.keeping.as_ref().filter(|_| acquisition.may_grow()) else { return };
    if engine.confirmer.is_on() {
        return; // replicas would have to confirm it
    }
    let new = |target: &Target| client.new_above(target);
    let growth = keeping.keep.grow((target, request.kind), (&client.name, &client.timing), clock(), new);
    if let Some(growth) = growth {
        client.agenda(|agenda| acquisition.grows(growth, agenda));
    }
}

/// What has come of it, whoever wants it.
pub(in crate::redis::run) fn ended(client: &Arc<Client>, growth: Growth) {
    let Some(keeping) = &client.keeping else { return };
    let now = clock();
    let grown = keeping.keep.grown(growth, now, |lock| client.agenda(|agenda| agenda.held(lock)));
    keeping.was_kept(client, now);
    if grown.is_kept {
        count(&keeping.counts.grown, 1);
        meters::grown();
    }
    if !grown.back.is_empty() {
        let mut state = keeping.state.lock();
        state.back.extend(grown.back);
        keeping.call(client, state);
    }
}

/// The same, and the lock that is wanted, if it is to be had now.
pub(in crate::redis::run) fn take(
    client: &Arc<Client>,
    growth: Growth,
    acquisition: &Acquisition<Arc<Inbox>>,
    (target, request): (&Target, &Request),
) -> Option<Arc<Lock>> {
    ended(client, growth);
    let keeping = client.keeping.as_ref()?;
    let lock = loop {
        match below::take(client, &keeping.keep, target, request) {
            Found::It(lock) => break lock,
            Found::Soon => std::hint::spin_loop(),
            Found::Spent(lock) => {
                let mut state = keeping.state.lock();
                state.back.push(lock);
                keeping.call(client, state);
                return None;
            }
            Found::Nothing => return None,
        }
    };
    client.agenda(|agenda| acquisition.is_had_below(agenda));
    if let Some(agents) = &client.agents {
        agents.becomes(acquisition.lock(), std::slice::from_ref(&lock));
    }
    Some(lock)
}
