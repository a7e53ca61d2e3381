//! An acquisition that asks for the node above first, in place of what is kept there
//! (`keep/grow.rs`). Whatever comes of that, it goes on as if it had not.

use super::super::agenda::Agenda;
use super::super::calls::Acquired;
use super::super::keep::Growth;
use super::{Acquisition, Step};
use crate::redis::error::Failure;

impl<W: Clone> Acquisition<W> {
    /// Whether it has asked for nothing yet, and wants a single lock whose lease renews itself.
    pub(in crate::redis) fn may_grow(&self) -> bool {
        self.began == 0 && self.wanted.len() == 1 && !self.wanted.iter().any(|it| it.ends)
    }

    /// It asks for this first. From now on nobody renews what is given for it.
    pub(in crate::redis) fn grows(&mut self, growth: Growth, agenda: &mut Agenda<W>) {
        growth.given().for_each(|lock| _ = agenda.forget(lock));
        self.growth = Some(Box::new(growth));
    }

    /// The lock is had below what came of that: the server has never heard of this one.
    pub(in crate::redis) fn is_had_below(&self, agenda: &mut Agenda<W>) {
        agenda.forget(&self.lock);
    }

    pub(super) fn grown(
        &mut self,
        mut growth: Box<Growth>,
        answer: Result<Acquired, Failure>,
        sent: u64,
        now: u64,
        agenda: &mut Agenda<W>,
    ) -> Step {
        if let Some(release) = growth.answered(&answer, sent) {
            agenda.give_up(release, now);
        }
        match answer {
            Ok(Acquired::Granted { more, .. } | Acquired::Cancelled(more)) => agenda.left_over(more),
            Ok(Acquired::Blocked(by)) => agenda.left_over(by.more),
            Ok(_) => {}
            Err(failure) => self.failures += u32::from(failure.is_silence()),
        }
        Step::Grown(growth)
    }
}
