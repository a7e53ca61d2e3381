//! [`AcquiringSet`]: the acquisition of a set as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::acquire::SetAcquisition;
use crate::backend::Member;
use crate::memory::MemoryStore;
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
    pub(super) fn new(members: &'a [Member<MemoryStore>]) -> Self {
        Self { acquisition: SetAcquisition::new(members), slept_for: None }
    }

    /// The member for which it sleeps, and the node in whose queue it is.
    pub(super) fn sleeps_at(&self) -> Option<(usize, &PlainArc<Node>)> {
        self.acquisition.sleeps_at()
    }
}

impl Future for AcquiringSet<'_> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        match self.acquisition.poll_step(context.waker()) {
            Step::Granted => Poll::Ready(self.slept_for.unwrap_or(0)),
            Step::Asleep => {
                self.slept_for = self.slept_for.or_else(|| self.sleeps_at().map(|(member, _)| member));
                Poll::Pending
            }
        }
    }
}
