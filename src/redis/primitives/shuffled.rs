//! Shuttle's locks with parking_lot's face.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// A wait of more than a year is one for ever.
const FOR_EVER: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Debug, Default)]
pub(in crate::redis) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(in crate::redis) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while its thread waits on a [`Condvar`].
    guard: Option<shuttle::sync::MutexGuard<'a, T>>,
}

#[derive(Debug, Default)]
pub(in crate::redis) struct Condvar(shuttle::sync::Condvar);

/// Whether a wait ended without a notification, as far as anybody can tell.
pub(in crate::redis) struct WaitTimeoutResult;

impl<T> Mutex<T> {
    pub(in crate::redis) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(in crate::redis) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, guard: Some(self.0.lock().expect("shuttle ends with the first panic")) }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("its thread is awake")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("its thread is awake")
    }
}

impl Condvar {
    pub(in crate::redis) fn new() -> Self {
        Self::default()
    }

    pub(in crate::redis) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let inner = guard.guard.take().expect("its thread is awake");
        guard.guard = Some(self.0.wait(inner).expect("shuttle ends with the first panic"));
    }

    /// One that ends at some time ends at once: its thread looks, and waits again. One for ever
    /// needs its notification, and shuttle tells if that never comes.
    pub(in crate::redis) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) -> WaitTimeoutResult {
        if time > FOR_EVER {
            self.wait(guard);
        } else {
            guard.guard = None;
            shuttle::thread::yield_now();
            guard.guard = guard.mutex.lock().guard.take();
        }
        WaitTimeoutResult
    }

    /// As [`Condvar::wait_for`] some time.
    pub(in crate::redis) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> WaitTimeoutResult {
        self.wait_for(guard, Duration::ZERO)
    }

    pub(in crate::redis) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(in crate::redis) fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl WaitTimeoutResult {
    /// Its thread looks at the clock itself.
    pub(in crate::redis) fn timed_out(&self) -> bool {
        true
    }
}
