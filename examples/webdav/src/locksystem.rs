//! dav-server's lock system trait over [`RequestLocks`]. A store may take time, so it is called
//! where waiting is allowed.

use std::panic::resume_unwind;
use std::time::Duration;

use dav_server::davpath::DavPath;
use dav_server::ls::{DavLock, DavLockSystem, LsFuture};
use mutextree::{HeldLock, Kind, LockError, LockStore, Mode, Scope, TreePath};
use tokio::task::spawn_blocking;
use xmltree::Element;

use crate::locks::{Refusal, RequestLocks};
use crate::names::tree_path;
use crate::report::in_full;

impl<S: LockStore> RequestLocks<S> {
    fn run<T: Send + 'static>(
        &self,
        path: &DavPath,
        work: impl FnOnce(&Self, &DavPath) -> T + Send + 'static,
    ) -> LsFuture<'static, T> {
        let (locks, path) = (self.clone(), path.clone());
        let work = spawn_blocking(move || work(&locks, &path));
        Box::pin(async { work.await.unwrap_or_else(|error| resume_unwind(error.into_panic())) })
    }

    /// The trait has no word for a store that fails: whoever asks is told that the resource is
    /// locked, and the log says why.
    fn told(&self, path: &DavPath, refusal: Refusal) -> DavLock {
        let lock = match refusal {
            Refusal::Locked(lock) => *lock,
            Refusal::Failed(error) => {
                eprintln!("{path}: {}", in_full(&error));
                HeldLock::new(tree_path(path).unwrap_or(TreePath::root()), Kind::default())
            }
        };
        self.shown(&lock)
    }
}

/// For what the trait lets fail without a reason: the log has it, unless it is that there is no
/// such lock, which the client is told.
fn logged<T>(path: &DavPath, result: Result<T, LockError>) -> Result<T, ()> {
    result.map_err(|error| {
        if !matches!(error, LockError::NotHeld { .. }) {
            eprintln!("{path}: {}", in_full(&error));
        }
    })
}

fn scope(deep: bool) -> Scope {
    if deep { Scope::Subtree } else { Scope::Node }
}

impl<S: LockStore> DavLockSystem for RequestLocks<S> {
    fn lock(
        &self,
        path: &DavPath,
        _principal: Option<&str>, // nobody logs in
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let owner = owner.cloned();
        let mode = if shared { Mode::Shared } else { Mode::Exclusive };
        self.run(path, move |locks, path| {
            let result = locks.lock(path, owner.as_ref(), timeout, Kind::new(mode, scope(deep)));
            result.map_err(|refusal| locks.told(path, refusal))
        })
    }

    fn unlock(&self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let token = token.to_owned();
        self.run(path, move |locks, path| logged(path, locks.unlock(path, &token)))
    }

    fn refresh(&self, path: &DavPath, token: &str, timeout: Option<Duration>) -> LsFuture<'_, Result<DavLock, ()>> {
        let token = token.to_owned();
        self.run(path, move |locks, path| logged(path, locks.refresh(path, &token, timeout)))
    }

    fn check(
        &self,
        path: &DavPath,
        _principal: Option<&str>,
        // dav-server ignores the principal when it evaluates an `If` header, and only then.
        is_condition: bool,
        deep: bool,
        tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let tokens = tokens.to_vec();
        self.run(path, move |locks, path| {
            let result = match is_condition {
                true => locks.has_token(path, &tokens),
                false => locks.check(path, scope(deep), &tokens),
            };
            result.map_err(|refusal| locks.told(path, refusal))
        })
    }

    fn discover(&self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        self.run(path, |locks, path| logged(path, locks.discover(path)).unwrap_or_default())
    }

    fn delete(&self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        self.run(path, |locks, path| logged(path, locks.delete(path)))
    }
}
