//! What is counted with `metrics`: the names, and the calls. The table of them is in
//! `docs/observability.md`.
//!
//! The names follow Prometheus, with the unit at the end and `_total` for counters, as those of
//! most crates do that count with `metrics`. An exporter for Prometheus would have made underscores
//! of dots, and adds no unit by itself.

use std::time::{Duration, Instant};

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram};

use super::Store;
use super::series::Series;
use super::waiting::Outcome;
use crate::error::LockError;
use crate::request::Kind;
use crate::sync::now;

const ACQUISITIONS: &str = "mutextree_lock_acquisitions_total";
const WAIT: &str = "mutextree_lock_wait_seconds";
const WAITING: &str = "mutextree_locks_waiting";
const HELD: &str = "mutextree_locks_held";
const HOLD: &str = "mutextree_lock_hold_seconds";
const LOST: &str = "mutextree_locks_lost_total";
const RENEWALS: &str = "mutextree_lease_renewals_total";
const ROUND_TRIP: &str = "mutextree_redis_round_trip_seconds";
const RETRIES: &str = "mutextree_redis_retries_total";
const RECONNECTIONS: &str = "mutextree_redis_reconnections_total";
const KEPT_REQUESTS: &str = "mutextree_kept_requests_total";
const KEPT_RECALLS: &str = "mutextree_kept_recalls_total";
const KEPT_EXCHANGES: &str = "mutextree_kept_exchanges_total";
const KEPT_GROWTHS: &str = "mutextree_kept_growths_total";
const KEPT_RETURN: &str = "mutextree_kept_return_seconds";

static ACQUISITIONS_BY: Series = Series::new(ACQUISITIONS, &Outcome::NAMES);
static WAIT_BY: Series = Series::new(WAIT, &Outcome::NAMES);
static WAITING_BY: Series = Series::new(WAITING, &[]);
static HELD_BY: Series = Series::new(HELD, &[]);
static HOLD_BY: Series = Series::new(HOLD, &[]);

/// Tells the recorder of `metrics` what each metric of this crate is: its unit and a sentence.
/// Exporters show them. To be called once, after the recorder was installed; metrics are counted
/// without it, too.
///
/// [The list of metrics](crate::docs::observability#metrics) has more.
///
/// ```
/// let recorder = metrics_util::debugging::DebuggingRecorder::new();
/// let snapshotter = recorder.snapshotter();
/// # metrics::with_local_recorder(&recorder, || {
/// mutextree::describe_metrics(); // after `recorder.install()`
/// # });
/// # drop(snapshotter);
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub fn describe_metrics() {
    describe_counter!(ACQUISITIONS, Unit::Count, "Calls that asked for a lock, by what came of them");
    describe_histogram!(WAIT, Unit::Seconds, "How long an acquisition waited, of those that had to");
    describe_gauge!(WAITING, Unit::Count, "Acquisitions that wait now");
    describe_gauge!(HELD, Unit::Count, "Locks that guards hold now");
    describe_histogram!(HOLD, Unit::Seconds, "How long a guard held its lock");
    describe_counter!(LOST, Unit::Count, "Locks that were lost while their guards lived");
    describe_counter!(RENEWALS, Unit::Count, "Leases renewed, by a store or by a call of refresh");
    describe_histogram!(ROUND_TRIP, Unit::Seconds, "From a request to the Redis server to its answer");
    describe_counter!(RETRIES, Unit::Count, "Requests to the Redis server that failed and are sent again");
    describe_counter!(RECONNECTIONS, Unit::Count, "Connections to the Redis server opened after one broke");
    describe_counter!(KEPT_REQUESTS, Unit::Count, "Requests for a lock of a store that keeps: hits were kept");
    describe_counter!(KEPT_RECALLS, Unit::Count, "Recalls of kept locks, by what came of them");
    describe_counter!(KEPT_EXCHANGES, Unit::Count, "Kept locks that became those that were held below them");
    describe_counter!(KEPT_GROWTHS, Unit::Count, "Kept locks that came in place of those kept below their nodes");
    describe_histogram!(KEPT_RETURN, Unit::Seconds, "From a recall until the server has back what was kept");
}

/// An attempt to take a lock has come to this.
pub(super) fn attempted(store: Store, kind: Kind, outcome: Outcome) {
    ACQUISITIONS_BY.counter(store, kind, outcome as usize).increment(1);
}

/// An acquisition that waits.
pub(super) struct Waits(Gauge);

impl Waits {
    pub(super) fn begin(store: Store, kind: Kind) -> Self {
        let gauge = WAITING_BY.gauge(store, kind);
        gauge.increment(1);
        Self(gauge)
    }

