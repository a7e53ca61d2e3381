//! From the members of a set to their grants, or to the error that names the blocked member.

use std::panic::Location;

use super::super::MemoryStore;
use super::super::acquire::Refused;
use super::super::grant::{MemoryGrant, RECORDED};
use super::super::grant::{begin_to_wait, blocker, end_of, task, waited};
use super::super::node::Node;
use super::acquire::{SetAcquisition, block_on};
use super::future::AcquiringSet;
use super::phase::{kind, node, try_claim_all};
use crate::backend::{Backend, Member};
use crate::deadlock::{Asks, Deadlock};
use crate::error::LockError;
use crate::observe::{self, Waiting};
use crate::request::Wait;
use crate::sync::{Deadline, PlainArc};

/// Takes all of them, or none.
#[track_caller]
pub(in super::super) fn acquire(members: &[Member<MemoryStore>], wait: Wait) -> Result<Vec<MemoryGrant>, LockError> {
    match members {
        [] => return Ok(Vec::new()),
        [one] => return MemoryStore::acquire(&one.node, &one.request, wait).map(|grant| vec![grant]),
        _ => {}
    }
    let place = Location::caller(); // not in a closure, which has a place of its own
    let asks = node(&members[0]).shared().detects().then(|| Asks::thread(place));
    let deadline = Deadline::from_end(end_of(wait));
    // A wait of no time is a try, as for one node.
    let tries_once = wait == Wait::Never || deadline.as_ref().is_some_and(Deadline::has_passed);
    let mut waiting = None;
    let claimed = if tries_once {
        try_unless_expired(members).map_err(Refused::Blocked)
    } else {
        block_on(members, asks.clone(), deadline.as_ref(), |(member, at)| {
            waiting.get_or_insert_with(|| (begin(members, member, at), member));
        })
    };
    let result = match claimed {
        Ok(()) => Ok(grants(members, asks)),
        Err(Refused::Deadlock(deadlock)) => Err(LockError::Deadlock(deadlock)),
        Err(Refused::Blocked((member, in_the_way))) => {
            let blocked = &members[member];
            Err(LockError::refused(wait, blocker(node(blocked), kind(blocked), &in_the_way, None)))
        }
    };
    if let Some((waiting, member)) = waiting {
        waiting.ended(&members[member].request, &result);
    }
    result
}

/// The same with no end, as a future.
pub(in super::super) async fn acquire_async(
    members: &[Member<MemoryStore>],
    place: &'static Location<'static>,
) -> Result<Vec<MemoryGrant>, LockError> {
    match members {
        [] => return Ok(Vec::new()),
        [one] => return MemoryStore::acquire_async_at(&one.node, &one.request, place).await.map(|grant| vec![grant]),
        _ => {}
    }
    let begin = |set: &AcquiringSet<'_>| {
        let (member, at) = set.sleeps_at().unzip();
        let blocked = &members[member.unwrap_or(0)];
        begin_to_wait(node(blocked), kind(blocked), &blocked.request, at)
    };
    let asks = task(node(&members[0]), place);
    let acquisition = SetAcquisition::new(members).asked_by(asks.clone());
    let end = |waiting: Waiting, (member, result): &(usize, Result<(), Deadlock>)| {
        waited(waiting, &members[*member].request, result);
    };
    let (_, result) = observe::watch(AcquiringSet::new(acquisition), begin, end).await;
    result.map_err(LockError::Deadlock)?;
    Ok(grants(members, asks))
}

/// The grants for claims that were made, with their records if they need any. They have one fencing
/// token between them. It is drawn here, and not when it is first asked for: a place where the
/// grants could share it would cost more.
fn grants(members: &[Member<MemoryStore>], asks: Option<Asks>) -> Vec<MemoryGrant> {
    let token = node(&members[0]).shared().next_token();
    let grant = |member: &Member<MemoryStore>| {
        let (kind, request) = (kind(member), &member.request);
        let has_record = request.lease.is_some() || request.owner.is_some() || asks.is_some();
        if has_record {
            node(member).record_by(token, kind, request.lease, request.owner.clone(), asks.clone());
        }
        MemoryGrant::with_token(kind, if has_record { token | RECORDED } else { token })
    };
    members.iter().map(grant).collect()
}

/// Tries again for as long as what is in the way is a lock whose lease has expired.
fn try_unless_expired(members: &[Member<MemoryStore>]) -> Result<(), (usize, PlainArc<Node>)> {
    loop {
        match try_claim_all(members) {
            Err((_, in_the_way)) if in_the_way.revoke_expired() => {}
            result => return result,
        }
    }
}

fn begin(members: &[Member<MemoryStore>], member: usize, at: &PlainArc<Node>) -> Waiting {
    let blocked = &members[member];
    begin_to_wait(node(blocked), kind(blocked), &blocked.request, Some(at))
}
