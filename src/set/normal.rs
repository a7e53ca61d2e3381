//! The normal form of a set: in the order of paths, and no member covers another.
//!
//! Paths are ordered as a tree is walked. So a member that is covered comes after the one that
//! covers it, and between the two there are only nodes that this one covers, too. One pass, which
//! compares each member with the last one left, finds them all.

use std::time::Duration;

use crate::backend::{Backend, Member};
use crate::error::{InvalidInput, LockError};
use crate::request::{Mode, Request, Scope};

/// The members in normal form, at least one.
pub(super) fn form<S: Backend>(mut members: Vec<Member<S>>) -> Result<Vec<Member<S>>, LockError> {
    let Some(first) = members.first() else { return Err(InvalidInput::EmptySet.into()) };
    if let Some(other) = members.iter().find(|member| !S::is_same_tree(&first.node, &member.node)) {
        return Err(InvalidInput::OtherTree { path: S::path(&other.node).clone() }.into());
    }
    // Stable: of two on one path the first one given comes first.
    members.sort_by(|one, other| S::path(&one.node).cmp(S::path(&other.node)));
    let mut left: Vec<Member<S>> = Vec::with_capacity(members.len());
    for member in members {
        match left.last_mut().filter(|last| covers(last, &member)) {
            Some(last) => absorb(&mut last.request, member.request, S::path(&last.node) == S::path(&member.node)),
            None => left.push(member),
        }
    }
    Ok(left)
}

/// Whether the second, which comes later in the order, needs no lock of its own.
fn covers<S: Backend>(member: &Member<S>, other: &Member<S>) -> bool {
    let (path, other) = (S::path(&member.node), S::path(&other.node));
    path == other || (member.request.kind.scope == Scope::Subtree && other.starts_with(path))
}

fn absorb(request: &mut Request, other: Request, on_one_path: bool) {
    if other.kind.mode == Mode::Exclusive {
        request.kind.mode = Mode::Exclusive;
    }
    if on_one_path && other.kind.scope == Scope::Subtree {
        request.kind.scope = Scope::Subtree;
    }
    request.lease = shorter(request.lease, other.lease);
    if request.owner.is_none() {
        request.owner = other.owner;
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
