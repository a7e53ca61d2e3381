//! Locks that outlive their guards: leaving one behind, and taking it up again.

use super::grant::RECORDED;
use super::node::Node;
use super::record::Lost;
use super::{MemoryGrant, MemoryNode, MemoryStore, not_held};
use crate::backend::{Backend, LeaseToken};
use crate::error::LockError;
use crate::sync::PlainArc;

pub(super) fn detach(node: &MemoryNode, grant: MemoryGrant) -> Result<(LeaseToken, MemoryGrant), LockError> {
    let token = match grant.recorded(&node.0) {
        Some(token) => token,
        None => {
            let token = MemoryStore::fencing_token(node, &grant);
            node.0.record_once(token, grant.kind());
            token
        }
    };
    node.0.detach(token).map_err(|Lost| not_held(&node.0))?;
    let kind = grant.kind();
    let kept = MemoryGrant::with_token(kind, token | RECORDED);
    Ok((node.0.shared().lease_token(token), kept))
}

pub(super) fn attach(node: &PlainArc<Node>, token: &LeaseToken) -> Result<MemoryGrant, LockError> {
    let found = node.shared().read_lease_token(token).and_then(|token| Some((token, node.detached_kind(token)?)));
    let (token, kind) = found.ok_or_else(|| not_held(node))?;
    Ok(MemoryGrant::with_token(kind, token | RECORDED))
}
