//! An acquisition of a set that may have to wait, as a state machine: `super` has its stages, and
//! `memory/acquire.rs` the same for one node.
//!
//! Every stage has a way back to nothing, which dropping takes.

use std::task::Waker;

use super::super::MemoryStore;
use super::super::acquire::{Refused, Step, Who};
use super::super::node::Node;
use super::super::sleeper::Sleeper;
use super::super::wait::{Left, Turn};
use super::super::waiter::{Rank, Role, Waiter};
use super::super::walk::{Marks, Walk};
use super::super::word::Place;
use super::phase::{claim_all, drop_all, kind, node, sets};
use crate::backend::Member;
use crate::deadlock::Asks;
use crate::sync::{Deadline, Ordering, PlainArc, Spin, Stamp};

mod deadlock;

#[derive(Debug)]
enum Stage {
    Idle,
    Draining(Drain),
    Asleep(Asleep),
    Done,
}

/// The walks below the members, each with its member.
#[derive(Debug)]
struct Drain {
    walks: Vec<(usize, Walk)>,
    /// Whether each of the walks has gone round once.
    has_passed: bool,
}

impl Drain {
    fn new(members: &[Member<MemoryStore>], inner: Vec<usize>) -> Self {
        let walk = |member: usize| (member, Walk::new(node(&members[member]), kind(&members[member]), Marks::Strike));
        Self { walks: inner.into_iter().map(walk).collect(), has_passed: false }
    }

    /// The next node below a member with a conflicting claim, and that member. `None` once there is
    /// no conflict below any.
    fn next_conflict(&mut self) -> Option<(usize, PlainArc<Node>)> {
        if !std::mem::replace(&mut self.has_passed, true) {
            // All of them first go round, and take off every `CLEAR`. So the holders below all
            // members leave at the same time.
            self.walks.retain_mut(|(_, walk)| walk.next_conflict().is_some());
        }
        while let Some((member, walk)) = self.walks.last_mut() {
            match walk.next_conflict() {
                Some(below) => return Some((*member, below)),
                None => drop(self.walks.pop()),
            }
        }
        None
    }
}

/// A set in a queue.
#[derive(Debug)]
struct Asleep {
    at: PlainArc<Node>,
    /// The member for which it sleeps.
    member: usize,
    /// What it goes on with, if it sleeps with its claims.
    drain: Option<Drain>,
    sleeper: PlainArc<Sleeper>,
    rank: Rank,
}

impl Asleep {
    /// Leaves the queue after having been woken.
    fn rise(&self) -> Turn {
        self.at.rise(&self.sleeper, self.rank)
    }

    /// Leaves the queue for good.
    fn leave(&self) -> Left {
        self.at.leave(&self.sleeper, self.rank)
    }
}

/// An acquisition of a set under way.
#[derive(Debug)]
pub(in super::super) struct SetAcquisition<'a> {
    members: &'a [Member<MemoryStore>],
    /// The member that was blocked last: a phase begins with it (S3).
    first: usize,
    stage: Stage,
    /// The rounds that it may still spin before it sleeps, once it has begun to.
    spin: Option<Spin>,
    /// When it first met something in its way.
    stamp: Option<Stamp>,
    /// Made when it first sleeps, and used for every sleep: it notes the gates to be opened.
    sleeper: Option<PlainArc<Sleeper>>,
    /// Whether it has closed the gates of all members and of all their ancestors.
    closed_all: bool,
    /// Who asks and where, in a tree that looks for deadlocks.
    asks: Option<Asks>,
}

impl<'a> SetAcquisition<'a> {
    /// At least one member.
    pub(in super::super) fn new(members: &'a [Member<MemoryStore>]) -> Self {
        let (spin, stamp, sleeper) = (None, None, None);
        Self { members, first: 0, stage: Stage::Idle, spin, stamp, sleeper, closed_all: false, asks: None }
    }

    /// Asked for by this one, in a tree that looks for deadlocks.
    pub(super) fn asked_by(mut self, asks: Option<Asks>) -> Self {
        self.asks = asks;
        self
    }

    /// A step of the calling thread.
    pub(in super::super) fn step(&mut self) -> Step {
        self.advance(Who::Thread)
    }

    /// A step of the task that `waker` wakes.
    pub(in super::super) fn poll_step(&mut self, waker: &Waker) -> Step {
        if let Some(sleeper) = self.sleeper.as_ref().filter(|sleeper| !sleeper.is_woken()) {
            sleeper.set_waker(waker);
        }
        self.advance(Who::Task(waker))
    }

