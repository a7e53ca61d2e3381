//! An acquisition that does not wait.

use std::panic::Location;

use super::{MemoryGrant, blocker_at, grant, place_of};
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::memory::node::Node;
use crate::memory::record::Expired;
use crate::memory::tentative::InTheWay;
use crate::memory::word::Kind;
use crate::request::{Request, Wait};
use crate::sync::PlainArc;

/// Tries. A wait of no time, too, is a try.
#[inline(never)]
pub(super) fn acquire(
    node: &PlainArc<Node>,
    request: &Request,
    wait: Wait,
    place: &'static Location<'static>,
) -> Result<MemoryGrant, LockError> {
    let kind = Kind::of(request);
    loop {
        let Err(in_the_way) = attempt(node, kind) else {
            let asks = node.shared().detects().then(|| Asks::thread(place));
            return Ok(grant(node, kind, request, asks));
        };
        let at = in_the_way.node();
        // Whether that lock has expired, and whose it is.
        match at.owner_unless_expired(kind, place_of(at, node)) {
            Ok(owner) => return Err(LockError::refused(wait, blocker_at(node, at, owner))),
            Err(Expired) => _ = at.revoke_expired(),
        }
    }
}

fn attempt(node: &PlainArc<Node>, kind: Kind) -> Result<(), InTheWay<'_>> {
    node.glance(kind)?;
    // Another try in mid-air must not make it fail.
    if node.claim_looking(kind) { Ok(()) } else { node.try_claim(kind).map_err(InTheWay::Below) }
}
