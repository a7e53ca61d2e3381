//! What is counted: by each worker for itself, and by all together for the display.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::check::Violation;
use crate::locks::Waits;
use crate::operations::{Growth, Kind};

/// What became of the operations of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) done: u64,
    /// Their target was gone before they had their locks, or it was not fit for them.
    pub(crate) passed: u64,
    pub(crate) waits: Waits,
    /// In the order of [`Violation::ALL`].
    pub(crate) violations: [u64; Violation::ALL.len()],
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.passed += other.passed;
        self.waits += other.waits;
        for (sum, count) in self.violations.iter_mut().zip(other.violations) {
            *sum += count;
        }
    }
}

/// What became of all operations: in the order of [`Kind::ALL`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: [Count; Kind::ALL.len()],
    /// The first few violations, in words.
    pub(crate) examples: Vec<String>,
}

impl Tally {
    /// More examples would help nobody.
    const MOST_EXAMPLES: usize = 5;

    pub(crate) fn of(&mut self, kind: Kind) -> &mut Count {
        &mut self.counts[kind as usize]
    }

    pub(crate) fn give_example(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < Self::MOST_EXAMPLES {
            self.examples.push(example());
        }
    }

    pub(crate) fn sum(&self) -> Count {
        let mut sum = Count::default();
        self.counts.iter().for_each(|count| sum += *count);
        sum
    }

    pub(crate) fn violations(&self) -> u64 {
        self.sum().violations.iter().sum()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        let room = Self::MOST_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// What all threads see. Plain counters: nothing is concluded from one about another.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    pub(crate) done: AtomicU64,
    pub(crate) violations: AtomicU64,
    files: AtomicI64,
    directories: AtomicI64,
}

impl Shared {
    pub(crate) fn new(size: Growth) -> Self {
        let shared = Self::default();
        shared.grow(size);
        shared
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    pub(crate) fn grow(&self, by: Growth) {
        self.files.fetch_add(by.files, Relaxed);
        self.directories.fetch_add(by.directories, Relaxed);
    }

    /// How large the tree is now.
    pub(crate) fn size(&self) -> Growth {
        Growth { files: self.files.load(Relaxed), directories: self.directories.load(Relaxed) }
    }
}
