//! An acquisition: its attempt, its wait, and what came of it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::time::Instant;

use super::Store;
use super::meters::{self, Waits};
use super::spans::{self, WaitSpan};
use crate::backend::{Backend, Member};
use crate::error::{Blocker, LockError};
use crate::path::TreePath;
use crate::request::{Kind, Owner, Request, Wait};
use crate::sync::{contain, now};

/// Whether anybody wants to know that a task has to wait.
pub(crate) const SEES_WAITS: bool = true;

/// What came of an acquisition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acquired,
    WouldBlock,
    TimedOut,
    Failed,
    /// Its future was dropped, or its thread unwound.
    Cancelled,
}

impl Outcome {
    pub(super) const NAMES: [&'static str; 5] = ["acquired", "would_block", "timed_out", "failed", "cancelled"];

    fn of_error(error: &LockError) -> Self {
        match error {
            LockError::WouldBlock { .. } => Self::WouldBlock,
            LockError::TimedOut { .. } => Self::TimedOut,
            _ => Self::Failed,
        }
    }

    #[cfg_attr(not(feature = "tracing"), allow(dead_code))]
    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A wait, from when the lock was seen not to be free. Dropped without an
/// [end](Self::ended), it was cancelled.
pub(crate) struct Waiting {
    store: Store,
    kind: Kind,
    since: Instant,
    /// `None` once the wait is over, or if to begin it panicked.
    shown: Option<(WaitSpan, Waits)>,
}

impl Waiting {
    /// A wait begins. `blocker` says what is in the way, and is asked only if that is to be shown.
    pub(crate) fn begin(
        store: Store,
        path: &TreePath,
        request: &Request,
        blocker: impl FnOnce() -> Option<Blocker>,
    ) -> Self {
        Self::begin_at(now(), store, path, request, blocker)
    }

    fn begin_at(
        since: Instant,
        store: Store,
        path: &TreePath,
        request: &Request,
        blocker: impl FnOnce() -> Option<Blocker>,
    ) -> Self {
        let (kind, mut shown) = (request.kind, None);
        contain(|| shown = Some((WaitSpan::begin(store, path, request, blocker), Waits::begin(store, kind))));
        Self { store, kind, since, shown }
    }

    /// The wait is over, and this came of the acquisition.
    pub(crate) fn ended<T>(mut self, request: &Request, result: &Result<T, LockError>) {
        let outcome = result.as_ref().map_or_else(Outcome::of_error, |_| Outcome::Acquired);
        let timed_out = match result {
            Err(LockError::TimedOut { blocker }) => Some((request, blocker)),
            _ => None,
        };
        self.end(outcome, timed_out);
    }

    fn end(&mut self, outcome: Outcome, timed_out: Option<(&Request, &Blocker)>) {
        if let Some((span, waits)) = self.shown.take() {
            let waited = now().saturating_duration_since(self.since);
            contain(|| {
                waits.end();
                meters::waited(self.store, self.kind, outcome, waited);
                span.end(self.store, outcome, waited, timed_out);
            });
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled, None);
    }
}

/// A recorder's handle and a subscriber's span are in there, which are only called, and never while
/// something of ours is half changed.
impl UnwindSafe for Waiting {}
impl RefUnwindSafe for Waiting {}

/// The wait of a future, once it has begun.
#[derive(Default)]
pub(crate) struct Watching(Option<Waiting>);

impl Watching {
    pub(crate) fn set(&mut self, waiting: Waiting) {
        self.0 = Some(waiting);
    }

    /// It is over.
    pub(crate) fn take(&mut self) -> Option<Waiting> {
        self.0.take()
    }
}

/// That a task has to wait, as another thread found out, for its future to take up when it is next
/// polled.
#[derive(Debug, Default)]
pub(crate) struct News(Option<(Instant, Option<Blocker>)>);

impl News {
    /// It has to wait for that.
    pub(crate) fn tell(&mut self, blocker: Option<Blocker>) {
        self.0 = Some((now(), blocker));
    }

    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// Begins the wait of a future, if there is news and it has not begun.
    pub(crate) fn begin(self, waiting: &mut Option<Waiting>, store: Store, path: &TreePath, request: &Request) {
        if let (Some((since, blocker)), None) = (self.0, &waiting) {
            *waiting = Some(Waiting::begin_at(since, store, path, request, || blocker));
        }
    }
}

/// [`Backend::acquire`].
#[inline(always)]
#[track_caller]
pub(crate) fn acquire<S: Backend>(node: &S::Node, request: &Request, wait: Wait) -> Result<S::Grant, LockError> {
    let result = match Store::of::<S>() {
        Store::Other => acquire_other::<S>(node, request, wait),
        Store::Memory | Store::Redis => S::acquire(node, request, wait),
    };
    match result {
        Ok(grant) => Ok(grant),
        Err(error) => Err(failed(Store::of::<S>(), request.kind, error)),
    }
}

#[cold]
fn failed(store: Store, kind: Kind, error: LockError) -> LockError {
    contain(|| meters::attempted(store, kind, Outcome::of_error(&error)));
    error
}

/// For a store that says nothing: a first try tells whether it has to wait.
#[track_caller]
fn acquire_other<S: Backend>(node: &S::Node, request: &Request, wait: Wait) -> Result<S::Grant, LockError> {
    let blocker = match S::acquire(node, request, Wait::Never) {
        Err(LockError::WouldBlock { blocker }) => blocker,
        other => return other,
    };
    if wait == Wait::Never || wait.deadline().is_some_and(|deadline| deadline <= now()) {
        return Err(LockError::refused(wait, blocker));
    }
    let waiting = Waiting::begin(Store::Other, S::path(node), request, || Some(blocker));
    let result = S::acquire(node, request, wait);
    waiting.ended(request, &result);
    result
}

/// [`Backend::acquire_async`].
pub(crate) async fn acquire_async<S: Backend>(
    node: &S::Node,
    request: &Request,
    place: &'static Location<'static>,
) -> Result<S::Grant, LockError> {
    let attempt = Attempt { store: Store::of::<S>(), kind: request.kind };
    let result = match attempt.store {
        Store::Other => acquire_other_async::<S>(node, request).await,
        Store::Memory | Store::Redis => S::acquire_async_at(node, request, place).await,
    };
    let Attempt { store, kind } = *ManuallyDrop::new(attempt);
    result.map_err(|error| failed(store, kind, error))
}

/// A future that asks for a lock. Dropped, it was cancelled.
struct Attempt {
    store: Store,
    kind: Kind,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        contain(|| meters::attempted(self.store, self.kind, Outcome::Cancelled));
    }
}

/// A future that begins a wait when it is not ready, and ends it when it is.
pub(crate) async fn watch<F: Future>(
    future: F,
    begin: impl FnOnce(&F) -> Waiting,
    end: impl FnOnce(Waiting, &F::Output),
) -> F::Output {
    let (mut future, mut begin, mut waiting) = (pin!(future), Some(begin), None);
    let result = poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending()
            && let Some(begin) = begin.take()
        {
            waiting = Some(begin(&future));
        }
        polled
    })
    .await;
    if let Some(waiting) = waiting {
        end(waiting, &result);
    }
    result
}

