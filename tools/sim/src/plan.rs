//! [`Plan`]: what one history is made of, drawn from its seed. Each kind of fault is on or off for
//! the whole of it: a history with three faults finds what one with all of them hides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::chance::Chance;
use super::claim::{DEEPEST, Place};
use super::emulation::Limits;
use crate::redis::protocol::timing::Timing;

pub(super) const MILLI: u64 = 1_000;
pub(super) const SECOND: u64 = 1_000_000;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    // Drawn for each request.
    RequestLost,
    AnswerLost,
    RequestLate,
    AnswerLate,
    CutBefore,
    CutAfter,
    Refused,
    NoScript,
    // They come at some time.
    MailLost,
    ListenerCut,
    Frozen,
    Unreachable,
    Stalled,
    Paused,
    Killed,
    ClockAhead,
    ClockBack,
    Restarted,
    LostSome,
    LostAll,
    FailedOver,
    // For the whole of a history.
    Drift,
}

impl Fault {
    pub(super) const ALL: [Self; 22] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::RequestLate,
        Self::AnswerLate,
        Self::CutBefore,
        Self::CutAfter,
        Self::Refused,
        Self::NoScript,
        Self::MailLost,
        Self::ListenerCut,
        Self::Frozen,
        Self::Unreachable,
        Self::Stalled,
        Self::Paused,
        Self::Killed,
        Self::ClockAhead,
        Self::ClockBack,
        Self::Restarted,
        Self::LostSome,
        Self::LostAll,
        Self::FailedOver,
        Self::Drift,
    ];

    /// Whether it is drawn for each request.
    fn is_of_request(self) -> bool {
        self <= Self::NoScript
    }

    /// Whether it comes at some time.
    pub(super) fn is_timed(self) -> bool {
        Self::MailLost <= self && self <= Self::FailedOver
    }

    /// As a person reads it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequestLost => "request lost",
            Self::AnswerLost => "answer lost",
            Self::RequestLate => "request late",
            Self::AnswerLate => "answer late",
            Self::CutBefore => "connection cut, request not carried out",
            Self::CutAfter => "connection cut, request carried out",
            Self::Refused => "refused for now",
            Self::NoScript => "script unknown",
            Self::MailLost => "messages lost",
            Self::ListenerCut => "listener's connection cut",
            Self::Frozen => "open connections silent",
            Self::Unreachable => "server out of reach",
            Self::Stalled => "server stalled",
            Self::Paused => "process paused",
            Self::Killed => "process killed",
            Self::ClockAhead => "server's clock ahead",
            Self::ClockBack => "server's clock set back",
            Self::Restarted => "server restarted with its data",
            Self::LostSome => "server restarted with older data",
            Self::LostAll => "server restarted with no data",
            Self::FailedOver => "failover to a replica that lags",
            Self::Drift => "clocks of different rates",
        }
    }
}

/// What is left out of a history when it is shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    /// All faults of a kind.
    Kind(Fault),
    /// The fault of this kind that comes at this time.
    One(Fault, u64),
    /// All that a caller of a process does.
    Caller(usize, usize),
    /// The operation of a caller that comes at this place. The process is named by its incarnation:
    /// one that is started again begins from the first.
    Operation(u64, usize, u32),
}

/// The stream that decides whether there is a grace period.
const GRACE: u64 = 0x67_72_61_63_65;

