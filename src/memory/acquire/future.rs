//! [`Acquiring`]: an acquisition as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::node::Node;
use super::{Acquisition, Step};
use crate::deadlock::Deadlock;
use crate::sync::PlainArc;

/// Acquires, as a future. Dropped at any point before it is ready, it leaves the tree as if it had
/// never been.
#[derive(Debug)]
pub(in crate::memory) struct Acquiring<'a> {
    acquisition: Acquisition<'a>,
    /// Whether it has slept.
    slept: bool,
}

impl<'a> Acquiring<'a> {
    pub(in crate::memory) fn new(acquisition: Acquisition<'a>) -> Self {
        Self { acquisition, slept: false }
    }

    /// The node in whose queue it is, which is in its way.
    pub(in crate::memory) fn sleeps_at(&self) -> Option<&PlainArc<Node>> {
        self.acquisition.sleeps_at()
    }
}

impl Future for Acquiring<'_> {
    type Output = Result<(), Deadlock>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.acquisition.poll_step(context.waker()) {
            Step::Granted => Poll::Ready(Ok(())),
            Step::Asleep => match this.acquisition.deadlock(!std::mem::replace(&mut this.slept, true)) {
                Some(deadlock) => {
                    this.acquisition.undo();
                    Poll::Ready(Err(deadlock))
                }
                None => Poll::Pending,
            },
        }
    }
}
