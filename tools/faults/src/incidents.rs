//! [`Incidents`]: what was done to workers, server and network in a round, as the judge needs it.

use std::collections::BTreeMap;

use crate::clock::now;
use crate::kinds::Kind;

/// Something that was done.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) at: u64,
    /// The worker that it was done to; none for the server.
    pub(crate) worker: Option<u64>,
    pub(crate) text: String,
}

/// A time in which requests may have taken longer, or failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// Whose requests; none for all.
    pub(crate) worker: Option<u64>,
}

/// Data may have been lost at some time between these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) by: &'static str,
}

/// A worker did not run at all between these times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) worker: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents {
    pub(crate) notes: Vec<Note>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) stops: Vec<Stop>,
    pub(crate) faults: BTreeMap<Kind, u64>,
}

impl Incidents {
    pub(crate) fn note(&mut self, worker: Option<u64>, text: impl Into<String>) {
        self.notes.push(Note { at: now(), worker, text: text.into() });
    }

    pub(crate) fn disturbed(&mut self, worker: Option<u64>, from: u64, until: u64) {
        self.disturbances.push(Disturbance { from, until, worker });
    }

    /// How much of the time between these was disturbed for this worker, at the most.
    pub(crate) fn disturbed_within(&self, worker: u64, from: u64, until: u64) -> u64 {
        let its = self.disturbances.iter().filter(|it| it.worker.is_none_or(|of| of == worker));
        its.map(|it| it.until.min(until).saturating_sub(it.from.max(from))).sum()
    }

    pub(crate) fn lost_within(&self, from: u64, until: u64) -> bool {
        self.losses.iter().any(|loss| loss.from <= until && loss.until >= from)
    }
}
