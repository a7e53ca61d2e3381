//! A number that nothing but a lock guards, for `examples/stress.rs`. It is a package of its own
//! because it takes `unsafe`, which mutextree forbids itself.
//!
//! ThreadSanitizer takes no two atomic accesses for a race, however relaxed they are. So atomics
//! behind a lock show that two threads hold it at once. They do not show that the writes of one
//! holder are visible to the next: with all release orderings gone there would be no report. Plain
//! memory shows that, too.

use std::cell::UnsafeCell;

/// A number in plain memory. The compiler lets anyone use it at any time, which is what makes it a
/// test of the lock: nothing else should depend on this.
#[derive(Debug, Default)]
pub struct Plain(UnsafeCell<u64>);

// SAFETY: none but the lock that is tested. Volatile, so that reading and writing stay two steps
// where a broken one lets others come in between.
unsafe impl Sync for Plain {}

impl Plain {
    /// The number. To be called under a shared lock or an exclusive one.
    pub fn get(&self) -> u64 {
        // SAFETY: nobody sets it now, if the lock works; and all bits are a number.
        unsafe { self.0.get().read_volatile() }
    }

    /// Sets it. To be called under an exclusive lock.
    pub fn set(&self, number: u64) {
        // SAFETY: nobody else is here now, if the lock works.
        unsafe { self.0.get().write_volatile(number) }
    }
}
