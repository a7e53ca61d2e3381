//! [`Process`]: one simulated process: its clock, its agenda, its callers, its connections.

use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::Acquisition;
use crate::redis::protocol::agenda::Agenda;
use crate::redis::protocol::held::{Detach, Downgrade, Refresh, RefreshAll};
use crate::redis::protocol::keep::Keep;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::release::Release;
use crate::redis::protocol::timing::NEVER;
use crate::request::Kind;

use super::chance::Chance;
use super::changes::Change;
use super::claim::Place;
use super::plan::Plan;

/// How a waiter is told: which caller it is, and in which of its acquisitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) caller: usize,
    pub(super) epoch: u64,
}

/// A process' clock: it never stands still or jumps, but may go a little too fast or too slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) offset: u64,
    /// In millionths.
    pub(super) fast: i64,
}

impl Clock {
    pub(super) fn at(self, time: u64) -> u64 {
        let gain = i128::from(time) * i128::from(self.fast) / 1_000_000;
        (i128::from(self.offset) + i128::from(time) + gain) as u64
    }

    /// The first true time at which the clock shows this.
    pub(super) fn when(self, shows: u64) -> u64 {
        if shows == NEVER {
            return NEVER;
        }
        let past = i128::from(shows) - i128::from(self.offset);
        let mut time = (past * 1_000_000 / i128::from(1_000_000 + self.fast)).max(0) as u64;
        while time > 0 && self.at(time - 1) >= shows {
            time -= 1;
        }
        while self.at(time) < shows {
            time += 1;
        }
        time
    }
}

/// A lock that a caller holds, or believes to.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lock: Arc<Lock>,
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// As the judge knows it.
    pub(super) id: u64,
    /// When the request was sent that the belief in it rests on, in true time.
    pub(super) rests_on: u64,
    /// The deadline that the judge knows.
    pub(super) judged: u64,
    /// When its holder gives it back, in true time.
    pub(super) until: u64,
    /// Whether it has been detached, so that only the server knows whether it is held.
    pub(super) is_detached: bool,
    /// Whether it was taken with a lease of its own, or an end was set: then it may end by itself.
    pub(super) may_end: bool,
    /// The other members, if it is the first of a set.
    pub(super) others: Vec<Held>,
}

/// What a holder does with its lock, other than releasing it.
#[derive(Debug)]
pub(super) enum Act {
    Refresh(Refresh),
    Downgrade(Downgrade),
    Detach(Detach),
    RefreshAll(RefreshAll),
    Change(Box<Change>),
}

type Machine = Box<Acquisition<Waiter>>;

/// What a caller is at. Where a request is under way it is named.
#[derive(Debug)]
pub(super) enum State {
    /// It begins something when it wakes.
    Idle,
    Asks {
        machine: Machine,
        place: Place,
        kind: Kind,
        request: u64,
        sent: u64,
    },
    Pauses {
        machine: Machine,
        place: Place,
        kind: Kind,
    },
    Settles {
        machine: Machine,
        place: Place,
        kind: Kind,
    },
    Waits {
        machine: Machine,
        place: Place,
        kind: Kind,
    },
    Holds(Held),
    /// Without a request (0) it waits for its lock to become exclusive.
    Acts {
        held: Held,
        act: Act,
        request: u64,
        deadline: u64,
    },
    GivesBack {
        release: Release,
        request: u64,
        deadline: u64,
        held: Held,
    },
    /// It takes up a lock that outlives its guard.
    Attaches {
        token: String,
        place: Place,
        request: u64,
    },
    Over,
}

/// A thread or a task of a process.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) state: State,
    pub(super) is_task: bool,
    /// Counts acquisitions.
    pub(super) epoch: u64,
    /// What the present acquisition was told, and nobody has looked at.
    pub(super) news: News,
    /// Changes with each state: what was to wake an earlier one does not wake this one.
    pub(super) ticket: u64,
    /// When its future is dropped, if it is a task's; else never.
    pub(super) dropped_at: u64,
    /// For how long it holds what it gets.
    pub(super) holds_for: u64,
    /// Since when it does nothing else with what it holds.
    pub(super) rests_since: u64,
    /// The other members of the set that it wants.
    pub(super) also: Vec<(Place, Kind)>,
    /// What it wants next, if that is not drawn.
    pub(super) comes: Option<Place>,
    /// Counts operations.
    pub(super) operations: u32,
    pub(super) chance: Chance,
}

