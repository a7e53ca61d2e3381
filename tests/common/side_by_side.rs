//! Programs of one thread that run on a store and on the naive one, side by side. Every step has to
//! end the same way on both.

use std::collections::HashMap;
use std::time::Duration;

use mutextree::{LockError, LockStore, Mode, OwnedTreeMutexGuard, Scope, TreeMutex, TreePath};

use super::kinds::Ask;
use super::naive::NaiveStore;

#[derive(Clone, Debug)]
pub enum Step {
    Try(Ask),
    TryForNoTime(Ask),
    /// Without a handle that is kept. Only if it can be had, for nobody else would let it go.
    LockByPath(TreePath),
    /// Of the locks held at that point, counted round and round.
    Release(usize),
    Unlock(usize),
    Downgrade(usize),
    AskToken(usize),
    /// To those of these paths that are at or below its own.
    Narrow(usize, Vec<TreePath>),
    Widen(usize, TreePath),
    Upgrade(usize),
    IsLocked(Ask),
    DropHandles,
    Shrink,
}

/// One store, its handles, and what is held in it.
struct Side<S: LockStore> {
    store: S,
    handles: HashMap<TreePath, TreeMutex<S>>,
    held: Vec<OwnedTreeMutexGuard<S>>,
}

impl<S: LockStore> Side<S> {
    fn new(store: S) -> Self {
        Self { store, handles: HashMap::new(), held: Vec::new() }
    }

    fn mutex(&mut self, ask: &Ask) -> TreeMutex<S> {
        let handle = self.handles.entry(ask.path.clone());
        let mutex = handle.or_insert_with(|| self.store.mutex(&ask.path).unwrap()).clone();
        let mutex = if ask.kind.mode == Mode::Shared { mutex.shared() } else { mutex };
        if ask.kind.scope == Scope::Node { mutex.node_only() } else { mutex }
    }

    fn keep(&mut self, result: Result<OwnedTreeMutexGuard<S>, LockError>) -> Result<(), LockError> {
        self.held.push(result?);
        Ok(())
    }

    /// Does the step and says how it ended, with the path in the way for those who want to check
    /// it.
    fn run(&mut self, step: &Step, shrink: impl Fn(&S)) -> (String, Option<TreePath>) {
        let result = match step {
            Step::Try(ask) => {
                let result = self.mutex(ask).try_lock_owned();
                self.keep(result)
            }
            Step::TryForNoTime(ask) => {
                let result = self.mutex(ask).try_lock_owned_for(Duration::ZERO);
                self.keep(result)
            }
            Step::LockByPath(path) => {
                if self.store.mutex(path).unwrap().is_locked() {
                    return ("it is locked".into(), None);
                }
                let result = self.store.lock(path);
                self.keep(result)
            }
            Step::Release(which) if !self.held.is_empty() => {
                drop(self.held.swap_remove(which % self.held.len()));
                Ok(())
            }
            Step::Unlock(which) if !self.held.is_empty() => self.held.swap_remove(which % self.held.len()).unlock(),
            Step::Downgrade(which) if !self.held.is_empty() => {
                let at = which % self.held.len();
                let guard = &mut self.held[at];
                guard.downgrade().unwrap();
                return (format!("{:?} {}", guard.path(), guard.mode()), None);
            }
            Step::AskToken(which) if !self.held.is_empty() => {
                let guard = &self.held[which % self.held.len()];
                assert!(guard.fencing_token() != 0 && guard.is_held());
                Ok(())
            }
            Step::Narrow(which, paths) if !self.held.is_empty() => {
                let guard = self.held.swap_remove(which % self.held.len());
                let (token, below) = (guard.fencing_token(), |path: &&TreePath| path.starts_with(guard.path()));
                let below: Vec<_> = paths.iter().filter(below).collect();
                match guard.narrow(below) {
                    Ok(kept) => {
                        assert!(kept.iter().all(|guard| guard.fencing_token() == token));
                        self.held.extend(kept);
                        Ok(())
                    }
                    Err(failed) => self.keep(Ok(failed.guard)).and(Err(failed.error)),
                }
            }
            Step::Widen(which, path) if !self.held.is_empty() => {
                match self.held.swap_remove(which % self.held.len()).try_widen(path) {
                    Ok(wide) => self.keep(Ok(wide)),
                    Err(failed) => self.keep(Ok(failed.guard)).and(Err(failed.error)),
                }
            }
            Step::Upgrade(which) if !self.held.is_empty() => {
                let at = which % self.held.len();
                self.held[at].try_upgrade()
            }
            Step::Release(_) | Step::Unlock(_) | Step::Downgrade(_) | Step::AskToken(_) => Ok(()),
            Step::Narrow(..) | Step::Widen(..) | Step::Upgrade(_) => Ok(()),
            Step::IsLocked(ask) => return (self.mutex(ask).is_locked().to_string(), None),
            Step::DropHandles => {
                self.handles.clear();
                Ok(())
            }
            Step::Shrink => {
                shrink(&self.store);
                Ok(())
            }
        };
        match result {
            Ok(()) => ("done".into(), None),
            Err(error) => {
                let kind = match error {
                    LockError::WouldBlock { .. } => "would block",
                    LockError::TimedOut { .. } => "timed out",
                    LockError::InvalidInput(_) => "makes no sense",
                    _ => "failed",
                };
                (kind.into(), error.blocking_path().cloned())
            }
        }
    }
}

/// Does the steps on `store` and on the naive one, and fails where they part. `shrink` has the
/// store reclaim what it can.
pub fn side_by_side<S: LockStore>(store: S, steps: &[Step], shrink: impl Fn(&S)) {
    let (mut tested, mut oracle) = (Side::new(store), Side::new(NaiveStore::default()));
    for (at, step) in steps.iter().enumerate() {
        let (ended, named) = tested.run(step, &shrink);
        let (should_end, _) = oracle.run(step, |_| {});
        assert_eq!(ended, should_end, "step {at}, {step:?}, while held: {:?}", oracle.held);
        if let (Some(path), Step::Try(ask) | Step::TryForNoTime(ask)) = (named, step) {
            // Several locks can be in the way. The one named is one of them.
            let related = path.starts_with(&ask.path) || ask.path.starts_with(&path);
            let held = oracle.held.iter().any(|guard| *guard.path() == path);
            assert!(related && held, "step {at}, {step:?}: `{path}` is not in the way of it: {:?}", oracle.held);
        }
    }
    // Whatever the program did, it can be undone.
    tested.held.clear();
    tested.handles.clear();
    drop(tested.store.mutex("/").unwrap().try_lock().expect("something is still locked"));
}
