//! Stand-in until the real one: one mutex and a list of held locks.
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::*;

/// Stand-in.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<(Mutex<State>, Condvar)>);

/// Stand-in.
#[derive(Debug, Default)]
pub struct MemoryStoreBuilder;

impl MemoryStoreBuilder {
    /// Builds.
    pub fn build(self) -> MemoryStore {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }
    /// Builder.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder
    }
    /// Live nodes.
    pub fn node_count(&self) -> usize {
        1
    }
    /// Reclaims.
    pub fn shrink_to_fit(&self) {}
}

#[derive(Debug, Default)]
struct State {
    held: Vec<(u64, TreePath, Mode, Scope, Option<Owner>)>,
    last_id: u64,
    last_token: u64,
}

#[derive(Clone, Debug)]
pub struct Node {
    store: MemoryStore,
    path: TreePath,
}

#[derive(Debug)]
pub struct Grant {
    id: u64,
    mode: Mode,
    token: std::sync::atomic::AtomicU64,
}

impl LockStore for MemoryStore {
    type Node = Node;
    type Grant = Grant;
    fn resolve(&self, path: PathRef<'_>) -> Node {
        Node { store: self.clone(), path: path.into_owned() }
    }
    fn path(node: &Node) -> &TreePath {
        &node.path
    }
    fn acquire(node: &Node, request: &Request, wait: Wait) -> Result<Grant, LockError> {
        let (state, released) = &*node.store.0;
        let mut state = state.lock().unwrap();
        loop {
            let in_the_way = state.held.iter().find(|(_, path, mode, scope, _)| {
                conflicts(path, *mode, *scope, &node.path, request.mode, request.scope)
            });
            let Some((_, path, .., owner)) = in_the_way else {
                state.last_id += 1;
                let id = state.last_id;
                state.held.push((id, node.path.clone(), request.mode, request.scope, request.owner.clone()));
                return Ok(Grant { id, mode: request.mode, token: Default::default() });
            };
            let blocker = Box::new(Blocker::new(path.clone(), owner.clone()));
            let path = node.path.clone();
            state = match wait {
                Wait::Never => return Err(LockError::WouldBlock { path, blocker }),
                Wait::Forever => released.wait(state).unwrap(),
                Wait::Until(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    None | Some(Duration::ZERO) => return Err(LockError::TimedOut { path, blocker }),
                    Some(left) => released.wait_timeout(state, left).unwrap().0,
                },
            };
        }
    }
    fn release(node: &Node, grant: Grant) -> Result<(), LockError> {
        let (state, released) = &*node.store.0;
        state.lock().unwrap().held.retain(|(id, ..)| *id != grant.id);
        released.notify_all();
        Ok(())
    }
    fn downgrade(node: &Node, grant: &mut Grant) -> Result<(), LockError> {
        let (state, released) = &*node.store.0;
        for (id, _, mode, ..) in &mut state.lock().unwrap().held {
            if *id == grant.id {
                *mode = Mode::Shared;
            }
        }
        grant.mode = Mode::Shared;
        released.notify_all();
        Ok(())
    }
    fn mode(grant: &Grant) -> Mode {
        grant.mode
    }
    fn fencing_token(node: &Node, grant: &Grant) -> u64 {
        use std::sync::atomic::Ordering::SeqCst;
        let mut state = node.store.0.0.lock().unwrap();
        if grant.token.load(SeqCst) == 0 {
            state.last_token += 1;
            grant.token.store(state.last_token, SeqCst);
        }
        grant.token.load(SeqCst)
    }
    fn is_held(_: &Node, _: &Grant) -> bool {
        true
    }
    fn refresh(_: &Node, _: &Grant, _: Option<Duration>) -> Result<(), LockError> {
        Ok(())
    }
    fn is_locked(node: &Node, scope: Scope) -> bool {
        let state = node.store.0.0.lock().unwrap();
        state
            .held
            .iter()
            .any(|(_, path, mode, held, _)| conflicts(path, *mode, *held, &node.path, Mode::Exclusive, scope))
    }
}
