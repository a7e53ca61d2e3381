//! From a request to a grant, or to the error that names what was in the way.

use std::num::NonZeroU64;
use std::panic::Location;
use std::time::Instant;

use super::acquire::{Acquisition, Plain, Refused, block};
use super::name;
use super::narrow::{self, Failed};
use super::node::Node;
use super::record::Lost;
use super::seats::Seat;
use super::upgrade;
use super::widen;
use super::word::{Kind, Place};
use super::{MemoryNode, MemoryStore, not_held};
use crate::backend::Backend;
use crate::deadlock::{Asks, Deadlock};
use crate::error::{Blocker, InvalidInput, LockError, Unchanged};
use crate::observe::{Store, Waiting};
use crate::request::{Owner, Request, Wait};
use crate::sync::{AtomicU64, Deadline, Ordering, PlainArc};

pub(super) use self::named::claim_named;

use self::kind::WideKind;

mod kind;
mod named;
mod once;

/// A held lock of a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryGrant {
    kind: WideKind,
    /// The fencing token, 0 until it is asked for, and [`RECORDED`] or [`WAITED`]; or a name and
    /// [`NAMED_GRANT`]; or a seat and [`SEATED`].
    pub(super) token: AtomicU64,
}

/// Set in a grant's token if its node has a record of it (`record.rs`), by that token.
pub(super) const RECORDED: u64 = 1 << 63;
/// Set if it is no token, but the name of the lock (`name.rs`). No token is so great.
pub(super) const NAMED_GRANT: u64 = 1 << 62;
/// Set if it is no token, but says where the claim sits, and of which kind it is (`spread.rs`).
pub(super) const SEATED: u64 = 1 << 61;
/// Set if a task has slept for the lock. Its release looks whether to hand it over, which it would
/// be too dear to ask at each release (`wait/hand_over.rs`).
pub(super) const WAITED: u64 = 1 << 60;
/// The kind, after the seat.
const SEATED_KIND: u32 = 16;

impl MemoryGrant {
    #[inline(always)]
    pub(super) fn kind(&self) -> Kind {
        self.kind.narrow()
    }

    pub(super) fn set_kind(&mut self, kind: Kind) {
        self.kind = WideKind::new(kind);
    }

    #[inline]
    pub(super) fn new(kind: Kind) -> Self {
        Self::with_token(kind, 0)
    }

    /// One that has a token, and is counted in the word.
    #[inline]
    pub(super) fn with_token(kind: Kind, token: u64) -> Self {
        Self { kind: WideKind::new(kind), token: AtomicU64::new(token) }
    }

    /// The token of one that has a name or a seat in its place.
    #[cold]
    fn first_token(&self, node: &PlainArc<Node>) -> u64 {
        self.stand_up(node);
        match self.token.load(Ordering::Acquire) & NAMED_GRANT {
            0 => fencing_token(node, self),
            _ => self.settle(node),
        }
    }