/// One history.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) processes: usize,
    pub(super) callers: usize,
    /// When the server was started: before the history if this is negative.
    pub(super) since: i64,
    /// How many of the callers are tasks: they may be dropped at any time.
    pub(super) tasks: usize,
    /// After this time no faults come any more, and nobody begins anything.
    pub(super) duration: u64,
    pub(super) timing: Timing,
    pub(super) limits: Limits,
    /// All nodes of the tree.
    pub(super) places: Vec<Place>,
    /// How likely the first place is, beside all of them.
    pub(super) hot: f64,
    pub(super) latency: (u64, u64),
    /// How long callers think, hold, and wait; and the lease that they ask for.
    pub(super) think: (u64, u64),
    pub(super) hold: (u64, u64),
    pub(super) wait: (u64, u64),
    pub(super) lease: (u64, u64),
    /// How likely a lock is shared, node only, has a lease of its own, is only tried.
    pub(super) shared: f64,
    pub(super) node_only: f64,
    pub(super) leased: f64,
    pub(super) tried: f64,
    /// How likely several locks are taken as one.
    pub(super) sets: f64,
    /// How likely a holder that does something with a lock makes another one of it.
    pub(super) changes: f64,
    /// For how long a process keeps what it does not use; 0: not at all.
    pub(super) keep: u64,
    /// After how many locks below a node that one is asked for.
    pub(super) grows: usize,
    /// Whether processes stride through the children of one node (`growing.rs`).
    pub(super) strides: bool,
    /// How likely a caller takes something in its process' own branch, if anything is kept.
    pub(super) branches: f64,
    /// How likely a holder does something else before it releases.
    pub(super) acts: f64,
    /// Whether a lease may end while its holder lives: nobody sends a message about that, so
    /// waiters find it by their heartbeats.
    pub(super) ends: bool,
    /// How likely a task is dropped before it is done.
    pub(super) dropped: f64,
    /// Of each kind: a probability a request, or so many a simulated second; 0 is off.
    rates: [f64; Fault::ALL.len()],
    pub(super) left_out: BTreeSet<Part>,
    /// When callers began their operations in a longer history that this one was made from, by
    /// incarnation, caller and number: they begin when they did there.
    pub(super) begins: BTreeMap<(u64, usize, u32), u64>,
    /// Whether the server's data is recounted after each script.
    pub(super) recounts: bool,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 0);
        let rates = Self::draw_rates(&mut chance);
        let any = rates.iter().any(|&rate| rate > 0.0);
        let processes = if chance.hits(0.1) { 10 } else { chance.between(1, 5) as usize };
        let callers = chance.between(1, 4) as usize;
        let heartbeat = match any {
            // Whatever a heartbeat would find must be told by message.
            false if chance.hits(0.5) => 3600 * SECOND,
            _ => chance.magnitude(500 * MILLI, 5 * SECOND),
        };
        let ends = heartbeat < 100 * SECOND;
        let lease = chance.magnitude(600 * MILLI, 30 * SECOND);
        let limits = match chance.hits(0.5) {
            true => Limits([64, 16, 64, 128, 1000]),
            false => {
                let mut few = || chance.pick(&[1, 2, 3, 64]) as u32;
                let [reaped, granted, visited] = [few(), few(), few()];
                Limits([reaped, few().min(16), granted, visited, 1000])
            }
        };
        let latency = chance.magnitude(30, 5 * MILLI);
        // A history with little contention has many more acquisitions.
        let is_light = chance.hits(0.4);
        let busy = if is_light { 20 * MILLI } else { 2 * SECOND };
        let hold = chance.magnitude(MILLI, busy);
        Self {
            seed,
            processes,
            callers,
            since: 0,
            tasks: chance.between(0, callers as u64) as usize,
            duration: chance.magnitude(2 * SECOND, 60 * SECOND),
            timing: Timing { lease, heartbeat, timeout: chance.magnitude(200 * MILLI, 5 * SECOND), grace: 0 },
            limits,
            places: Self::draw_places(&mut chance, is_light),
            hot: if is_light || chance.hits(0.5) { 0.0 } else { 0.6 },
            latency: (latency / 3, latency),
            think: (MILLI, chance.magnitude(5 * MILLI, busy.min(500 * MILLI))),
            hold: (MILLI.min(hold), hold),
            wait: (MILLI, chance.magnitude(10 * MILLI, 20 * SECOND)),
            lease: (chance.magnitude(20 * MILLI, SECOND), chance.magnitude(SECOND, 20 * SECOND)),
            shared: chance.pick(&[0.0, 0.2, 0.5, 0.9]),
            node_only: chance.pick(&[0.0, 0.2, 0.5]),
            leased: if ends { chance.pick(&[0.0, 0.3, 0.6]) } else { 0.0 },
            tried: chance.pick(&[0.0, 0.2, 0.6]),
            acts: chance.pick(&[0.0, 0.3, 0.6]),
            changes: Chance::new(seed, 8).pick(&[0.0, 0.3, 0.7]),
            keep: Self::draw_keep(seed),
            grows: super::growing::draw(seed),
            strides: false,
            branches: Chance::new(seed, 10).pick(&[0.0, 0.7, 0.95, 0.99]),
            sets: Chance::new(seed, 7).pick(&[0.0, 0.2, 0.6]),
            ends,
            dropped: chance.pick(&[0.0, 0.2, 0.5]),
            rates,
            left_out: BTreeSet::new(),
            begins: BTreeMap::new(),
            recounts: false,
        }
        .with_grace()
        .with_branches()
        .with_strides()
    }

    /// Where nearly all of what a process takes is in its own branch, most of it can be kept, and
    /// is taken below what is kept.
    fn with_branches(mut self) -> Self {
        if self.keep > 0 && self.branches > 0.9 {
            (self.leased, self.sets) = (0.0, 0.0);
            self.hold.1 = self.hold.1.min(300 * MILLI);
            self.callers = self.callers.max(3);
            self.keep = self.keep.max(SECOND);
        }
        self
    }

    /// In some histories processes stride through the children of their own nodes, so that those
    /// are asked for. Nothing goes wrong but what befalls single requests: messages arrive.
    fn with_strides(mut self) -> Self {
        let mut chance = Chance::new(self.seed, super::growing::STRIDES);
        if self.keep == 0 || self.grows == usize::MAX || !chance.hits(0.25) {
            return self;
        }
        for fault in Fault::ALL {
            let is_on = match fault {
                Fault::RequestLate | Fault::AnswerLate => chance.hits(0.7),
                _ => fault.is_of_request() && self.has(fault),
            };
            // Each costs a caller the time of many requests.
            self.rates[fault as usize] = if is_on { 0.005 } else { 0.0 };
        }
        (self.strides, self.timing.grace, self.since) = (true, 0, 0);
        (self.processes, self.callers) = (chance.between(2, 3) as usize, chance.between(1, 2) as usize);
        self.tasks = self.tasks.min(self.callers);
        self.duration = chance.magnitude(2 * SECOND, 10 * SECOND);
        self.places = Self::all_places(3, 4, usize::MAX);
        (self.hot, self.branches) = (0.0, chance.pick(&[0.9, 0.95, 0.99]));
        (self.think, self.hold) = ((MILLI, 20 * MILLI), (MILLI, 10 * MILLI));
        (self.shared, self.node_only, self.leased, self.sets) = (0.0, 0.0, 0.0, 0.0);
        self.keep = chance.magnitude(50 * MILLI, 2 * SECOND);
        self
    }

    /// Half of the histories in which a server may forget have a grace period against that. Some of
    /// these begin with a server that has been up for so long that it opens none.
    fn with_grace(mut self) -> Self {
        let forgets = [Fault::Restarted, Fault::LostSome, Fault::LostAll, Fault::FailedOver];
        let mut chance = Chance::about(self.seed, &[GRACE]);
        if forgets.iter().any(|&fault| self.has(fault)) && chance.hits(0.5) {
            self.timing.grace = self.timing.lease.max(self.lease.1);
            self.since = if chance.hits(0.2) { -2 * self.timing.grace as i64 } else { 0 };
        }
        self
    }

    /// Half of all histories keep nothing.
    fn draw_keep(seed: u64) -> u64 {
        let mut chance = Chance::new(seed, 9);
        if chance.hits(0.5) { 0 } else { chance.magnitude(5 * MILLI, 30 * SECOND) }
    }

    /// A tenth of all histories has no fault at all: then nothing may be lost, and nothing be slow.
    fn draw_rates(chance: &mut Chance) -> [f64; Fault::ALL.len()] {
        let mut rates = [0.0; Fault::ALL.len()];
        if chance.hits(0.1) {
            return rates;
        }
        let most = chance.pick(&[0.1, 0.25, 0.5]);
        for fault in Fault::ALL {
            let is_on = chance.hits(most);
            let rate = if fault.is_of_request() {
                chance.magnitude(1, 200) as f64 / 2000.0
            } else {
                chance.magnitude(5, 300) as f64 / 1000.0
            };
            if is_on {
                rates[fault as usize] = rate;
            }
        }
        rates
    }

    fn draw_places(chance: &mut Chance, is_light: bool) -> Vec<Place> {
        let depth = chance.between(if is_light { 3 } else { 1 }, DEEPEST as u64) as usize;
        let fan_out = if is_light { 6 } else { chance.between(1, 4) as u8 };
        Self::all_places(depth, fan_out, if is_light { 40 } else { 12 })
    }

    /// All nodes down to this depth, as many at the most of each depth.
    fn all_places(depth: usize, fan_out: u8, most: usize) -> Vec<Place> {
        let mut all = vec![Place::ROOT];
        let mut level = all.clone();
        for _ in 0..depth {
            level = level.iter().flat_map(|place| (0..fan_out).map(|step| place.child(step))).collect();
            level.truncate(most);
            all.extend(&level);
        }
        all
    }

    /// How often this fault comes; 0 for never.
    pub(super) fn rate(&self, fault: Fault) -> f64 {
        if self.left_out.contains(&Part::Kind(fault)) { 0.0 } else { self.rates[fault as usize] }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.rate(fault) > 0.0
    }

    /// Whether anything may go wrong.
    pub(super) fn has_faults(&self) -> bool {
        Fault::ALL.iter().any(|&fault| self.has(fault))
    }

    /// Whether more may go wrong than what befalls single requests: then a message may be lost.
    pub(super) fn may_lose_messages(&self) -> bool {
        Fault::ALL.iter().any(|&fault| self.has(fault) && !fault.is_of_request())
    }

    /// The longest time that anything lasts on the server without a holder or waiter that lives.
    pub(super) fn longest(&self) -> u64 {
        self.timing.grace.max(self.timing.lease).max(self.lease.1).max(if self.has_faults() {
            self.timing.claim_window()
        } else {
            0
        })
    }
}

/// What the history is made of, on a few lines.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timing { lease, heartbeat, timeout, grace } = self.timing;
        let milli = |time: u64| time / MILLI;
        writeln!(f, "{} processes with {} callers each, {} of them tasks", self.processes, self.callers, self.tasks)?;
        writeln!(
            f,
            "lease {} ms, heartbeat {} ms, timeout {} ms, grace {} ms, limits of the scripts {:?}",
            milli(lease),
            milli(heartbeat),
            milli(timeout),
            milli(grace),
            self.limits.0
        )?;
        let faults: Vec<&str> = Fault::ALL.into_iter().filter(|&fault| self.has(fault)).map(Fault::name).collect();
        let faults = if faults.is_empty() { "none".into() } else { faults.join("; ") };
        writeln!(f, "the server was started at {} ms", self.since / MILLI as i64)?;
        let grows = if self.grows == usize::MAX { "never".into() } else { format!("after {} locks", self.grows) };
        let strides = if self.strides { ", and processes stride" } else { "" };
        writeln!(f, "kept without a user for {} ms; a node is grown {grows} below it{strides}", milli(self.keep))?;
        write!(f, "faults: {faults}; {} parts left out", self.left_out.len())
    }
}
