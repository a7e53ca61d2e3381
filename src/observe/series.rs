//! The keys of the metrics: a name with one combination of labels each. They are made once, so that
//! to count allocates and hashes nothing.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, with_recorder};

use super::Store;
use crate::request::{Kind, Mode, Scope};
use crate::sync::OnceLock;

const STORES: [Store; 3] = [Store::Memory, Store::Redis, Store::Other];
const MODES: [Mode; 2] = [Mode::Exclusive, Mode::Shared];
const SCOPES: [Scope; 2] = [Scope::Subtree, Scope::Node];

static METADATA: Metadata<'static> = Metadata::new("mutextree", Level::INFO, Some("mutextree"));

/// A metric of locks: by store, mode and scope, and by outcome if it has any.
pub(super) struct Series {
    name: &'static str,
    outcomes: &'static [&'static str],
    keys: OnceLock<Vec<Key>>,
}

impl Series {
    pub(super) const fn new(name: &'static str, outcomes: &'static [&'static str]) -> Self {
        Self { name, outcomes, keys: OnceLock::new() }
    }

    /// The key of these labels. `outcome` is a place in the list of outcomes; 0 if there is none.
    fn key(&self, store: Store, kind: Kind, outcome: usize) -> &Key {
        let at = ((store as usize * 2 + kind.mode as usize) * 2 + kind.scope as usize) * self.outcomes.len().max(1);
        &self.keys.get_or_init(|| self.all())[at + outcome]
    }

    fn all(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for store in STORES {
            for mode in MODES {
                for scope in SCOPES {
                    let scope = match scope {
                        Scope::Subtree => "subtree",
                        Scope::Node => "node",
                    };
                    let mode = match mode {
                        Mode::Exclusive => "exclusive",
                        Mode::Shared => "shared",
                    };
                    let labels = [("store", store.name()), ("mode", mode), ("scope", scope)];
                    let labels = || labels.iter().map(|&(key, value)| Label::from_static_parts(key, value));
                    if self.outcomes.is_empty() {
                        keys.push(Key::from_parts(self.name, labels().collect::<Vec<_>>()));
                    }
                    for outcome in self.outcomes {
                        let outcome = Label::from_static_parts("outcome", outcome);
                        keys.push(Key::from_parts(self.name, labels().chain([outcome]).collect::<Vec<_>>()));
                    }
                }
            }
        }
        keys
    }

    pub(super) fn counter(&self, store: Store, kind: Kind, outcome: usize) -> Counter {
        with_recorder(|recorder| recorder.register_counter(self.key(store, kind, outcome), &METADATA))
    }

    pub(super) fn gauge(&self, store: Store, kind: Kind) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(self.key(store, kind, 0), &METADATA))
    }

    pub(super) fn histogram(&self, store: Store, kind: Kind, outcome: usize) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(self.key(store, kind, outcome), &METADATA))
    }
}
