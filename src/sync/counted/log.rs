//! What is noted, and for whom: a thread's own accesses, while it records.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;

/// One access to shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// The cache line: its address divided by 64.
    pub line: usize,
    /// Whether it writes.
    pub writes: bool,
    /// What was accessed.
    pub what: &'static str,
    /// Where in the source.
    pub at: &'static Location<'static>,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = if self.writes { "written" } else { "read" };
        write!(f, "line {:#x}: {} {does} at {}", self.line, self.what, self.at)
    }
}

std::thread_local! {
    static LOG: RefCell<Option<Vec<Access>>> = const { RefCell::new(None) };
}

/// The accesses of the calling thread while `f` runs, in order.
pub fn record(f: impl FnOnce()) -> Vec<Access> {
    LOG.set(Some(Vec::new()));
    f();
    LOG.take().unwrap_or_default()
}

/// Something is read that begins here. What is counted is small, and on one line.
#[track_caller]
pub(super) fn note_read<T>(it: &T, what: &'static str) {
    note(std::ptr::from_ref(it).addr(), false, what);
}

#[track_caller]
pub(super) fn note_write<T>(it: &T, what: &'static str) {
    note(std::ptr::from_ref(it).addr(), true, what);
}

#[track_caller]
pub(super) fn note(address: usize, writes: bool, what: &'static str) {
    let at = Location::caller();
    // While the thread ends there is nothing to record any more.
    let _ = LOG.try_with(|log| {
        if let Some(log) = &mut *log.borrow_mut() {
            log.push(Access { line: address / 64, writes, what, at });
        }
    });
}
