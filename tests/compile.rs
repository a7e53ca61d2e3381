//! Code as users write it, which has to compile. `src/compile_fail.rs` has what must not compile.

use std::collections::HashMap;
use std::error::Error;
use std::thread;

use mutextree::{
    LockError, LockStore, MemoryStore, OwnedTreeMutexGuard, ToTreePath, TreeMutex, TreeMutexGuard, TreePath,
};

/// Kept in a struct without naming a store, and without a lifetime.
struct Session {
    project: TreeMutex,
    held: HashMap<TreePath, OwnedTreeMutexGuard>,
}

impl Session {
    fn keep(&mut self) -> Result<(), LockError> {
        let guard = self.project.try_lock_owned()?;
        self.held.insert(guard.path().clone(), guard);
        Ok(())
    }
}

/// Over any store, with `?` from both kinds of error.
fn last_token<S: LockStore>(store: &S, path: impl ToTreePath) -> Result<u64, LockError> {
    let mutex = store.mutex(path)?.shared();
    let guard: TreeMutexGuard<'_, S> = mutex.lock()?;
    Ok(guard.fencing_token())
}

/// A guard that is handed on.
fn opened<'a>(mutex: &'a TreeMutex) -> Result<TreeMutexGuard<'a>, Box<dyn Error + Send + Sync>> {
    Ok(mutex.try_lock()?)
}

#[test]
fn guards_are_stored_returned_and_sent() {
    let store = MemoryStore::default();
    let mut session = Session { project: TreeMutex::new(&store, "org/project").unwrap(), held: HashMap::new() };
    session.keep().unwrap();
    assert!(matches!(session.keep(), Err(LockError::WouldBlock { .. })));
    assert_eq!(
        opened(&session.project).unwrap_err().to_string(),
        "`org/project` is blocked by a lock on `org/project`"
    );
    let held = session.held;
    thread::spawn(move || drop(held)).join().unwrap();
    drop(opened(&session.project).unwrap());
    assert!(last_token(&store, ["org", "project"]).unwrap() > 0);
}

#[test]
fn a_borrowed_guard_is_released_in_another_thread() {
    let store = MemoryStore::builder().build();
    let mutex = store.mutex("a").unwrap();
    let guard = mutex.lock().unwrap();
    thread::scope(|scope| scope.spawn(move || drop(guard)).join().unwrap());
    assert!(!mutex.is_locked());
}

/// What goes between threads may do so, and nothing borrows what it need not.
#[test]
fn auto_traits() {
    fn shared_between_threads<T: Send + Sync + Unpin + 'static>() {}
    shared_between_threads::<MemoryStore>();
    shared_between_threads::<TreeMutex>();
    shared_between_threads::<TreeMutexGuard<'static>>();
    shared_between_threads::<OwnedTreeMutexGuard>();
    shared_between_threads::<LockError>();
    shared_between_threads::<TreePath>();
}
