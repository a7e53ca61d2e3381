//! Without the features `tracing` and `metrics` no acquisition is watched.

// The signatures are those of `waiting.rs`.
#![allow(clippy::extra_unused_type_parameters)]

use std::future::Future;
use std::panic::Location;

use super::Store;
use crate::backend::{Backend, Member};
use crate::error::{Blocker, LockError};
use crate::path::TreePath;
use crate::request::{Owner, Request, Wait};

pub(crate) const SEES_WAITS: bool = false;

/// For the signatures of `no_meters.rs` and `no_spans.rs`.
#[derive(Clone, Copy)]
pub(super) enum Outcome {}

pub(crate) struct Waiting;

impl Waiting {
    #[inline(always)]
    pub(crate) fn begin(_: Store, _: &TreePath, _: &Request, _: impl FnOnce() -> Option<Blocker>) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn ended<T>(self, _: &Request, _: &Result<T, LockError>) {}
}

#[derive(Debug, Default)]
pub(crate) struct Watching(());

impl Watching {
    #[inline(always)]
    pub(crate) fn set(&mut self, _: Waiting) {}

    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<Waiting> {
        None
    }
}

#[derive(Debug, Default)]
pub(crate) struct News(());

impl News {
    #[inline(always)]
    pub(crate) fn tell(&mut self, _: Option<Blocker>) {}

    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn begin(self, _: &mut Option<Waiting>, _: Store, _: &TreePath, _: &Request) {}
}

#[inline(always)]
#[track_caller]
pub(crate) fn acquire<S: Backend>(node: &S::Node, request: &Request, wait: Wait) -> Result<S::Grant, LockError> {
    S::acquire(node, request, wait)
}

#[inline(always)]
pub(crate) fn acquire_async<'a, S: Backend>(
    node: &'a S::Node,
    request: &'a Request,
    place: &'static Location<'static>,
) -> impl Future<Output = Result<S::Grant, LockError>> + Send + 'a {
    S::acquire_async_at(node, request, place)
}

#[inline(always)]
#[track_caller]
pub(crate) fn acquire_all<S: Backend>(members: &[Member<S>], wait: Wait) -> Result<Vec<S::Grant>, LockError> {
    S::acquire_all(members, wait)
}

#[inline(always)]
pub(crate) fn acquire_all_async<S: Backend>(
    members: &[Member<S>],
    place: &'static Location<'static>,
) -> impl Future<Output = Result<Vec<S::Grant>, LockError>> + Send {
    S::acquire_all_async_at(members, place)
}

#[inline(always)]
pub(crate) fn release_all<S: Backend>(members: &[Member<S>], grants: Vec<S::Grant>) -> Result<(), LockError> {
    S::release_all(members, grants)
}

#[inline(always)]
pub(crate) fn watch<F: Future>(future: F, _: impl FnOnce(&F) -> Waiting, _: impl FnOnce(Waiting, &F::Output)) -> F {
    future
}

#[inline(always)]
pub(crate) fn ends_itself() {}

#[inline(always)]
pub(crate) fn refreshed<S: Backend>(result: Result<(), LockError>) -> Result<(), LockError> {
    result
}

#[inline(always)]
pub(crate) fn release<S: Backend>(node: &S::Node, grant: S::Grant) -> Result<(), LockError> {
    S::release(node, grant)
}

#[inline(always)]
pub(crate) fn lost(_: Store, _: &TreePath, _: Option<&Owner>, _: Option<u64>) {}
