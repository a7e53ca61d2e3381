//! std's locks with parking_lot's face: a panic while one is held does not poison it.
//!
//! Not parking_lot's own, since those queue their threads in one table for the whole process. A
//! forked child has a copy of that table, in which threads wait that it does not have, and which
//! one of them may just have been changing. std's locks have no such table.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(in crate::redis) struct Mutex<T>(std::sync::Mutex<T>);

/// `None` only while its thread waits on a [`Condvar`].
pub(in crate::redis) struct MutexGuard<'a, T>(Option<std::sync::MutexGuard<'a, T>>);

#[derive(Debug, Default)]
pub(in crate::redis) struct Condvar(std::sync::Condvar);

/// Whether a wait ended since its time was up.
pub(in crate::redis) struct WaitTimeoutResult(bool);

impl<T> Mutex<T> {
    pub(in crate::redis) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(in crate::redis) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("its thread is awake")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("its thread is awake")
    }
}

impl Condvar {
    pub(in crate::redis) const fn new() -> Self {
        Self(std::sync::Condvar::new())
    }

    pub(in crate::redis) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let inner = guard.0.take().expect("its thread is awake");
        guard.0 = Some(self.0.wait(inner).unwrap_or_else(PoisonError::into_inner));
    }

    pub(in crate::redis) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) -> WaitTimeoutResult {
        let inner = guard.0.take().expect("its thread is awake");
        let (inner, result) = self.0.wait_timeout(inner, time).unwrap_or_else(PoisonError::into_inner);
        guard.0 = Some(inner);
        WaitTimeoutResult(result.timed_out())
    }

    pub(in crate::redis) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, end: Instant) -> WaitTimeoutResult {
        self.wait_for(guard, end.saturating_duration_since(Instant::now()))
    }

    pub(in crate::redis) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(in crate::redis) fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl WaitTimeoutResult {
    pub(in crate::redis) fn timed_out(&self) -> bool {
        self.0
    }
}
