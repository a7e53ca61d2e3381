//! The provided `acquire_async`, which waits on a thread of its own: what a dropped wait may leave
//! behind for a moment. The store has gates, so that the order is always that one.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mutextree::{Backend, LockError, Mode, PathRef, Request, Scope, TreePath, Wait};

use crate::common::asking::{AT_MOST, asking};
use crate::common::hand::queued;
use crate::common::kinds::{EXCLUSIVE, mutex};
use crate::common::naive::{Grant, NaiveStore, Node};

/// What happens on the thread that waits for the future: each time it tells, and goes on when it is
/// let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is about to ask for the lock.
    Asks,
    /// It has it, and nobody knows yet.
    Has,
    /// It has given it back, and the store had it.
    GaveBack(bool),
}

/// A store that stops that thread at each step.
#[derive(Clone)]
struct Gated {
    store: NaiveStore,
    gate: Arc<Gate>,
}

struct Gate {
    told: SyncSender<Step>,
    opens: Mutex<Receiver<()>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    fn pass(&self, step: Step) {
        if thread::current().name() == Some("mutextree-acquire") {
            self.told.send(step).unwrap();
            self.opens.lock().unwrap().recv_timeout(AT_MOST).unwrap();
        }
    }
}

impl Backend for Gated {
    type Node = (Node, Arc<Gate>);
    type Grant = Grant;

    fn resolve(&self, path: PathRef<'_>) -> Self::Node {
        (self.store.resolve(path), self.gate.clone())
    }

    fn path((node, _): &Self::Node) -> &TreePath {
        NaiveStore::path(node)
    }

    fn acquire((node, gate): &Self::Node, request: &Request, wait: Wait) -> Result<Grant, LockError> {
        gate.pass(Step::Asks);
        let result = NaiveStore::acquire(node, request, wait);
        if result.is_ok() {
            gate.pass(Step::Has);
        }
        result
    }

    fn release((node, gate): &Self::Node, grant: Grant) -> Result<(), LockError> {
        let result = NaiveStore::release(node, grant);
        gate.pass(Step::GaveBack(result.is_ok()));
        result
    }

    fn downgrade((node, _): &Self::Node, grant: &mut Grant) -> Result<(), LockError> {
        NaiveStore::downgrade(node, grant)
    }

    fn mode(grant: &Grant) -> Mode {
        NaiveStore::mode(grant)
    }

    fn fencing_token((node, _): &Self::Node, grant: &Grant) -> u64 {
        NaiveStore::fencing_token(node, grant)
    }

    fn is_held((node, _): &Self::Node, grant: &Grant) -> bool {
        NaiveStore::is_held(node, grant)
    }

    fn refresh((node, _): &Self::Node, grant: &Grant, lease: Option<Duration>) -> Result<(), LockError> {
        NaiveStore::refresh(node, grant, lease)
    }

    fn is_locked((node, _): &Self::Node, scope: Scope) -> bool {
        NaiveStore::is_locked(node, scope)
    }
}

/// The wait was dropped, and its thread is granted the lock after that. It is in the way until the
/// thread gives it back, which it does by itself. Whoever waits for it then goes on.
#[test]
fn what_a_dropped_wait_is_granted_goes_back_at_once() {
    let (told, tells) = sync_channel(0);
    let (open, opens) = sync_channel(1);
    let store = Gated { store: NaiveStore::default(), gate: Arc::new(Gate { told, opens: Mutex::new(opens) }) };
    let next = || tells.recv_timeout(AT_MOST).expect("its thread goes on");
    let held = mutex(&store, "a", EXCLUSIVE).try_lock_owned().unwrap();
    let wait = queued(&store, "a/b", EXCLUSIVE);
    assert_eq!(next(), Step::Asks);
    drop(wait);
    drop(held);
    open.send(()).unwrap();

    assert_eq!(next(), Step::Has);
    assert!(mutex(&store, "/", EXCLUSIVE).is_locked(), "it has the lock");
    let handle = store.clone();
    let behind = asking(move || drop(mutex(&handle, "a", EXCLUSIVE).lock_owned().unwrap()));
    behind.still_waits("it has the lock");
    open.send(()).unwrap();

    assert_eq!(next(), Step::GaveBack(true));
    behind.ends();
    open.send(()).unwrap();
    assert!(tells.recv_timeout(Duration::from_millis(1)).is_err(), "it asks for nothing more");
    drop(mutex(&store, "/", EXCLUSIVE).try_lock_owned().expect("nothing is left"));
}