thread_local! {
    static ENDS_ITSELF: Cell<bool> = const { Cell::new(false) };
}

/// The future that is being polled begins and ends its wait by itself.
pub(crate) fn ends_itself() {
    ENDS_ITSELF.set(true);
}

/// For a store that says nothing: what is not ready at its first poll has to wait.
async fn acquire_other_async<S: Backend>(node: &S::Node, request: &Request) -> Result<S::Grant, LockError> {
    begin_if_pending(S::acquire_async(node, request), S::path(node), request).await
}

async fn begin_if_pending<T>(
    future: impl Future<Output = Result<T, LockError>>,
    path: &TreePath,
    request: &Request,
) -> Result<T, LockError> {
    let mut future = pin!(future);
    let (mut is_first, mut waiting) = (true, None);
    let result = poll_fn(|context| {
        if !std::mem::take(&mut is_first) {
            return future.as_mut().poll(context);
        }
        ENDS_ITSELF.set(false);
        let polled = future.as_mut().poll(context);
        if polled.is_pending() && !ENDS_ITSELF.replace(false) {
            waiting = Some(Waiting::begin(Store::Other, path, request, || None));
        }
        polled
    })
    .await;
    if let Some(waiting) = waiting {
        waiting.ended(request, &result);
    }
    result
}

