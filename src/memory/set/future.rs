//! [`AcquiringSet`]: the acquisition of a set as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::acquire::SetAcquisition;
use crate::deadlock::Deadlock;
use crate::memory::acquire::Step;
use crate::memory::node::Node;
use crate::sync::PlainArc;

/// Acquires, as a future. Dropped at any point before it is ready, it leaves the tree as if it had
/// never been. It gives the member for which it slept at first, if it did.
#[derive(Debug)]
pub(super) struct AcquiringSet<'a> {
    acquisition: SetAcquisition<'a>,
    slept_for: Option<usize>,
}

impl<'a> AcquiringSet<'a> {
    pub(super) fn new(acquisition: SetAcquisition<'a>) -> Self {
        Self { acquisition, slept_for: None }
    }

    /// The member for which it sleeps, and the node in whose queue it is.
    pub(super) fn sleeps_at(&self) -> Option<(usize, &PlainArc<Node>)> {
        self.acquisition.sleeps_at()
    }
}

impl Future for AcquiringSet<'_> {
    type Output = (usize, Result<(), Deadlock>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.acquisition.poll_step(context.waker()) == Step::Granted {
            return Poll::Ready((this.slept_for.unwrap_or(0), Ok(())));
        }
        let first = this.slept_for.is_none();
        let member = this.acquisition.sleeps_at().map_or(0, |(member, _)| member);
        let slept_for = *this.slept_for.get_or_insert(member);
        match this.acquisition.deadlock(first) {
            Some(deadlock) => {
                this.acquisition.give_up();
                Poll::Ready((slept_for, Err(deadlock)))
            }
            None => Poll::Pending,
        }
    }
}
