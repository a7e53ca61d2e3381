//! [`Snapshot`]: who holds and who waits.

use mutextree::{Kind, Mode, Scope, TreePath};
use pyo3::prelude::*;

/// Who holds and who waits in a tree of locks. ``str()`` draws it as a tree, one line a lock.
///
/// It is taken a node at a time and stops nobody, so locks come and go while it is taken.
#[pyclass(frozen, module = "mutextree")]
pub(crate) struct Snapshot(mutextree::Snapshot);

impl Snapshot {
    pub(crate) fn new(snapshot: mutextree::Snapshot) -> Self {
        Self(snapshot)
    }
}

/// One lock that is held.
#[pyclass(frozen, get_all, module = "mutextree")]
pub(crate) struct HeldLock {
    /// The locked node, as text.
    path: String,
    /// The names of the nodes from the root to it.
    nodes_names: Vec<String>,
    /// Whether other readers may hold it, too.
    shared: bool,
    /// Whether it leaves out what is below.
    node_only: bool,
    /// The holder's ``holder_id``.
    owner: Option<String>,
    /// The seconds until its lease ends; None if it has none.
    remaining: Option<f64>,
    /// For how many seconds it has been held, if that is known.
    held_for: Option<f64>,
    /// Its fencing token, if that is known.
    fencing_token: Option<u64>,
    /// The holder's connection to Redis; None in memory.
    client: Option<String>,
    /// Whether its client may be keeping it without a user: then it gives it back as soon as
    /// somebody else wants it.
    may_be_kept: bool,
}

/// One lock that somebody waits for.
#[pyclass(frozen, get_all, module = "mutextree")]
pub(crate) struct WaitingLock {
    /// The node that is waited for, as text.
    path: String,
    /// The names of the nodes from the root to it.
    nodes_names: Vec<String>,
    /// Whether it is to be shared with other readers.
    shared: bool,
    /// Whether it leaves out what is below.
    node_only: bool,
    /// The waiter's ``holder_id``.
    owner: Option<String>,
    /// For how many seconds it has waited, if that is known.
    waited: Option<f64>,
    /// The waiter's connection to Redis; None in memory.
    client: Option<String>,
    /// If it is one of several that are waited for as one, which other clients can do: a number
    /// that these have in common in this snapshot.
    set: Option<u64>,
    /// Whether the waiter holds the node as shared, and wants it for itself, which other clients
    /// can do.
    upgrades: bool,
    /// The path of what is in its way: a lock, or an earlier waiter. None if its turn has come.
    behind: Option<String>,
}

#[pymethods]
impl Snapshot {
    /// Each lock that is held, in the order of paths.
    #[getter]
    fn holders(&self) -> Vec<HeldLock> {
        let held = self.0.holders().map(|lock| HeldLock {
            path: lock.path.to_string(),
            nodes_names: names(&lock.path),
            shared: is_shared(lock.kind),
            node_only: is_node_only(lock.kind),
            owner: lock.owner.as_ref().map(ToString::to_string),
            remaining: lock.remaining.map(|time| time.as_secs_f64()),
            held_for: lock.held_for.map(|time| time.as_secs_f64()),
            fencing_token: lock.fencing_token,
            client: lock.client.clone(),
            may_be_kept: lock.may_be_kept,
        });
        held.collect()
    }

    /// Each lock that is waited for, in the order in which the waiters get their turn.
    #[getter]
    fn waiters(&self) -> Vec<WaitingLock> {
        let waiting = self.0.waiters().map(|waiter| WaitingLock {
            path: waiter.path.to_string(),
            nodes_names: names(&waiter.path),
            shared: is_shared(waiter.kind),
            node_only: is_node_only(waiter.kind),
            owner: waiter.owner.as_ref().map(ToString::to_string),
            waited: waiter.waited.map(|time| time.as_secs_f64()),
            client: waiter.client.clone(),
            set: waiter.set,
            upgrades: waiter.upgrades,
            behind: waiter.behind.as_ref().map(|blocker| blocker.path().to_string()),
        });
        waiting.collect()
    }

    /// The same as a graph for Graphviz.
    fn to_dot(&self) -> String {
        self.0.to_dot().to_string()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot: {} held, {} waiting>", self.0.holders().len(), self.0.waiters().len())
    }
}

#[pymethods]
impl HeldLock {
    fn __repr__(&self) -> String {
        described("HeldLock", &self.path, self.shared, self.node_only, &self.owner)
    }
}

#[pymethods]
impl WaitingLock {
    fn __repr__(&self) -> String {
        described("WaitingLock", &self.path, self.shared, self.node_only, &self.owner)
    }
}

fn described(what: &str, path: &str, shared: bool, node_only: bool, owner: &Option<String>) -> String {
    let shared = if shared { ", shared" } else { "" };
    let node_only = if node_only { ", node only" } else { "" };
    let owner = owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
    format!("<{what}: {path}{shared}{node_only}{owner}>")
}

fn names(path: &TreePath) -> Vec<String> {
    path.components().map(ToOwned::to_owned).collect()
}

fn is_shared(kind: Kind) -> bool {
    kind.mode == Mode::Shared
}

fn is_node_only(kind: Kind) -> bool {
    kind.scope == Scope::Node
}
