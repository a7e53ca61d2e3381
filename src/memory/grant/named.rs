//! Locks with an owner or a lease that are had in one step: `name.rs`.

use std::num::NonZeroU64;
use std::time::Duration;

use super::{NAMED_GRANT, RECORDED};
use crate::backend::loss::Losses;
use crate::memory::MemoryNode;
use crate::memory::name;
use crate::memory::word::Kind;
use crate::request::Request;

/// A lock with an owner or a lease, for the handle whose these are, if it can be had in one step:
/// what its grant has in place of a token. It comes in a register.
#[inline(never)]
pub(in crate::memory) fn claim_named(node: &MemoryNode, request: &Request) -> Option<NonZeroU64> {
    if Kind::of(request) != Kind::Xs {
        return None;
    }
    match node.1.slot() {
        None => register_and_claim(node, request),
        Some(slot) => claim_from(slot, node, request),
    }
}

/// The first times: the handle registers its terms, and gets a slot.
#[cold]
fn register_and_claim(node: &MemoryNode, request: &Request) -> Option<NonZeroU64> {
    let has_name = request.lease.is_none_or(|lease| name::LEASES.contains(&lease));
    // In a tree that looks for deadlocks each lock has a record.
    if !has_name || node.0.shared().detects() {
        return None;
    }
    node.1.note(&node.0, request);
    claim_from(node.1.slot()?, node, request)
}

/// The handle has this slot, so it asks with the lease that it has registered (N5).
#[inline]
fn claim_from(slot: usize, node: &MemoryNode, request: &Request) -> Option<NonZeroU64> {
    match request.lease {
        None => claim_by(node, name::taken_now(slot)?),
        Some(lease) => claim_leased(node, slot, lease),
    }
}

#[inline(never)]
fn claim_leased(node: &MemoryNode, slot: usize, lease: Duration) -> Option<NonZeroU64> {
    let name = name::leased_now(slot, lease)?;
    let named = claim_by(node, name)?;
    // After the claim: see `name.rs`.
    let is_watched = Losses::anywhere() && node.0.shared().losses.any();
    if is_watched { NonZeroU64::new(node.0.settle_watched(name) | RECORDED) } else { Some(named) }
}

#[inline]
fn claim_by(node: &MemoryNode, name: u64) -> Option<NonZeroU64> {
    if node.0.claim_named(name) { NonZeroU64::new(name | NAMED_GRANT) } else { None }
}
