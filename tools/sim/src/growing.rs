//! Locks in place of those that are kept below their nodes, as `run/keeping/grow.rs` asks for them:
//! for most of the histories in which something is kept.

use super::chance::Chance;
use super::claim::Place;
use super::plan::MILLI;
use super::process::{State, Waiter};
use super::world::{Event, World};
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::Acquisition;
use crate::redis::protocol::keep::{Found, Growth};
use crate::redis::protocol::lock::Lock;
use crate::request::Kind;

/// The streams of when nodes are grown; of histories that are about that; and of who comes when a
/// node is asked for.
const GROWS: u64 = 12;
pub(super) const STRIDES: u64 = 13;
const COMES: u64 = 14;

/// After how many locks below a node that one is asked for. A simulated node has a few children.
pub(super) fn draw(seed: u64) -> usize {
    Chance::new(seed, GROWS).pick(&[usize::MAX, 2, 2, 3])
}

impl World<'_> {
    /// Before the first request of a caller: what is to be asked for first.
    pub(super) fn grow(&mut self, process: usize, machine: &mut Acquisition<Waiter>, (place, kind): (Place, Kind)) {
        let (now, timing) = (self.clock(process), self.plan.timing);
        let it = &mut self.processes[process];
        let Some(keep) = it.keep.as_ref().filter(|_| machine.may_grow()) else { return };
        let (numbers, name) = (&mut it.numbers, &it.name);
        let growth = keep.grow((&self.targets[&place], kind), (name, &timing), now, |target| {
            *numbers += 1;
            Lock::new(*numbers, name, target.path.clone(), None, timing.lease)
        });
        if let Some(growth) = growth {
            self.cover.see("a node is asked for in place of what is kept below it");
            self.somebody_comes(process, place);
            machine.grows(growth, self.agenda(process));
        }
    }

    /// Where processes stride, another one often wants something there just then: before the
    /// request gets to the server, or between that and the answer.
    fn somebody_comes(&mut self, process: usize, place: Place) {
        let mut chance = Chance::about(self.plan.seed, &[COMES, self.processes[process].incarnation, self.now]);
        if !self.plan.strides || self.is_calm || !chance.hits(0.5) {
            return;
        }
        let other = (process + 1) % self.processes.len();
        let its = &mut self.processes[other].callers;
        let Some(caller) = its.iter().position(|caller| matches!(caller.state, State::Idle)) else { return };
        its[caller].comes = Some(place);
        let at = self.now + chance.magnitude(self.plan.latency.0, 300 * MILLI);
        self.wake(other, caller, at);
    }

    /// What has come of it.
    pub(super) fn grown(&mut self, process: usize, growth: Growth) {
        let (now, incarnation) = (self.clock(process), self.processes[process].incarnation);
        let Some(keep) = &self.processes[process].keep else { return };
        let mut held = Vec::new();
        let grown = keep.grown(growth, now, |lock| held.push(lock.clone()));
        held.iter().for_each(|lock| self.agenda(process).held(lock));
        if grown.is_kept {
            self.cover.see("a lock comes in place of those that are kept below it");
        }
        let at = self.when(process, now + self.plan.keep);
        self.schedule(at, Event::Idles { process, incarnation });
        if !grown.back.is_empty() {
            self.cover.see("what was given for another lock goes back, or that one does");
            self.give_back_kept(process, grown.back);
        }
    }

    /// The same, and the lock that is wanted, if it is to be had below.
    pub(super) fn take_grown(
        &mut self,
        process: usize,
        growth: Growth,
        machine: &Acquisition<Waiter>,
        (place, kind): (Place, Kind),
    ) -> Option<Arc<Lock>> {
        self.grown(process, growth);
        match self.take_below(process, place, kind) {
            Found::It(lock) => {
                machine.is_had_below(self.agenda(process));
                Some(lock)
            }
            Found::Spent(lock) => {
                self.give_back_kept(process, vec![lock]);
                None
            }
            Found::Soon | Found::Nothing => None,
        }
    }
}
