//! [`Acquiring`]: an acquisition as a future.
//!
//! It is written by hand, as a crowd of them may wait: the compiler keeps what an `async fn` is
//! called with beside what becomes of it. `acquire/tests.rs` states its size.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::grant::{begin_to_wait, grant, task, waited};
use super::{Acquisition, Stage, Step, Who};
use crate::backend::{Asker, Backend};
use crate::error::LockError;
use crate::memory::MemoryStore;
use crate::observe::Watching;

/// Acquires, as a future. Dropped at any point before it is ready, it leaves the tree as if it had
/// never been.
pub(in crate::memory) struct Acquiring<'a, A: Asker<'a, MemoryStore>> {
    acquisition: Acquisition<'a, A>,
    /// From its first sleep on. No bytes if nobody looks.
    waiting: Watching,
}

/// Nothing in it refers to itself.
impl<'a, A: Asker<'a, MemoryStore>> Unpin for Acquiring<'a, A> {}

impl<'a, A: Asker<'a, MemoryStore>> Acquiring<'a, A> {
    #[inline]
    pub(in crate::memory) fn new(asker: A, place: &'static Location<'static>) -> Self {
        let mut acquisition = Acquisition::of(asker);
        acquisition.stage = Stage::New(place);
        Self { acquisition, waiting: Watching::default() }
    }

    #[cold]
    fn poll_slow(&mut self, context: &mut Context<'_>) -> Poll<Result<A::Guard, LockError>> {
        let Self { acquisition, waiting } = self;
        // It sleeps from one poll to the next, so a new one has not slept.
        let first = matches!(acquisition.stage, Stage::New(_));
        let (asker, node, kind) = (acquisition.asked, acquisition.node(), acquisition.kind());
        match acquisition.stage {
            Stage::New(place) => {
                let asks = task(node, place);
                if node.claim_looking(kind) {
                    acquisition.stage = Stage::Done;
                    return Poll::Ready(Ok(asker.granted(grant(node, kind, asker.request(), asks))));
                }
                acquisition.is_asked_by(asks, Who::Task(context.waker()));
            }
            Stage::Done => panic!("a future was polled again after it was ready"),
            Stage::Idle | Stage::Draining(_) | Stage::Asleep(_) => {}
        }
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
        Poll::Ready(match result {
            Ok(()) => {
                let asks = acquisition.asks().cloned();
                Ok(asker.granted(grant(node, kind, asker.request(), asks)))
            }
            Err(deadlock) => Err(LockError::Deadlock(deadlock)),
        })
    }
}

impl<'a, A: Asker<'a, MemoryStore>> Future for Acquiring<'a, A> {
    type Output = Result<A::Guard, LockError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let asker = self.acquisition.asked;
        if matches!(self.acquisition.stage, Stage::New(_))
            && let Some(grant) = MemoryStore::acquire_at_once(Asker::node(asker), asker.request())
        {
            self.acquisition.stage = Stage::Done;
            return Poll::Ready(Ok(asker.granted(grant)));
        }
        self.poll_slow(context)
    }
}
