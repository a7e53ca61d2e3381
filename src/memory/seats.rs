//! Seats: one table of claims for the readers of every spread node (`spread.rs`).
//!
//! A seat is one word. It is empty, or it says for which node a reader has claimed it, and of which
//! kind the claim is. Two claims of one kind on one node look the same, and need not be told apart.
//!
//! The seats are in lines, and a thread sits in the line of its number. So threads that read the
//! same node write different cache lines, for as long as there are no more threads than lines. A
//! guard remembers its seat, not its thread: it may be dropped by any. A reader whose line is full
//! is counted in the node's word.
//!
//! There is one table for the process, of 8 KiB, however many stores and nodes there are. To look
//! for the readers of one node is to go through the lines that threads have been given so far: four
//! for each processor at the most.

use crate::sync::{AtomicU64, Ordering, THREAD_NUMBERS, renumber_thread, thread_number, thread_numbers};

const LINES: usize = THREAD_NUMBERS;
const A_LINE: usize = if cfg!(any(mutextree_loom, mutextree_shuttle)) { 2 } else { 8 };

/// At most so many readers sit.
pub(super) const SEATS: usize = LINES * A_LINE;

const EMPTY: u64 = 0;

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line([AtomicU64; A_LINE]);

/// The table.
#[derive(Debug)]
pub(super) struct Seats([Line; LINES]);

/// The seat of one reader, by its number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat(u16);

/// What came of asking for a seat.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    Taken(Seat),
    /// It has a claim, or the calling thread has no line yet.
    Occupied,
    /// Another thread of the same line was quicker.
    Raced,
}

#[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
impl Seats {
    /// The table of this process.
    #[inline]
    pub(super) fn of_all() -> &'static Self {
        static ALL: Seats = Seats([const { Line([const { AtomicU64::new(EMPTY) }; A_LINE]) }; LINES]);
        &ALL
    }
}

#[cfg(any(mutextree_loom, mutextree_shuttle))]
impl Seats {
    /// The table of one model.
    pub(super) fn new() -> Self {
        let line = |_| Line(std::array::from_fn(|_| AtomicU64::new(EMPTY)));
        Self(std::array::from_fn(line))
    }
}

impl Seats {
    /// Asks for the first seat of the calling thread's line, if it has one. Mostly that seat is
    /// empty, as the thread holds no other lock of a spread node.
    #[inline]
    pub(super) fn take_first(&self, own_line: Option<usize>, claim: u64) -> Attempt {
        own_line.map_or(Attempt::Occupied, |line| self.ask_for(line, 0, claim))
    }

    /// Takes a seat for this claim, if the calling thread's line has an empty one.
    pub(super) fn take(&self, claim: u64) -> Option<Seat> {
        let line = thread_number();
        for at in 0..A_LINE {
            match self.ask_for(line, at, claim) {
                Attempt::Taken(seat) => return Some(seat),
                Attempt::Occupied => {}
                // So another thread has the same number. The next time this one sits elsewhere.
                Attempt::Raced => renumber_thread(),
            }
        }
        None
    }

    #[inline]
    fn ask_for(&self, line: usize, at: usize, claim: u64) -> Attempt {
        let seat = &self.0[line].0[at];
        if seat.load(Ordering::Relaxed) != EMPTY {
            return Attempt::Occupied;
        }
        // SeqCst: before the look at the word that follows (G1).
        let taken = seat.compare_exchange(EMPTY, claim, Ordering::SeqCst, Ordering::Relaxed);
        if taken.is_ok() { Attempt::Taken(Seat::of((line * A_LINE + at) as u16)) } else { Attempt::Raced }
    }

    /// Empties the seat, if it has this claim.
    #[inline]
    pub(super) fn leave(&self, seat: Seat, claim: u64) -> bool {
        // Release: what was read under the lock was read before. Acquire: whoever emptied it has
        // counted the claim in the node's word.
        self.at(seat).compare_exchange(claim, EMPTY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The seats with this claim. One that is taken meanwhile may be missed.
    pub(super) fn with(&self, claim: u64) -> impl Iterator<Item = Seat> {
        let in_use = thread_numbers() * A_LINE;
        let seats = (0..in_use as u16).map(Seat::of);
        // SeqCst: after the node's gates were closed to readers (G1).
        seats.filter(move |seat| self.at(*seat).load(Ordering::SeqCst) == claim)
    }

    #[inline]
    fn at(&self, seat: Seat) -> &AtomicU64 {
        let number = usize::from(seat.0) % SEATS;
        &self.0[number / A_LINE].0[number % A_LINE]
    }
}

impl Seat {
    #[inline]
    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// The seat with this number.
    #[inline]
    pub(super) fn of(number: u16) -> Self {
        Self(number)
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
