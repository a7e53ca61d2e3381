//! [`Acquiring`]: an acquisition as a future.
//!
//! It is written by hand, as a crowd of them may wait: the compiler keeps what an `async fn` is
//! called with beside what becomes of it. `acquire/tests.rs` states its size.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::grant::{MemoryGrant, begin_to_wait, grant, task, waited};
use super::super::node::Node;
use super::super::word::Kind;
use super::{Acquisition, Stage, Step};
use crate::error::LockError;
use crate::observe::Waiting;
use crate::request::Request;
use crate::sync::PlainArc;

/// Acquires, as a future. Dropped at any point before it is ready, it leaves the tree as if it had
/// never been.
pub(in crate::memory) struct Acquiring<'a> {
    acquisition: Acquisition<'a>,
    request: &'a Request,
    /// Where in the code it was asked for.
    place: &'static Location<'static>,
    /// From its first sleep on.
    waiting: Option<Waiting>,
}

impl<'a> Acquiring<'a> {
    #[inline]
    pub(in crate::memory) fn new(
        node: &'a PlainArc<Node>,
        request: &'a Request,
        place: &'static Location<'static>,
    ) -> Self {
        let acquisition = Acquisition::new(node, Kind::of(request), request.owner.as_ref());
        Self { acquisition, request, place, waiting: None }
    }
}

impl Future for Acquiring<'_> {
    type Output = Result<MemoryGrant, LockError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Acquisition { node, kind, .. } = this.acquisition;
        match this.acquisition.stage {
            // It sleeps from one poll to the next, so this is the first.
            Stage::Idle if node.claim_looking(kind) => this.acquisition.stage = Stage::Done,
            Stage::Idle => this.acquisition.asks = task(node, this.place).map(Box::new),
            Stage::Done => panic!("a future was polled again after it was ready"),
            Stage::Draining(_) | Stage::Asleep(_) => {}
        }
        let result = match this.acquisition.poll_step(context.waker()) {
            Step::Granted => Ok(()),
            Step::Asleep => match this.acquisition.deadlock(this.waiting.is_none()) {
                Some(deadlock) => {
                    this.acquisition.undo();
                    Err(deadlock)
                }
                None => {
                    if this.waiting.is_none() {
                        this.waiting = Some(begin_to_wait(node, kind, this.request, this.acquisition.sleeps_at()));
                    }
                    return Poll::Pending;
                }
            },
        };
        if let Some(waiting) = this.waiting.take() {
            waited(waiting, this.request, &result);
        }
        Poll::Ready(match result {
            Ok(()) => Ok(grant(node, kind, this.request, task(node, this.place))),
            Err(deadlock) => Err(LockError::Deadlock(deadlock)),
        })
    }
}
