//! [`Acquiring`]: an acquisition as a future.
//!
//! It is written by hand, as a crowd of them may wait: the compiler keeps what an `async fn` is
//! called with beside what becomes of it. `acquire/tests.rs` states its size.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::grant::{begin_to_wait, grant, task, waited};
use super::{Acquisition, Step, Who};
use crate::backend::{Asker, Backend};
use crate::error::LockError;
use crate::memory::word::Kind;
use crate::memory::{MemoryGrant, MemoryStore};
use crate::observe::Watching;

/// Acquires, as a future. Dropped at any point before it is ready, it leaves the tree as if it had
/// never been.
pub(in crate::memory) enum Acquiring<'a, A: Asker<'a, MemoryStore>> {
    /// Asked for at that place in the code, and not polled yet.
    New(A, &'static Location<'static>),
    /// Its wait is in there from its first sleep on: no bytes if nobody looks.
    Begun(Acquisition<'a, A>, Watching),
    Ready,
}

/// Nothing in it refers to itself.
impl<'a, A: Asker<'a, MemoryStore>> Unpin for Acquiring<'a, A> {}

impl<'a, A: Asker<'a, MemoryStore>> Acquiring<'a, A> {
    #[inline(always)]
    pub(in crate::memory) fn new(asker: A, place: &'static Location<'static>) -> Self {
        Self::New(asker, place)
    }

    /// All that is not the usual lock, free, at the first poll.
    #[inline(never)]
    fn poll_unusual(&mut self, context: &mut Context<'_>) -> Poll<Result<A::Guard, LockError>> {
        let Self::New(asker, place) = *self else { return self.poll_slow(false, context) };
        // The usual one was tried already.
        let is_usual = asker.request().is_plain();
        let at_once = if is_usual { None } else { MemoryStore::acquire_at_once(asker.node(), asker.request()) };
        match at_once {
            Some(grant) => {
                *self = Self::Ready;
                Poll::Ready(Ok(asker.granted(grant)))
            }
            None => self.begin(asker, place, context),
        }
    }

    #[cold]
    fn begin(
        &mut self,
        asker: A,
        place: &'static Location<'static>,
        context: &mut Context<'_>,
    ) -> Poll<Result<A::Guard, LockError>> {
        let mut acquisition = Acquisition::of(asker);
        let (node, kind, asks) = (acquisition.node(), acquisition.kind(), task(acquisition.node(), place));
        if node.claim_looking(kind) {
            *self = Self::Ready;
            return Poll::Ready(Ok(asker.granted(grant(node, kind, asker.request(), asks))));
        }
        acquisition.is_asked_by(asks, Who::Task(context.waker()));
        *self = Self::Begun(acquisition, Watching::default());
        self.poll_slow(true, context)
    }

    /// `first`: it has not slept.
    #[cold]
    fn poll_slow(&mut self, first: bool, context: &mut Context<'_>) -> Poll<Result<A::Guard, LockError>> {
        let Self::Begun(acquisition, waiting) = self else { panic!("a future was polled again after it was ready") };
        let (asker, node, kind) = (acquisition.asked, acquisition.node(), acquisition.kind());
        let result = match acquisition.poll_step(context.waker()) {
            Step::Granted => Ok(()),
            Step::Asleep => match acquisition.deadlock(first) {
                Some(deadlock) => {
                    acquisition.undo();
                    Err(deadlock)
                }
                None => {
                    if first {
                        waiting.set(begin_to_wait(node, kind, asker.request(), acquisition.sleeps_at()));
                    }
                    return Poll::Pending;
                }
            },
        };
        if let Some(waiting) = waiting.take() {
            waited(waiting, asker.request(), &result);
        }
        let asks = acquisition.asks().cloned();
        *self = Self::Ready;
        Poll::Ready(match result {
            Ok(()) => Ok(asker.granted(grant(node, kind, asker.request(), asks).waited_for())),
            Err(deadlock) => Err(LockError::Deadlock(deadlock)),
        })
    }
}

impl<'a, A: Asker<'a, MemoryStore>> Future for Acquiring<'a, A> {
    type Output = Result<A::Guard, LockError>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Little, so that what polls can be compiled in line, too: to move a future just made, and
        // to read it in other widths, takes longer than the lock.
        if let Self::New(asker, _) = *self
            && asker.request().is_plain()
            && asker.node().0.claim_fast(Kind::Xs)
        {
            *self = Self::Ready;
            return Poll::Ready(Ok(asker.granted(MemoryGrant::new(Kind::Xs))));
        }
        self.poll_unusual(context)
    }
}