/// A connection between a process and a server, by number; and whether the agenda's work is under
/// way on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) connection: Option<u64>,
    /// Requests without an answer, of a lane that does the agenda's work.
    pub(super) busy: usize,
}

/// The kinds of lines a process has, in this order: one for each caller, one for the tasks, and the
/// lanes of the keeper.
pub(super) const LANES: usize = 4;
pub(super) const RELEASE_LANES: usize = 2;

/// Who takes messages out of the mailbox.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listener {
    pub(super) runs: bool,
    /// Counts connections.
    pub(super) serial: u64,
    /// The server that it listens at, while it has a connection.
    pub(super) server: Option<(usize, u64)>,
    /// Whether the server has its command.
    pub(super) is_parked: bool,
    /// Whether nothing gets through, though the connection seems to be open.
    pub(super) is_silent: bool,
    /// Whether it has had a connection before: with that messages may have been lost.
    pub(super) has_listened: bool,
}

pub(super) struct Process {
    /// Unique in a history: a process that is started again is another one.
    pub(super) incarnation: u64,
    pub(super) name: String,
    pub(super) clock: Clock,
    pub(super) agenda: Option<Agenda<Waiter>>,
    /// What it keeps, if it keeps anything.
    pub(super) keep: Option<Keep>,
    /// When the keeper looks next; [`NEVER`] if it sleeps.
    pub(super) look_at: u64,
    pub(super) callers: Vec<Caller>,
    pub(super) lines: Vec<Line>,
    pub(super) listener: Listener,
    /// Locks made so far.
    pub(super) numbers: u64,
    /// What tasks gave back that has not reached the server.
    pub(super) debts: usize,
    /// Whether it has said hello to a server.
    pub(super) has_greeted: bool,
    pub(super) paused_until: u64,
    /// As it was drawn: what came meanwhile is put off up to here, even if the pause ends earlier.
    pub(super) put_off_until: u64,
    pub(super) unreachable_until: u64,
}

impl Process {
    pub(super) fn new(at: usize, incarnation: u64, plan: &Plan, fast: i64) -> Self {
        let mut chance = Chance::new(plan.seed, 1000 + incarnation);
        let callers = (0..plan.callers).map(|caller| Caller {
            state: State::Idle,
            is_task: caller < plan.tasks,
            epoch: 0,
            news: News::Nothing,
            ticket: 0,
            dropped_at: NEVER,
            holds_for: 0,
            rests_since: 0,
            also: Vec::new(),
            comes: None,
            operations: 0,
            chance: Chance::new(plan.seed, 1_000_000 + incarnation * 100 + caller as u64),
        });
        Self {
            incarnation,
            name: format!("{}{at:x}{incarnation:x}", if plan.keep > 0 { "k" } else { "" }),
            clock: Clock { offset: chance.between(1_000, 1_000_000_000), fast },
            agenda: Some(Agenda::new(plan.timing)),
            keep: (plan.keep > 0).then(|| Keep::new(plan.keep).that_grows(plan.grows)),
            look_at: NEVER,
            callers: callers.collect(),
            lines: vec![Line::default(); plan.callers + 1 + 2 * LANES + RELEASE_LANES + 1],
            listener: Listener::default(),
            numbers: 0,
            debts: 0,
            has_greeted: false,
            paused_until: 0,
            put_off_until: 0,
            unreachable_until: 0,
        }
    }

    /// The line of the tasks: what they ask for, and what they give back.
    pub(super) fn driver(&self) -> usize {
        self.callers.len()
    }

    pub(super) fn renewing(&self) -> std::ops::Range<usize> {
        let first = self.callers.len() + 1;
        first..first + LANES
    }

    pub(super) fn beating(&self) -> std::ops::Range<usize> {
        let first = self.renewing().end;
        first..first + LANES
    }

    pub(super) fn cleaning(&self) -> std::ops::Range<usize> {
        let first = self.beating().end;
        first..first + RELEASE_LANES
    }

    /// The line of what is kept.
    pub(super) fn keeping(&self) -> usize {
        self.cleaning().end
    }

    /// An idle lane among these.
    pub(super) fn free_lane(&self, lanes: std::ops::Range<usize>) -> Option<usize> {
        lanes.into_iter().find(|&line| self.lines[line].busy == 0)
    }
}