/// The member of a set that an error names; else the first one.
fn blocked<'a, S: Backend>(members: &'a [Member<S>], path: Option<&TreePath>) -> &'a Member<S> {
    members.iter().find(|member| Some(S::path(&member.node)) == path).unwrap_or(&members[0])
}

/// [`Backend::acquire_all`]. A set is an attempt, and a wait, for the member that is blocked.
#[track_caller]
pub(crate) fn acquire_all<S: Backend>(members: &[Member<S>], wait: Wait) -> Result<Vec<S::Grant>, LockError> {
    let store = Store::of::<S>();
    let result = match store {
        Store::Other => acquire_all_other(members, wait),
        Store::Memory | Store::Redis => S::acquire_all(members, wait),
    };
    result.map_err(|error| failed(store, blocked(members, error.path()).request.kind, error))
}

#[track_caller]
fn acquire_all_other<S: Backend>(members: &[Member<S>], wait: Wait) -> Result<Vec<S::Grant>, LockError> {
    let blocker = match S::acquire_all(members, Wait::Never) {
        Err(LockError::WouldBlock { blocker }) => blocker,
        other => return other,
    };
    if wait == Wait::Never || wait.deadline().is_some_and(|deadline| deadline <= now()) {
        return Err(LockError::refused(wait, blocker));
    }
    let member = blocked(members, Some(blocker.wanted()));
    let waiting = Waiting::begin(Store::Other, S::path(&member.node), &member.request, || Some(blocker));
    let result = S::acquire_all(members, wait);
    waiting.ended(&member.request, &result);
    result
}

/// [`Backend::acquire_all_async`].
pub(crate) async fn acquire_all_async<S: Backend>(
    members: &[Member<S>],
    place: &'static Location<'static>,
) -> Result<Vec<S::Grant>, LockError> {
    let attempt = Attempt { store: Store::of::<S>(), kind: members[0].request.kind };
    let result = match attempt.store {
        Store::Other => {
            let first = &members[0];
            begin_if_pending(S::acquire_all_async(members), S::path(&first.node), &first.request).await
        }
        Store::Memory | Store::Redis => S::acquire_all_async_at(members, place).await,
    };
    let store = ManuallyDrop::new(attempt).store;
    result.map_err(|error| failed(store, blocked(members, error.path()).request.kind, error))
}

/// [`Backend::release_all`], as [`release`].
pub(crate) fn release_all<S: Backend>(members: &[Member<S>], grants: Vec<S::Grant>) -> Result<(), LockError> {
    let result = S::release_all(members, grants);
    if let (Store::Other, Err(LockError::NotHeld { path })) = (Store::of::<S>(), &result) {
        lost(Store::Other, path, None, None);
    }
    result
}

/// [`Backend::refresh`] has returned that.
pub(crate) fn refreshed<S: Backend>(result: Result<(), LockError>) -> Result<(), LockError> {
    contain(|| meters::refreshed(Store::of::<S>(), &result));
    result
}

/// [`Backend::release`] for the lock of a guard. A store that says nothing of losses says here that
/// the lock had been lost.
#[inline(always)]
pub(crate) fn release<S: Backend>(node: &S::Node, grant: S::Grant) -> Result<(), LockError> {
    let result = S::release(node, grant);
    if Store::of::<S>() == Store::Other && matches!(result, Err(LockError::NotHeld { .. })) {
        lost(Store::Other, S::path(node), None, None);
    }
    result
}

/// A lock was lost while its guard lived. A subscriber that panics does not end the thread that has
/// noticed it.
#[cold]
pub(crate) fn lost(store: Store, path: &TreePath, owner: Option<&Owner>, fencing_token: Option<u64>) {
    contain(|| {
        meters::lost(store);
        spans::lost(store, path, owner, fencing_token);
    });
}
