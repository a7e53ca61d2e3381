//! A held lock becomes another one: narrower, wider, or exclusive.

use super::set::{MOST, is_same_tree};
use super::{Place, RedisGrant, RedisNode};
use crate::error::{InvalidInput, LockError, Unchanged};
use crate::redis::run::change;
use crate::request::{Kind, Mode, Scope, Wait};

type Result<T> = std::result::Result<T, Unchanged<RedisGrant>>;

/// A lock that outlives its guard is any client's, and none's to change.
fn refuse_detached(grant: &RedisGrant) -> std::result::Result<(), LockError> {
    if grant.lock.is_detached() {
        let text =
            "a lock that outlived its guard can be refreshed, downgraded and released, and not changed otherwise";
        return Err(LockError::Store(text.into()));
    }
    Ok(())
}

impl RedisGrant {
    /// The grant of the same holder, for another lock.
    fn with(&self, lock: crate::redis::primitives::Arc<crate::redis::protocol::lock::Lock>, kind: Kind) -> Self {
        Self { lock, kind, ends: self.ends, of_task: self.of_task, process: self.process }
    }
}

impl RedisNode {
    fn check_narrow(&self, grant: &RedisGrant, to: &[Self]) -> std::result::Result<(), LockError> {
        refuse_detached(grant)?;
        if to.len() > MOST {
            return Err(InvalidInput::TooMany { count: to.len(), most: MOST }.into());
        }
        let covers = |node: &&Self| match grant.kind.scope {
            Scope::Subtree => node.path().starts_with(self.path()),
            Scope::Node => node.path() == self.path(),
        };
        if let Some(node) = to.iter().find(|node| !is_same_tree(node, self) || !covers(node)) {
            return Err(InvalidInput::NotBelow { path: node.path().clone(), held: self.path().clone() }.into());
        }
        Ok(())
    }

    pub(in crate::redis) fn narrow(&self, grant: RedisGrant, to: &[Self]) -> Result<Vec<RedisGrant>> {
        let checked = self.check_narrow(&grant, to).and_then(|()| self.holder(&grant));
        let engine = match checked {
            Ok(engine) => engine,
            Err(error) => return Err(Unchanged::new(grant, error)),
        };
        if to.is_empty() {
            // What could not be given back now is given back later: it is not held any more.
            return self.release(&grant).map(|()| Vec::new()).map_err(|_| {
                grant.lock.lose();
                Unchanged::new(grant, self.not_held())
            });
        }
        let targets: Vec<_> = to.iter().map(|node| &node.target).collect();
        match change::narrow(engine, &grant.lock, &targets) {
            Ok(locks) => Ok(locks.into_iter().map(|lock| grant.with(lock, grant.kind)).collect()),
            Err(error) => Err(Unchanged::new(grant, error)),
        }
    }

    pub(in crate::redis) fn widen(&self, grant: RedisGrant, ancestor: &Self) -> Result<RedisGrant> {
        let is_above = is_same_tree(self, ancestor) && self.path().starts_with(ancestor.path());
        let not_above = || InvalidInput::NotAbove { path: ancestor.path().clone(), held: self.path().clone() };
        let checked = refuse_detached(&grant)
            .and_then(|()| if is_above { Ok(()) } else { Err(not_above().into()) })
            .and_then(|()| self.holder(&grant));
        let kind = Kind::new(grant.kind.mode, Scope::Subtree);
        let engine = match checked {
            Ok(engine) => engine,
            Err(error) => return Err(Unchanged::new(grant, error)),
        };
        match change::widen(engine, &grant.lock, &self.target, &ancestor.target, kind) {
            Ok(lock) => Ok(grant.with(lock, kind)),
            Err((error, None)) => Err(Unchanged::new(grant, error)),
            // It was wider for a moment, and is another lock since.
            Err((error, Some(lock))) => Err(Unchanged::new(grant.with(lock, kind), error)),
        }
    }

    pub(in crate::redis) fn upgrade(
        &self,
        grant: &mut RedisGrant,
        wait: Wait,
        place: Place,
    ) -> std::result::Result<(), LockError> {
        let engine = self.holder(grant)?;
        if grant.kind.mode == Mode::Exclusive {
            return Ok(());
        }
        refuse_detached(grant)?;
        let kind = Kind::new(Mode::Exclusive, grant.kind.scope);
        change::upgrade(engine, &grant.lock, &self.target, kind, wait, place)?;
        grant.kind = kind;
        Ok(())
    }
}
