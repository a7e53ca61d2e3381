//! Spread nodes: readers of one node that do not write its word.
//!
//! Readers count themselves in the node's word, so two threads that read one node take its cache
//! line from each other at each lock. A node where readers have collided is *spread*: it has a bit
//! in its word that stands for all its readers of one kind, and each of them claims a *seat* in a
//! table (`seats.rs`), in a cache line that is mostly its own thread's. A request that conflicts
//! *gathers* the node first: it moves every claim from its seat into the count in the word, and
//! takes the bit off. From then on all is as if no reader had ever sat.
//!
//! | state | its word | its readers |
//! |---|---|---|
//! | gathered | counts | are counted |
//! | spread, for one shared kind or both | `SPREAD_S`, `SPREAD_N`, and counts | are counted, or sit |
//! | being gathered: its slow lock is held | the same, and the gates of both shared kinds | move to the counts |
//!
//! To all others the bit is one more shared claim of its kind, in the conflict table, too. A shared
//! claim that was granted stands when the bit is set. So no walk, no look up and no enrolment has
//! to know more of seats than this: the node is claimed, and to find out by whom, gather it.
//!
//! # Invariants
//! * **G1.** A reader that sits took its seat first. Then it saw the bit in the word, and no gate
//!   of its kind.
//! * **G2.** The bits change under the node's slow lock. They are set beside a granted claim of
//!   that kind, in a word with `CLEAR` and without exclusive claims, marks, gates and `PARKED`.
//! * **G3.** A gathering counts a claim in the word before it empties the seat.
//! * **G4.** While a node is spread no waiter sleeps in its queue, no upgrade is pending on it, and
//!   no shared waiter drains for it. Each of these gathers under the slow lock before it begins.
//! * **G5.** After a gathering, the node's claims that are left in seats belong to readers that
//!   have not looked at the word yet. They will see no bit, unless the node is spread anew.
//! * **G6.** Beside its bit, a kind's count may be too high: for a moment it has readers that have
//!   left their seats (G3). Who is refused by a word has found no bit there that conflicts.
//!
//! # Why it excludes
//! The bit keeps others out, as the granted claim did beside which it was set (G2). It goes when
//! all readers that sit have been counted. Suppose that one was missed. Then it took its seat after
//! the gathering had passed that seat, and so after the gates were closed. Its look at the word
//! comes later still, as all these accesses are SeqCst. If it saw a gate, it does not sit (G1). If
//! it saw a word from after the gathering, there was no bit, or the node had been spread anew: then
//! it sits by the new bit. This is Dekker's argument once more.
//!
//! A reader that sees no bit, or a gate, gives its seat back. If the seat is empty already, a
//! gathering has counted its claim beside the bit that stood there. So that reader holds the lock.
//!
//! # Why no claim needs to know its reader
//! A reader releases by emptying its seat. If its claim is not there, it takes one off the count.
//! Two claims of one kind on one node are alike, and a seat may have been given to another reader
//! in between. Then the first reader empties the second one's seat, and the second one takes the
//! first one's claim off the count. Each time one claim goes for one reader. So the claims in seats
//! and in the count are as many as the readers, and no count falls below zero. Kinds are never
//! mixed up, as the seat says the kind. Nor are nodes: a reader keeps its node, so no other has its
//! address.
//!
//! # Why no wake-up is lost
//! No waiter sleeps because of a seat: before it looks at the word with which it goes to sleep, it
//! gathers (G4). So a reader that leaves its seat wakes nobody. A claim that was counted ends like
//! all others.
//!
//! # Why no conflict is invented
//! A bit may be left when all readers have gone, and a count may be too high beside it. So no
//! request is refused while such a bit is there, and none waits for one: it gathers, and looks
//! again (G6). If another request gathers already, this one waits for the slow lock, for as long as
//! a look through the table takes. The gates that a gathering closes are on nobody's list. So a
//! request that meets them finds no gate against itself (`gate.rs`).
//!
//! # Why it pays
//! The table for all locks is from Dice and Kogan, *BRAVO* (2019). That a lock is spread when its
//! readers collide, and that claims move from the table into the lock, is from Folly's
//! `SharedMutex`. In both the table decides whether a reader holds. Here the bit is a claim in the
//! tree's own protocol, which excludes above and below as any other does.
//!
//! A gathering costs the request that conflicts about as much as a wake-up. After it, the node is
//! not spread again for [`REST`]. So a writer loses a few hundredths of its time at the most.

use std::time::Duration;

use super::grant;
use super::node::{Node, Slow};
use super::seats::{Attempt, Seat, Seats};
use super::word::{CLEAR, Kind, Place, SPREAD};
use crate::sync::{Ordering, PlainArc, Stamp, claim_fence, now_and_then, renumber_thread, thread_number_if_any};

/// For so long a node that was gathered is not spread again.
const REST: Duration =
    if cfg!(any(mutextree_loom, mutextree_shuttle)) { Duration::ZERO } else { Duration::from_micros(20) };

/// The kinds that a node may be spread for.
const SHARED: [Kind; 2] = [Kind::Ss, Kind::Sn];