    /// Goes as far as it can. A sleeper that has not been woken stays where it is.
    fn advance(&mut self, who: Who<'_>) -> Step {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Idle => match claim_all(self.members, self.first, self.stamp) {
                    Ok(inner) => self.stage = Stage::Draining(Drain::new(self.members, inner)),
                    Err(obstacle) => {
                        self.first = obstacle.member;
                        self.wait_at(obstacle.member, &obstacle.at, obstacle.place, None, who);
                    }
                },
                Stage::Draining(mut drain) => match drain.next_conflict() {
                    // The claims are kept, so that this drains.
                    Some((member, below)) => self.wait_at(member, &below, Place::Below, Some(drain), who),
                    None => {
                        self.open_gates();
                        return Step::Granted;
                    }
                },
                // Woken: what blocked it may have gone, or another was quicker.
                Stage::Asleep(asleep) if asleep.sleeper.is_woken() => {
                    let turn = asleep.rise();
                    self.has_drained(&asleep);
                    self.spin = None;
                    self.stage = match (turn, asleep.drain) {
                        (Turn::Kept, Some(drain)) => Stage::Draining(drain),
                        (Turn::Kept, None) => Stage::Idle,
                        (Turn::Granted, _) => unreachable!("no set is handed a lock"),
                        // Its claims were dropped and its gates were opened: it starts over.
                        (Turn::Lapsed, _) => {
                            self.closed_all = false;
                            Stage::Idle
                        }
                    };
                }
                // Polled, or unparked, for another reason.
                Stage::Asleep(asleep) => {
                    self.stage = Stage::Asleep(asleep);
                    return Step::Asleep;
                }
                Stage::Done => return Step::Granted,
            }
        }
    }

    /// Spins, and then sleeps, at the node that is in the way of that member. Sets the stage to go
    /// on with.
    fn wait_at(&mut self, member: usize, at: &PlainArc<Node>, place: Place, drain: Option<Drain>, who: Who<'_>) {
        let stamp = *self.stamp.get_or_insert_with(Stamp::now);
        let kind = kind(&self.members[member]);
        let gate = if place == Place::Here && self.sleeper.is_none() { kind.gate() } else { 0 };
        let obstacles = kind.conflicts(place) | gate;
        let patience = at.shared().patience;
        let spin = self.spin.get_or_insert_with(|| who.spin());
        while who.may_spin(at) && spin.once_more() && !stamp.older_than(patience) {
            if at.word.load(Ordering::Relaxed) & obstacles == 0 {
                self.stage = drain.map_or(Stage::Idle, Stage::Draining);
                return;
            }
        }
        self.sleep_at(member, at, place, stamp, drain, who);
    }

    fn sleep_at(
        &mut self,
        member: usize,
        at: &PlainArc<Node>,
        place: Place,
        stamp: Stamp,
        drain: Option<Drain>,
        who: Who<'_>,
    ) {
        // What is in the way may be a lock whose lease has expired.
        at.revoke_expired();
        let sleeper = self.sleeper(member, who);
        let role = if drain.is_some() { Role::Drains } else { Role::Wants };
        let wanted = &self.members[member];
        let waiter = Waiter::new((node(wanted), kind(wanted)), place, role, stamp, &sleeper);
        let patience = at.shared().patience;
        // It has waited for long and has to wait again: now newcomers everywhere have to queue.
        if drain.is_none() && stamp.older_than(patience) {
            self.close_gates(&waiter);
        }
        let (rank, drains) = (waiter.rank(), drain.is_some());
        if drains {
            self.note_drain(&sleeper, at);
        }
        let queued = at.queue_up(waiter, patience);
        if drains && queued != Some(Role::Drains) {
            self.forget_drain(&sleeper);
        }
        let at = at.clone();
        self.stage = match (queued, drain) {
            // An upgrade below a shared member is pending: it starts over when it is woken (13).
            (Some(Role::Aside), _) => {
                drop_all(self.members);
                self.first = member;
                Stage::Asleep(Asleep { at, member, drain: None, sleeper, rank })
            }
            (Some(_), drain) => Stage::Asleep(Asleep { at, member, drain, sleeper, rank }),
            // The reason to sleep has gone in the meantime.
            (None, Some(drain)) => Stage::Draining(drain),
            (None, None) => Stage::Idle,
        };
    }

    /// It is about to sleep with its claims. Those who look at a member can find out where, and so
    /// can an upgrade below a shared member (`upgrade.rs`).
    fn note_drain(&self, sleeper: &PlainArc<Sleeper>, at: &PlainArc<Node>) {
        sets(self.members).drains_at(sleeper, at);
        self.shared_members().for_each(|member| member.note_drain(sleeper, at));
    }

    fn forget_drain(&self, sleeper: &PlainArc<Sleeper>) {
        sets(self.members).has_drained(sleeper);
        self.shared_members().for_each(|member| member.forget_drain(sleeper));
    }

    fn shared_members(&self) -> impl Iterator<Item = &PlainArc<Node>> {
        self.members.iter().filter(|member| kind(member).is_shared()).map(node)
    }

    /// The bed. It knows the members: if a task lapses, somebody else has to drop their claims.
    fn sleeper(&mut self, member: usize, who: Who<'_>) -> PlainArc<Sleeper> {
        if let Some(sleeper) = &self.sleeper {
            who.renew(sleeper);
            return sleeper.clone();
        }
        let members = self.members;
        let claims = members.iter().map(|member| (node(member).clone(), kind(member))).collect();
        let own = members[member].request.owner.as_ref();
        let owner = own.or_else(|| members.iter().find_map(|member| member.request.owner.as_ref()));
        self.sleeper.insert(who.sleeper(owner, claims, self.watched())).clone()
    }

    fn has_drained(&self, asleep: &Asleep) {
        if asleep.drain.is_some() {
            self.forget_drain(&asleep.sleeper);
        }
    }

    /// The member for which it sleeps, and the node in whose queue it is.
    pub(super) fn sleeps_at(&self) -> Option<(usize, &PlainArc<Node>)> {
        match &self.stage {
            Stage::Asleep(asleep) => Some((asleep.member, &asleep.at)),
            _ => None,
        }
    }

    /// Whether a sleeper may step on.
    pub(in super::super) fn is_woken(&self) -> bool {
        match &self.stage {
            Stage::Asleep(asleep) => asleep.sleeper.is_woken(),
            _ => true,
        }
    }

    /// If it is asleep, sleeps until it is unparked, until the deadline, or until a lease in its
    /// way expires, which is then revoked.
    fn park(&self, deadline: Option<&Deadline>) {
        let Stage::Asleep(asleep) = &self.stage else { return };
        let lease = asleep.at.earliest_expiry();
        asleep.sleeper.park(Deadline::earlier(deadline, lease.as_ref()));
        if lease.is_some_and(|lease| lease.has_passed()) {
            asleep.at.revoke_expired();
        }
    }

    /// Gives up, at whatever stage, and tells which member was blocked by which node.
    fn cancel(mut self) -> (usize, PlainArc<Node>) {
        let first = self.first;
        self.undo().unwrap_or_else(|| (first, node(&self.members[first]).clone()))
    }

    /// The same in place: from here on it has never been.
    pub(super) fn give_up(&mut self) {
        self.undo();
    }

    fn undo(&mut self) -> Option<(usize, PlainArc<Node>)> {
        let mut blocked = None;
        let draining = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Asleep(asleep) => {
                let left = asleep.leave();
                self.has_drained(&asleep);
                blocked = Some((asleep.member, left.in_the_way));
                // If it lapsed, its claims were dropped then.
                asleep.drain.is_some() && left.turn == Turn::Kept
            }
            Stage::Draining(_) => true,
            Stage::Idle | Stage::Done => false,
        };
        if draining {
            drop_all(self.members);
        }
        self.open_gates();
        blocked
    }

    /// Closes the gates of all members and of all their ancestors, once.
    fn close_gates(&mut self, waiter: &Waiter) {
        if std::mem::replace(&mut self.closed_all, true) {
            return;
        }
        for member in self.members {
            let wanted = node(member);
            let here = Waiter { kind: kind(member), wanted: wanted.clone(), place: Place::Here, ..waiter.clone() };
            wanted.close_gate(&here);
            let above = Waiter { place: Place::Above, ..here };
            wanted.ancestors().iter().for_each(|node| node.close_gate(&above));
        }
    }

    fn open_gates(&self) {
        if let Some(sleeper) = &self.sleeper {
            sleeper.open_gates();
        }
    }
}

