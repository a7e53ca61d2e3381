//! `PlainArc` and `PlainWeak`: std's, whose counts are written by each clone and drop.
//!
//! Methods of the crate take `self: &PlainArc<Self>`, which a type of one's own cannot be in stable
//! Rust. So this version of the crate needs the feature `arbitrary_self_types`.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::log::note;

/// The two counts stand before the value, and on one line. What is aligned to a line has them on a
/// line of their own.
const HEADER: usize = 16;

pub struct PlainArc<T: ?Sized>(Arc<T>);

pub(crate) struct PlainWeak<T: ?Sized>(Weak<T>);

#[track_caller]
fn counts<T: ?Sized>(value: *const T, writes: bool) {
    note(value.addr().wrapping_sub(HEADER), writes, "reference count");
}

impl<T> PlainArc<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    #[track_caller]
    pub(crate) fn try_unwrap(this: Self) -> Result<T, Self> {
        counts(Arc::as_ptr(&this.0), true);
        // Another one, as what has a destructor cannot be taken apart.
        let it = this.0.clone();
        drop(this);
        Arc::try_unwrap(it).map_err(Self)
    }
}

impl<T: ?Sized> PlainArc<T> {
    #[track_caller]
    pub(crate) fn downgrade(this: &Self) -> PlainWeak<T> {
        counts(Arc::as_ptr(&this.0), true);
        PlainWeak(Arc::downgrade(&this.0))
    }

    #[track_caller]
    pub(crate) fn strong_count(this: &Self) -> usize {
        counts(Arc::as_ptr(&this.0), false);
        Arc::strong_count(&this.0)
    }

    pub(crate) fn ptr_eq(this: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&this.0, &other.0)
    }

    pub(crate) fn as_ptr(this: &Self) -> *const T {
        Arc::as_ptr(&this.0)
    }
}

impl<T: ?Sized> PlainWeak<T> {
    #[track_caller]
    pub(crate) fn upgrade(&self) -> Option<PlainArc<T>> {
        counts(self.0.as_ptr(), true);
        self.0.upgrade().map(PlainArc)
    }

    #[track_caller]
    pub(crate) fn strong_count(this: &Self) -> usize {
        counts(this.0.as_ptr(), false);
        this.0.strong_count()
    }
}

impl<T: ?Sized> Clone for PlainArc<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        counts(Arc::as_ptr(&self.0), true);
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Drop for PlainArc<T> {
    fn drop(&mut self) {
        counts(Arc::as_ptr(&self.0), true);
    }
}

impl<T: ?Sized> Drop for PlainWeak<T> {
    fn drop(&mut self) {
        counts(self.0.as_ptr(), true);
    }
}

impl<T: ?Sized> Deref for PlainArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Borrow<T> for PlainArc<T> {
    fn borrow(&self) -> &T {
        self
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for PlainArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized> fmt::Debug for PlainWeak<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized, From> std::convert::From<From> for PlainArc<T>
where
    Arc<T>: std::convert::From<From>,
{
    fn from(value: From) -> Self {
        Self(value.into())
    }
}

impl<T> FromIterator<T> for PlainArc<[T]> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

macro_rules! as_the_value {
    ($($trait:ident: $method:ident($($other:ident)?) -> $result:ty;)*) => {$(
        impl<T: ?Sized + $trait> $trait for PlainArc<T> {
            fn $method(&self $(, $other: &Self)?) -> $result {
                (**self).$method($(&**$other)?)
            }
        }
    )*};
}

as_the_value! {
    PartialEq: eq(other) -> bool;
    PartialOrd: partial_cmp(other) -> Option<std::cmp::Ordering>;
    Ord: cmp(other) -> std::cmp::Ordering;
}

impl<T: ?Sized + Eq> Eq for PlainArc<T> {}

impl<T: ?Sized + std::hash::Hash> std::hash::Hash for PlainArc<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
