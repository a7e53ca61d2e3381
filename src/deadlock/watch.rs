//! [`Watch`]: the rounds that a store with deadlock detection makes while somebody waits.
//!
//! One thread a store. It starts when a wait begins to sleep, makes a round now and then, and ends
//! when there has been nobody for a while. A round is one look and its verdicts; a cycle that is
//! seen for the first time is looked at again soon. Nobody waits for a round: a waiter that could
//! be in a cycle with itself by way of others only asks for one at once.

use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use super::Deadlock;
use super::graph::{Detector, Scene};
use crate::sync::{PlainArc, PlainWeak, Reason, Rounds, now};

/// How long a store waits between two rounds, and before the first.
const PAUSE: Duration = Duration::from_millis(250);
/// The second look at a cycle comes after this.
const CONFIRM: Duration = Duration::from_millis(50);
/// The same if a round was asked for at once.
const CONFIRM_SOON: Duration = Duration::from_millis(2);
/// A round may take one part in so many of the time.
const SHARE: u32 = 5;
/// The thread makes a round after this at the latest, however long one takes.
const LONGEST: Duration = Duration::from_secs(10);

/// What a store says of its waits.
pub(crate) trait Looks: Send + Sync + 'static {
    /// Tells one wait from all others.
    type Key: Clone + Eq + Hash + Send;

    /// Who waits for whom. `None` if that cannot be said now.
    fn look(self: &PlainArc<Self>) -> Option<Scene<Self::Key>>;

    /// Ends a wait, if it still waits.
    fn condemn(self: &PlainArc<Self>, wait: &Self::Key, deadlock: Deadlock);
}

/// Looks for deadlocks in a store while somebody waits there.
pub(crate) struct Watch(PlainArc<Rounds>);

/// Somebody waits, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Rest(#[allow(dead_code, reason = "what counts is when it is dropped")] Option<Reason>);

impl Watch {
    pub(crate) fn new() -> Self {
        Self(Rounds::new())
    }

    /// Somebody begins to wait in this store.
    pub(crate) fn begin<L: Looks>(&self, store: PlainWeak<L>) -> Rest {
        Rest(self.0.reason(PAUSE, || {
            let mut detector = Detector::new();
            Box::new(move |hurried| store.upgrade().map(|store| round(&store, &mut detector, hurried)))
        }))
    }

    /// A round is to be made at once.
    pub(crate) fn hurry(&self) {
        self.0.hurry();
    }
}

/// One round, and for how long to wait before the next.
fn round<L: Looks>(store: &PlainArc<L>, detector: &mut Detector<L::Key>, hurried: bool) -> Duration {
    let begun = now();
    let Some(scene) = store.look() else {
        detector.forget();
        return PAUSE;
    };
    let found = detector.look(&scene);
    drop(scene);
    for (wait, deadlock) in found.verdicts {
        store.condemn(&wait, deadlock);
    }
    match (found.suspects, hurried) {
        (true, true) => CONFIRM_SOON,
        (true, false) => CONFIRM,
        _ => (begun.elapsed() * (SHARE - 1)).clamp(PAUSE, LONGEST),
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