    /// If its claim sits, it is counted in the word from then on: for all that asks more of it than
    /// its release.
    pub(super) fn stand_up(&self, node: &Node) {
        let token = self.token.load(Ordering::Acquire);
        if token & SEATED != 0 {
            node.gather();
            // If another thread was quicker, it may have drawn a token already.
            let _ = self.token.compare_exchange(token, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The grant of one for which a task has slept.
    pub(super) fn waited_for(self) -> Self {
        let has_token = self.token.load(Ordering::Relaxed) != 0;
        if has_token { self } else { Self::with_token(self.kind(), WAITED) }
    }

    #[inline]
    pub(super) fn at_once(token: NonZeroU64) -> Self {
        Self::with_token(Kind::Xs, token.get())
    }
}

/// What the grant of a claim that sits there has in place of a token.
pub(super) fn seated(kind: Kind, seat: Seat) -> u64 {
    SEATED | (kind as u64) << SEATED_KIND | u64::from(seat.number())
}

/// The end of a lock that has a name or a record, or sits, or that a task has slept for; `token` is
/// what its grant has.
#[inline(never)]
pub(super) fn release(node: &PlainArc<Node>, token: u64, kind: Kind) -> Result<(), LockError> {
    // The usual ones come first. The rest is in functions of its own, as it saves more registers.
    if token & SEATED != 0 {
        let kind = if token >> SEATED_KIND & 7 == Kind::Ss as u64 { Kind::Ss } else { Kind::Sn };
        node.leave_seat(Seat::of(token as u16), kind);
        return Ok(());
    }
    if token & NAMED_GRANT == 0 {
        return release_unnamed(node, token, kind);
    }
    let name = token & !NAMED_GRANT;
    if name::has_lease(name) {
        return release_leased(node, token);
    }
    if node.release_named(name) { Ok(()) } else { release_settled(node, token) }
}

#[inline(never)]
fn release_leased(node: &PlainArc<Node>, token: u64) -> Result<(), LockError> {
    let name = token & !NAMED_GRANT;
    let is_released = !name::has_ended_for_its_guard(name) && node.release_named(name);
    if is_released { Ok(()) } else { release_settled(node, token) }
}

#[inline(never)]
fn release_unnamed(node: &PlainArc<Node>, token: u64, kind: Kind) -> Result<(), LockError> {
    if token & WAITED != 0 {
        node.release_waited_for(kind);
        Ok(())
    } else {
        release_recorded(node, token & !RECORDED)
    }
}

/// Of a named lock that has ended, or is on record by now.
#[cold]
fn release_settled(node: &PlainArc<Node>, token: u64) -> Result<(), LockError> {
    let grant = MemoryGrant::with_token(Kind::Xs, token);
    release_recorded(node, grant.settle(node))
}

#[cold]
fn release_recorded(node: &PlainArc<Node>, token: u64) -> Result<(), LockError> {
    node.drop_recorded(token).map_err(|Lost| not_held(node))
}

/// What the store does when a lock cannot be had at once.
#[cold]
#[track_caller]
pub(super) fn acquire_slow(node: &PlainArc<Node>, request: &Request, wait: Wait) -> Result<MemoryGrant, LockError> {
    let place = Location::caller();
    match wait {
        Wait::Never => once::acquire(node, request, wait, place),
        _ => acquire_or_wait(node, request, wait, place),
    }
}

/// Apart, as a try has nothing of what is made ready for a wait.
#[inline(never)]
fn acquire_or_wait(
    node: &PlainArc<Node>,
    request: &Request,
    wait: Wait,
    place: &'static Location<'static>,
) -> Result<MemoryGrant, LockError> {
    let (kind, deadline) = (Kind::of(request), Deadline::from_end(end_of(wait)));
    if deadline.as_ref().is_some_and(Deadline::has_passed) {
        return once::acquire(node, request, wait, place);
    }
    let asks = node.shared().detects().then(|| Asks::thread(place));
    if node.claim_looking(kind) {
        return Ok(grant(node, kind, request, asks));
    }
    let mut waiting = None;
    let asked = Plain { node, kind, owner: request.owner.as_ref() };
    let acquisition = Acquisition::of(asked).asked_by(asks.clone());
    let claimed = block(acquisition, deadline.as_ref(), |at| {
        waiting.get_or_insert_with(|| begin_to_wait(node, kind, request, Some(at)));
    });
    let result = match claimed {
        Ok(()) => Ok(grant(node, kind, request, asks)),
        Err(Refused::Deadlock(deadlock)) => Err(LockError::Deadlock(deadlock)),
        Err(Refused::Blocked(in_the_way)) => Err(LockError::refused(wait, blocker(node, kind, &in_the_way, None))),
    };
    if let Some(waiting) = waiting {
        waiting.ended(request, &result);
    }
    result
}

/// An acquisition sleeps for the first time. One that gets the lock before that, while it spins,
/// does not show as a wait.
#[inline]
pub(super) fn begin_to_wait(node: &Node, kind: Kind, request: &Request, at: Option<&PlainArc<Node>>) -> Waiting {
    Waiting::begin(Store::Memory, &node.path, request, || at.map(|in_the_way| blocker(node, kind, in_the_way, None)))
}

/// A task's wait has ended like this.
pub(super) fn waited(waiting: Waiting, request: &Request, result: &Result<(), Deadlock>) {
    waiting.ended(request, &result.clone().map_err(LockError::Deadlock));
}

/// The task that asks at this place, in a tree that looks for deadlocks.
pub(super) fn task(node: &PlainArc<Node>, place: &'static Location<'static>) -> Option<Asks> {
    node.shared().detects().then(|| Asks::task(place))
}

pub(super) fn end_of(wait: Wait) -> Option<Instant> {
    match wait {
        Wait::Until(end) => Some(end),
        Wait::Never | Wait::Forever => None,
    }
}

/// Whether a try for this kind would fail right now.
pub(super) fn would_block(node: &PlainArc<Node>, kind: Kind) -> bool {
    node.shared().unless_moved(|| unless_expired(|| node.would_claim(kind)).is_err())
}

/// Tries again for as long as what is in the way is a lock whose lease has expired.
fn unless_expired(mut attempt: impl FnMut() -> Result<(), PlainArc<Node>>) -> Result<(), PlainArc<Node>> {
    loop {
        match attempt() {
            Err(in_the_way) if in_the_way.revoke_expired() => {}
            result => return result,
        }
    }
}

/// The grant for a claim that was made, with its record if it needs one: who asked, in a tree that
/// looks for deadlocks, an owner or a lease.
#[inline]
pub(super) fn grant(node: &PlainArc<Node>, kind: Kind, request: &Request, asks: Option<Asks>) -> MemoryGrant {
    if request.lease.is_none() && request.owner.is_none() && asks.is_none() {
        return MemoryGrant::new(kind);
    }
    let token = node.shared().next_token();
    node.record_by(token, kind, request.lease, request.owner.clone(), asks);
    MemoryGrant::with_token(kind, token | RECORDED)
}

/// Its fencing token, drawn when it is first asked for. From then on its claim does not sit.
pub(super) fn fencing_token(node: &PlainArc<Node>, grant: &MemoryGrant) -> u64 {
    let token = grant.token.load(Ordering::Acquire);
    if token & (NAMED_GRANT | SEATED) != 0 {
        return grant.first_token(node);
    }
    let none = token & WAITED;
    if token != none {
        return token & !(RECORDED | WAITED);
    }
    let new = node.shared().next_token();
    // If two threads ask at once, the first one to store decides for both.
    let stored = grant.token.compare_exchange(none, new | none, Ordering::AcqRel, Ordering::Acquire);
    stored.map_or_else(|first| first & !(RECORDED | WAITED), |_| new)
}

/// A grant on these nodes in place of one on `node`.
pub(super) fn narrow(
    node: &MemoryNode,
    grant: MemoryGrant,
    to: &[MemoryNode],
) -> Result<Vec<MemoryGrant>, Unchanged<MemoryGrant>> {
    let is_same = |other: &MemoryNode| PlainArc::ptr_eq(&node.0, &other.0);
    if let Some(other) = to.iter().find(|other| !is_same(other)).filter(|_| !grant.kind().is_subtree()) {
        let (path, held) = (other.0.path.clone(), node.0.path.clone());
        return Err(Unchanged::new(grant, InvalidInput::NotBelow { path, held }.into()));
    }
    if to.iter().any(is_same) {
        return if MemoryStore::is_held(node, &grant) {
            Ok(vec![grant])
        } else {
            Err(Unchanged::new(grant, not_held(&node.0)))
        };
    }
    let token = MemoryStore::fencing_token(node, &grant);
    let nodes: Vec<_> = to.iter().map(|kept| &kept.0).collect();
    narrow::narrow(&node.0, &grant, token, &nodes).map_err(|failed| {
        Unchanged::new(
            grant,
            match failed {
                Failed::Lost => not_held(&node.0),
                Failed::InTheWay(at) => {
                    LockError::WouldBlock { blocker: Blocker::new(at.path.clone(), at.path.clone(), None) }
                }
            },
        )
    })
}

/// A grant on the subtree of `wider` in place of one on `node`.
pub(super) fn widen(
    node: &PlainArc<Node>,
    grant: MemoryGrant,
    wider: &PlainArc<Node>,
) -> Result<MemoryGrant, Unchanged<MemoryGrant>> {
    if PlainArc::ptr_eq(node, wider) && grant.kind().is_subtree() {
        let is_held = grant.recorded(node).is_none_or(|token| node.is_held(token));
        return if is_held { Ok(grant) } else { Err(Unchanged::new(grant, not_held(node))) };
    }
    grant.stand_up(node);
    widen::widen(node, &grant, wider).map_err(|failed| {
        let error = match failed {
            Failed::Lost => not_held(node),
            Failed::InTheWay(at) => LockError::WouldBlock {
                blocker: blocker(wider, grant.kind().with_subtree(), &at, grant.recorded(node)),
            },
        };
        Unchanged::new(grant, error)
    })
}

/// Makes a shared grant exclusive.
#[track_caller]
pub(super) fn upgrade(node: &PlainArc<Node>, grant: &mut MemoryGrant, wait: Wait) -> Result<(), LockError> {
    grant.stand_up(node);
    let place = Location::caller(); // not in a closure, which has a place of its own
    let (shared, recorded) = (grant.kind(), grant.recorded(node));
    let kind = shared.upgraded();
    let asks = node.shared().detects().then(|| Asks { replaces: recorded, ..Asks::thread(place) });
    let deadline = Deadline::from_end(end_of(wait));
    let tries_once = wait == Wait::Never || deadline.as_ref().is_some_and(Deadline::has_passed);
    let mut request = Request::new(kind.public());
    let mut waiting = None;
    let upgraded = if tries_once {
        upgrade::try_upgrade(node, shared, recorded)
    } else {
        upgrade::upgrade(node, shared, recorded, asks, deadline.as_ref(), |at| {
            waiting.get_or_insert_with(|| {
                request.owner = recorded.and_then(|token| node.owner_of(token));
                Waiting::begin(Store::Memory, &node.path, &request, || Some(blocker(node, kind, at, recorded)))
            });
        })
    };
    let result = match upgraded {
        Ok(token) => {
            // Without a record it is drawn when it is asked for: others may have come and gone.
            *grant = MemoryGrant::with_token(kind, token.map_or(0, |token| token | RECORDED));
            Ok(())
        }
        Err(upgrade::Failed::Lost) => Err(not_held(node)),
        Err(upgrade::Failed::Deadlock(deadlock)) => Err(LockError::Deadlock(deadlock)),
        Err(upgrade::Failed::Upgrading(path, owner)) => {
            Err(LockError::Upgrading { blocker: Blocker::new(node.path.clone(), path, owner) })
        }
        Err(upgrade::Failed::InTheWay(in_the_way)) => {
            Err(LockError::refused(wait, blocker(node, kind, &in_the_way, recorded)))
        }
    };
    if let Some(waiting) = waiting {
        waiting.ended(&request, &result);
    }
    result
}

/// `except` is the token of the lock that is to change, which is not in its own way.
pub(super) fn blocker(node: &Node, kind: Kind, in_the_way: &Node, except: Option<u64>) -> Blocker {
    blocker_at(node, in_the_way, in_the_way.owner_in_the_way(kind, place_of(in_the_way, node), except))
}

fn blocker_at(node: &Node, in_the_way: &Node, owner: Option<Owner>) -> Blocker {
    Blocker::new(node.path.clone(), in_the_way.path.clone(), owner)
}

/// Where one node lies, seen from another that is above it or below it.
fn place_of(node: &Node, from: &Node) -> Place {
    match node.depth().cmp(&from.depth()) {
        std::cmp::Ordering::Less => Place::Above,
        std::cmp::Ordering::Equal => Place::Here,
        std::cmp::Ordering::Greater => Place::Below,
    }
}
