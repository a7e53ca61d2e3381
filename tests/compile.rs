//! Code as users write it, which has to compile. `src/compile_fail.rs` has what must not compile.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mutextree::{
    Backend, Blocker, Kind, Lease, LockError, LockStore, MemoryStore, Mode, OwnedTreeMutexGuard, PathRef, Request,
    Scope, ToTreePath, TreeMutex, TreeMutexGuard, TreePath, Wait, conflicts,
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

/// Generic over the store in a type of the user's, by the trait that users know.
struct Archive<S: LockStore> {
    store: S,
    index: TreeMutex<S>,
    open: Option<OwnedTreeMutexGuard<S>>,
    kept: Option<Lease<S>>,
}

impl<S: LockStore> Archive<S> {
    fn open(&mut self, path: impl ToTreePath) -> Result<usize, LockError> {
        self.open = Some(self.store.lock(path)?);
        let _index = self.index.try_lock_for(Duration::from_secs(60))?;
        Ok(self.store.locks()?.len())
    }

    fn keep(&mut self) -> Result<(), LockError> {
        self.kept = self.open.take().map(OwnedTreeMutexGuard::into_lease).transpose()?;
        Ok(())
    }

    /// All that users call on a store, without naming one.
    fn all_methods(&self) -> Result<(), LockError> {
        drop(self.store.mutex("m")?.lock()?);
        drop(self.store.try_lock("m")?);
        drop(self.store.try_lock_for("m", Duration::ZERO)?);
        drop(self.store.lock_async("m"));
        assert!(self.store.lost_locks().try_recv().is_err());
        if let Some(kept) = &self.kept {
            self.store.resume(kept.path(), kept.token())?.release()?;
        }
        Ok(())
    }
}

/// A store of the user's own: one lock at a time, and no patience. What can be left out is.
#[derive(Clone, Default)]
struct OneLock(Arc<Mutex<Option<(TreePath, Kind, u64)>>>);

#[derive(Clone)]
struct Place(OneLock, TreePath);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.fmt(f)
    }
}

#[derive(Debug)]
struct Taken(Mode, u64);

impl Backend for OneLock {
    type Node = Place;
    type Grant = Taken;

    fn resolve(&self, path: PathRef<'_>) -> Place {
        Place(self.clone(), path.into_owned())
    }

    fn path(node: &Place) -> &TreePath {
        &node.1
    }

    fn acquire(node: &Place, request: &Request, wait: Wait) -> Result<Taken, LockError> {
        let mut lock = node.0.0.lock().unwrap();
        if let Some((held, kind, _)) = &*lock
            && conflicts((held, *kind), (&node.1, request.kind))
        {
            let blocker = Blocker::new(node.1.clone(), held.clone(), None);
            return Err(LockError::refused(wait, blocker));
        }
        *lock = Some((node.1.clone(), request.kind, 1));
        Ok(Taken(request.kind.mode, 1))
    }

    fn release(node: &Place, _: Taken) -> Result<(), LockError> {
        *node.0.0.lock().unwrap() = None;
        Ok(())
    }

    fn downgrade(_: &Place, grant: &mut Taken) -> Result<(), LockError> {
        grant.0 = Mode::Shared;
        Ok(())
    }

    fn mode(grant: &Taken) -> Mode {
        grant.0
    }

    fn fencing_token(_: &Place, grant: &Taken) -> u64 {
        grant.1
    }

    fn is_held(_: &Place, _: &Taken) -> bool {
        true
    }

    fn refresh(_: &Place, _: &Taken, _: Option<Duration>) -> Result<(), LockError> {
        Ok(())
    }

    fn is_locked(node: &Place, scope: Scope) -> bool {
        let wanted = (&node.1, Kind::new(Mode::Exclusive, scope));
        node.0.0.lock().unwrap().as_ref().is_some_and(|(path, kind, _)| conflicts((path, *kind), wanted))
    }
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

#[test]
fn a_backend_is_a_lock_store() {
    let store = OneLock::default();
    let mut guard = store.lock("a").unwrap();
    assert_eq!(store.try_lock("a/b").unwrap_err().to_string(), "`a/b` is blocked by a lock on `a`");
    assert!(matches!(store.try_lock_for("/", Duration::ZERO), Err(LockError::TimedOut { .. })));
    guard.downgrade().unwrap();
    assert_eq!((guard.mode(), last_token(&store, "b").unwrap()), (Mode::Shared, 1));
    drop(guard);
    // What a backend leaves out says so.
    let source = |error: LockError| error.source().unwrap().to_string();
    assert_eq!(source(store.locks().unwrap_err()), "this store cannot list its locks");
    let error = store.lock("a").unwrap().into_lease().unwrap_err();
    assert_eq!(source(error), "this store cannot keep locks without a guard");
    assert!(!store.mutex("a").unwrap().is_locked(), "it was released all the same");
    assert!(store.resume("a", &"token".into()).is_err());
    assert!(store.lost_locks().try_recv().is_err());
}

#[test]
fn generic_over_any_store() {
    fn run<S: LockStore>(store: S) -> Result<Archive<S>, LockError> {
        let index = store.mutex("index")?;
        let mut archive = Archive { store, index, open: None, kept: None };
        archive.open("box/1")?;
        archive.keep()?;
        archive.all_methods()?;
        Ok(archive)
    }
    let archive = run(MemoryStore::new()).unwrap();
    assert!(archive.kept.is_some_and(|kept| !kept.is_held()));
    assert!(run(OneLock::default()).is_err());
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