impl Node {
    #[cfg(not(any(mutextree_loom, mutextree_shuttle)))]
    #[inline]
    fn seats(&self) -> &'static Seats {
        Seats::of_all()
    }

    #[cfg(any(mutextree_loom, mutextree_shuttle))]
    fn seats(&self) -> &Seats {
        &self.shared().seats
    }

    /// What a seat has for a claim of this kind on this node: the node's address is a multiple of
    /// 8, and leaves room for the kind.
    #[inline]
    fn claim_in_seat(&self, kind: Kind) -> u64 {
        std::ptr::from_ref(self).addr() as u64 | kind as u64
    }

    /// Claims by a seat. `None` if there is no empty one, or the node is not spread any more.
    fn sit(&self, kind: Kind) -> Option<Seat> {
        self.seats().take(self.claim_in_seat(kind)).filter(|seat| self.stays(kind, *seat))
    }

    /// The look at the word of who has taken a seat (G1): on `false` it has given the seat back. If
    /// a gathering was quicker the claim is counted, and stays.
    #[inline]
    fn stays(&self, kind: Kind, seat: Seat) -> bool {
        claim_fence();
        // SeqCst: after the seat was taken. Acquire: the bit was set by a thread that had acquired
        // what was written under the exclusive lock before.
        let may_stay = kind.may_sit(self.word.load(Ordering::SeqCst));
        may_stay || !self.seats().leave(seat, self.claim_in_seat(kind))
    }

    /// The end of a claim that was made by a seat.
    #[inline]
    pub(super) fn leave_seat(self: &PlainArc<Self>, seat: Seat, kind: Kind) {
        if !self.seats().leave(seat, self.claim_in_seat(kind)) {
            self.drop_claim(kind);
        }
    }

    /// Claims for a shared kind by a seat, if the node is spread, or else by the word: what there
    /// is to try when [`claim_fast`](Self::claim_fast) has failed. `None` if something is in the
    /// way, or has to be looked at.
    ///
    /// It asks for its line first, and whatever else it calls it calls last. So it saves few
    /// registers: to save them all took a third of its time.
    #[inline(never)]
    pub(super) fn claim_in_crowd(&self, kind: Kind) -> Option<u64> {
        let line = thread_number_if_any();
        if !kind.may_sit(self.word.load(Ordering::Relaxed)) {
            return self.claim_beside_others(kind);
        }
        match self.seats().take_first(line, self.claim_in_seat(kind)) {
            Attempt::Taken(seat) if self.stays(kind, seat) => Some(grant::seated(kind, seat)),
            Attempt::Taken(_) | Attempt::Occupied => self.claim_beside_others(kind),
            Attempt::Raced => self.claim_elsewhere(kind),
        }
    }

    /// With another number, as another thread has the same one.
    #[cold]
    #[inline(never)]
    fn claim_elsewhere(&self, kind: Kind) -> Option<u64> {
        renumber_thread();
        self.claim_beside_others(kind)
    }

    /// The same for who cannot sit in the first seat. Where others often claim the word at the same
    /// time, spreads the node.
    #[cold]
    #[inline(never)]
    fn claim_beside_others(&self, kind: Kind) -> Option<u64> {
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if kind.may_sit(word)
                && let Some(seat) = self.sit(kind)
            {
                return Some(grant::seated(kind, seat));
            }
            let counted = word & !kind.spread();
            if counted & CLEAR == 0 || !kind.is_simple(counted) {
                return None;
            }
            // As in `claim_simple`.
            if self.word.compare_exchange(word, word + kind.unit(), Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                if word & kind.spread() == 0 && now_and_then() {
                    self.spread(kind);
                }
                return Some(0);
            }
        }
    }

    /// Lets readers of this kind sit, if this is a good time. The caller has a granted claim of
    /// that kind in the word (G2).
    pub(super) fn spread(&self, kind: Kind) {
        let slow = self.cold().slow.lock();
        let is_due = slow.gathered.is_none_or(|gathered| gathered.older_than(REST));
        if is_due && slow.drains.is_empty() {
            let spread = |word| kind.may_spread(word).then_some(word | kind.spread());
            let _ = self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spread);
        }
    }

    /// Moves the claims of all who sit into the word, which has them all from then on.
    #[cold]
    pub(super) fn gather(&self) {
        if let Some(cold) = self.cold_if_any() {
            self.gather_under(&mut cold.slow.lock());
        }
    }

    /// The same for who has the node's slow lock.
    pub(super) fn gather_under(&self, slow: &mut Slow) {
        let spread = self.word.load(Ordering::SeqCst) & SPREAD;
        if spread == 0 {
            return;
        }
        let gates = SHARED.iter().fold(0, |gates, kind| gates | kind.gate());
        self.word.fetch_or(gates, Ordering::SeqCst);
        claim_fence();
        let seats = self.seats();
        for kind in SHARED.into_iter().filter(|kind| spread & kind.spread() != 0) {
            let claim = self.claim_in_seat(kind);
            for seat in seats.with(claim) {
                self.word.fetch_add(kind.unit(), Ordering::SeqCst); // first (G3)
                if !seats.leave(seat, claim) {
                    self.word.fetch_sub(kind.unit(), Ordering::Release); // it has just left
                }
            }
        }
        let closed = slow.gates.bits();
        self.word.fetch_and(!(SPREAD | (gates & !closed)), Ordering::SeqCst);
        slow.gathered = Some(Stamp::now());
    }

    /// The word as a request of this kind has to see it, if the node lies at `place`: gathered, if
    /// the request conflicts with those who sit.
    pub(super) fn word_for(&self, kind: Kind, place: Place) -> u64 {
        loop {
            let word = self.word.load(Ordering::SeqCst);
            if !kind.has_to_gather(word, place) {
                return word;
            }
            self.gather();
        }
    }
}

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