    pub(super) fn end(self) {
        self.0.decrement(1);
    }
}

pub(super) fn waited(store: Store, kind: Kind, outcome: Outcome, waited: Duration) {
    WAIT_BY.histogram(store, kind, outcome as usize).record(waited);
}

/// A lock that a guard holds, until this is dropped.
pub(super) struct Holds {
    store: Store,
    pub(super) kind: Kind,
    since: Instant,
    gauge: Gauge,
}

impl Holds {
    pub(super) fn begin(store: Store, kind: Kind) -> Self {
        let gauge = HELD_BY.gauge(store, kind);
        gauge.increment(1);
        Self { store, kind, since: now(), gauge }
    }

    /// Another lock that is held like this one, for as long.
    pub(super) fn again(&self) -> Self {
        let mut other = Self::begin(self.store, self.kind);
        other.since = self.since;
        other
    }

    /// Ends, and goes on as another kind.
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        Self::begin(self.store, kind)
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.gauge.decrement(1);
        HOLD_BY.histogram(self.store, self.kind, 0).record(now().saturating_duration_since(self.since));
    }
}

pub(super) fn lost(store: Store) {
    counter!(LOST, "store" => store.name()).increment(1);
}

pub(super) fn refreshed(store: Store, result: &Result<(), LockError>) {
    let outcome = match result {
        Ok(()) => "renewed",
        Err(LockError::NotHeld { .. }) => "lost",
        Err(_) => "failed",
    };
    renewals(store, outcome, 1);
}

fn renewals(store: Store, outcome: &'static str, count: usize) {
    if count > 0 {
        counter!(RENEWALS, "store" => store.name(), "outcome" => outcome).increment(count as u64);
    }
}

#[cfg(feature = "redis")]
pub(super) use server::recalled;
#[cfg(feature = "redis")]
pub(crate) use server::{Recall, RoundTrip, exchanged, grown, kept, reconnected, renewed, retried};

/// What only a store with a server counts. All of it may be called on the store's own threads,
/// which a recorder that panics does not end.
#[cfg(feature = "redis")]
mod server {
    use metrics::histogram;

    use super::*;
    use crate::sync::contain;

    /// A request under way.
    pub(crate) struct RoundTrip(Instant);

    impl RoundTrip {
        pub(crate) fn begin() -> Self {
            Self(now())
        }

        /// Whether the server answered, be it with an error.
        pub(crate) fn end(self, answered: bool) {
            let took = now().saturating_duration_since(self.0);
            let outcome = if answered { "answered" } else { "failed" };
            contain(|| histogram!(ROUND_TRIP, "outcome" => outcome).record(took));
        }
    }

    /// So many requests failed and will be sent again.
    pub(crate) fn retried(count: usize) {
        if count > 0 {
            contain(|| counter!(RETRIES).increment(count as u64));
        }
    }

    /// What came of renewals that went out together.
    pub(crate) fn renewed(renewed: usize, lost: usize, failed: usize) {
        contain(|| {
            renewals(Store::Redis, "renewed", renewed);
            renewals(Store::Redis, "lost", lost);
            renewals(Store::Redis, "failed", failed);
        });
    }

    pub(crate) fn reconnected() {
        contain(|| counter!(RECONNECTIONS).increment(1));
    }

    /// A lock that might have been kept was asked for. Whether it was.
    pub(crate) fn kept(is_hit: bool) {
        let outcome = if is_hit { "hit" } else { "miss" };
        contain(|| counter!(KEPT_REQUESTS, "outcome" => outcome).increment(1));
    }

    /// A kept lock has become what was held below it.
    pub(crate) fn exchanged() {
        contain(|| counter!(KEPT_EXCHANGES).increment(1));
    }

    /// A kept lock has come in place of those that were kept below its node.
    pub(crate) fn grown() {
        contain(|| counter!(KEPT_GROWTHS).increment(1));
    }

    /// A recall, until all that was kept in its way has gone back.
    pub(crate) struct Recall(Instant);

    impl Recall {
        /// The message has come.
        pub(crate) fn begin() -> Self {
            Self(now())
        }

        /// The server has it back.
        pub(crate) fn end(self) {
            let took = now().saturating_duration_since(self.0);
            contain(|| histogram!(KEPT_RETURN).record(took));
        }
    }

    /// Somebody else wanted a lock, and this came of it.
    pub(in crate::observe) fn recalled(outcome: &'static str) {
        contain(|| counter!(KEPT_RECALLS, "outcome" => outcome).increment(1));
    }
}