impl Drop for SetAcquisition<'_> {
    fn drop(&mut self) {
        self.undo();
    }
}

/// Acquires, and blocks the calling thread until it has all members, or until the deadline. The
/// error is the member that was blocked, and the node in its way. `sleeps` is called each time that
/// it is about to sleep, with the same two.
pub(in super::super) fn block_on(
    members: &[Member<MemoryStore>],
    asks: Option<Asks>,
    deadline: Option<&Deadline>,
    mut sleeps: impl FnMut((usize, &PlainArc<Node>)),
) -> Result<(), Refused<(usize, PlainArc<Node>)>> {
    // Free sets are quicker without the machine.
    let claimed = claim_all(members, 0, None);
    if claimed.as_ref().is_ok_and(Vec::is_empty) {
        return Ok(());
    }
    let (mut acquisition, mut first) = (SetAcquisition::new(members).asked_by(asks), true);
    match claimed {
        Ok(inner) => acquisition.stage = Stage::Draining(Drain::new(members, inner)),
        Err(obstacle) => acquisition.first = obstacle.member,
    }
    while acquisition.step() == Step::Asleep {
        acquisition.sleeps_at().into_iter().for_each(&mut sleeps);
        while !acquisition.is_woken() {
            if let Some(deadlock) = acquisition.deadlock(std::mem::take(&mut first)) {
                acquisition.cancel();
                return Err(Refused::Deadlock(deadlock));
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Err(Refused::Blocked(acquisition.cancel()));
            }
            acquisition.park(deadline);
        }
    }
    Ok(())
}
