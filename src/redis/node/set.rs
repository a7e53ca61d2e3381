//! Several locks as one: what [`RedisStore`] does with the members of a set.

use std::time::Duration;

use super::{Place, RedisGrant, RedisNode};
use crate::backend::Member;
use crate::error::{InvalidInput, LockError};
use crate::redis::RedisStore;
use crate::redis::primitives::Arc;
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::run::sets;
use crate::redis::run::task::Acquiring;
use crate::request::{Request, Wait};

/// As many members as one call takes at the most: it blocks the server for a moment.
pub(super) const MOST: usize = 64;

type Members<'a> = &'a [Member<RedisStore>];

/// The first member; an error if there are none, or too many, or some of another store.
fn checked(members: Members<'_>) -> Result<&RedisNode, LockError> {
    let Some(first) = members.first() else { return Err(InvalidInput::EmptySet.into()) };
    if members.len() > MOST {
        return Err(InvalidInput::TooMany { count: members.len(), most: MOST }.into());
    }
    match members.iter().find(|member| !is_same_tree(&member.node, &first.node)) {
        Some(other) => Err(InvalidInput::OtherTree { path: other.node.path().clone() }.into()),
        None => Ok(&first.node),
    }
}

/// The store that took a lock renews it, and tells of its loss. So nodes of two stores are not of
/// one tree, even if both stores share one.
pub(in crate::redis) fn is_same_tree(node: &RedisNode, other: &RedisNode) -> bool {
    Arc::ptr_eq(&node.engine, &other.engine)
}

fn grants(members: Members<'_>, lock: &Arc<Lock>, of_task: bool) -> Vec<RedisGrant> {
    let grant = |(lock, member): (&Arc<Lock>, &Member<_>)| RedisGrant::new(lock.clone(), &member.request, of_task);
    lock.all().zip(members).map(grant).collect()
}

pub(in crate::redis) fn acquire(members: Members<'_>, wait: Wait, place: Place) -> Result<Vec<RedisGrant>, LockError> {
    let first = checked(members)?;
    if let [one] = members {
        return Ok(vec![one.node.acquire(&one.request, wait, place)?]);
    }
    let all: Vec<(&Target, &Request)> = members.iter().map(|it| (&it.node.target, &it.request)).collect();
    Ok(grants(members, &sets::acquire(first.engine.current()?, &all, wait, place)?, false))
}

pub(in crate::redis) async fn acquire_async(members: Members<'_>, place: Place) -> Result<Vec<RedisGrant>, LockError> {
    let first = checked(members)?;
    let wanted = members.iter().map(|it| (it.node.target.clone(), it.request.clone())).collect();
    let lock = Acquiring::new(&first.engine, wanted, place).await?;
    Ok(grants(members, &lock, true))
}

/// Whether one call does for all of them: they were taken here, by threads, as a set is.
fn is_one_call(members: Members<'_>, grants: &[RedisGrant]) -> bool {
    let plain = |grant: &RedisGrant| grant.is_ours() && !grant.lock.is_detached() && !grant.lock.is_guest();
    members.len() == grants.len() && (2..=MOST).contains(&grants.len()) && grants.iter().all(plain)
}

pub(in crate::redis) fn release(members: Members<'_>, grants: &[RedisGrant]) -> Result<(), LockError> {
    if !is_one_call(members, grants) || grants.iter().any(|grant| grant.of_task) {
        let release = |(member, grant): (&Member<RedisStore>, &RedisGrant)| member.node.release(grant);
        let results: Vec<_> = members.iter().zip(grants).map(release).collect();
        return results.into_iter().collect();
    }
    let engine = members[0].node.engine.current()?;
    sets::release(engine, grants.iter().map(|grant| grant.lock.clone()).collect())
}

pub(in crate::redis) fn refresh(
    members: Members<'_>,
    grants: &[RedisGrant],
    length: Option<Duration>,
) -> Result<(), LockError> {
    if !is_one_call(members, grants) {
        return members.iter().zip(grants).try_for_each(|(member, grant)| member.node.refresh(grant, length));
    }
    let renews = |grant: &RedisGrant| length.is_none() && !grant.ends;
    let locks: Vec<_> = grants.iter().map(|grant| (grant.lock.clone(), renews(grant))).collect();
    sets::refresh(members[0].node.engine.current()?, &locks, length)
}
