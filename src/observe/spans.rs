//! What is said to `tracing`: a span for each wait, and events. The table of them is in
//! `docs/observability.md`.
//!
//! No span is ever entered while something waits: it is made, what came of it is recorded, and it
//! ends. So it may live in a future that goes from thread to thread.

use std::time::Duration;

use tracing::field::{Empty, display};
use tracing::{Span, debug_span, info, warn};

use super::Store;
use super::waiting::Outcome;
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::{Owner, Request};

const WAIT: &str = "mutextree::wait";
const LOSS: &str = "mutextree::loss";
#[cfg(feature = "redis")]
const CONNECTION: &str = "mutextree::connection";
#[cfg(feature = "redis")]
const RECALL: &str = "mutextree::recall";

/// The span of one wait.
pub(super) struct WaitSpan(Span);

impl WaitSpan {
    /// `blocker` is asked only if the span is wanted.
    pub(super) fn begin(
        store: Store,
        path: &TreePath,
        request: &Request,
        blocker: impl FnOnce() -> Option<Blocker>,
    ) -> Self {
        let span = debug_span!(
            target: WAIT,
            "mutextree.lock",
            %path,
            mode = %request.kind.mode,
            scope = %request.kind.scope,
            owner = request.owner.as_ref().map(Owner::as_str),
            store = store.name(),
            blocker = Empty,
            blocker_owner = Empty,
            waited = Empty,
            outcome = Empty,
        );
        if !span.is_disabled()
            && let Some(blocker) = blocker()
        {
            span.record("blocker", display(blocker.path()));
            span.record("blocker_owner", blocker.owner().map(Owner::as_str));
        }
        Self(span)
    }

    /// `timed_out` says what was asked for, and what was in the way, if its time is up.
    pub(super) fn end(self, store: Store, outcome: Outcome, waited: Duration, timed_out: Option<(&Request, &Blocker)>) {
        self.0.record("waited", waited.as_secs_f64());
        self.0.record("outcome", outcome.name());
        let Some((request, blocker)) = timed_out else { return };
        self.0.in_scope(|| {
            info!(
                target: WAIT,
                path = %blocker.wanted(),
                mode = %request.kind.mode,
                scope = %request.kind.scope,
                owner = request.owner.as_ref().map(Owner::as_str),
                store = store.name(),
                blocker = %blocker.path(),
                blocker_owner = blocker.owner().map(Owner::as_str),
                waited = waited.as_secs_f64(),
                "timed out waiting for a lock"
            );
        });
    }
}

pub(super) fn lost(store: Store, path: &TreePath, owner: Option<&Owner>, fencing_token: Option<u64>) {
    warn!(
        target: LOSS,
        %path,
        owner = owner.map(Owner::as_str),
        fencing_token,
        store = store.name(),
        "a lock was lost: its lease has ended"
    );
}

#[cfg(feature = "redis")]
pub(super) fn reconnected(server: &str) {
    info!(target: CONNECTION, server, "connected again");
}

#[cfg(feature = "redis")]
pub(super) fn moved(server: &str, from: &str, to: &str) {
    info!(target: CONNECTION, server, from, to, "found another server");
}

#[cfg(feature = "redis")]
pub(super) fn recalled(path: &TreePath, kind: crate::request::Kind, outcome: &str, recalled: super::Recalled) {
    let super::Recalled { given_back, exchanged, in_use } = recalled;
    tracing::debug!(
        target: RECALL,
        %path,
        mode = %kind.mode,
        scope = %kind.scope,
        store = Store::Redis.name(),
        given_back,
        exchanged,
        in_use,
        outcome,
        "somebody else wants what may be kept here"
    );
}
