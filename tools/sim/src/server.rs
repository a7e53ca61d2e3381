//! [`Server`]: a simulated server: its data, its clock, and what becomes of both.

use super::emulation::Data;
use super::ledger::Ledger;
use super::turns::Turns;
use crate::redis::server::Server as Name;

/// The server's clock shows this at the beginning of a history.
const BEGINNING: u64 = 1_700_000_000_000_000;

/// How many earlier states are kept, for a restart or a replica that has an older one.
const KEPT: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) data: Data,
    pub(super) ledger: Ledger,
    pub(super) turns: Turns,
    /// How far its clock is ahead of true time.
    pub(super) ahead: i64,
    pub(super) is_up: bool,
    /// Counts starts: connections to an earlier one are broken.
    pub(super) start: u64,
    pub(super) stalled_until: u64,
    /// Unlike all others' there ever were: with `start` the name of a run.
    pub(super) number: u64,
    /// That of the server that it was a replica of; 0 if of none.
    pub(super) earlier_number: u64,
    /// When it was started: before the history if this is negative.
    pub(super) since: i64,
    /// Earlier states, the latest last.
    pub(super) earlier: Vec<Data>,
}

impl Server {
    /// One that was started then.
    pub(super) fn new(since: i64) -> Self {
        Self {
            data: Data::default(),
            ledger: Ledger::default(),
            turns: Turns::default(),
            ahead: 0,
            is_up: true,
            start: 0,
            stalled_until: 0,
            number: 1,
            earlier_number: 0,
            since,
            earlier: Vec::new(),
        }
    }

    /// What its clock shows, in microseconds since 1970.
    pub(super) fn time(&self, now: u64) -> u64 {
        (BEGINNING + now).saturating_add_signed(self.ahead)
    }

    /// As it says who it is.
    pub(super) fn name(&self, now: u64) -> Name {
        Name {
            run: format!("{:020}{:020}", self.number, self.start),
            history: format!("{:020}{:020}", self.number, self.start),
            earlier: format!("{:040}", self.earlier_number),
            node: String::new(),
            up: now.saturating_add_signed(-self.since),
        }
    }

    /// Takes down its state, as a log that is written once a second would.
    pub(super) fn remember(&mut self) {
        if self.earlier.len() == KEPT {
            self.earlier.remove(0);
        }
        self.earlier.push(self.data.clone());
    }
}
