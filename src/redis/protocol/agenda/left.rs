//! What is left to do that no lock of this process needs: what a call has left over, and what is to
//! be given back.

use super::super::calls::More;
use super::super::timing::{LONGEST_RETRY, TIDY_PAUSE};
use super::{Agenda, GivenUp, RELEASES, Room};

impl<W> Agenda<W> {
    /// What a call has left to do: handing over first, as somebody waits for that.
    pub(super) fn take_left_over(&mut self, now: u64, next: &mut u64) -> Option<More> {
        if let Some(hand_over) = self.hand_overs.pop_front() {
            if self.untidy || !self.hand_overs.is_empty() {
                *next = now;
            }
            return Some(hand_over);
        }
        if !self.untidy {
            return None;
        }
        let due = self.tidied.saturating_add(TIDY_PAUSE);
        if due > now {
            *next = (*next).min(due);
            return None;
        }
        (self.untidy, self.tidied) = (false, now);
        Some(More::Tidy)
    }

    pub(super) fn take_given_up(&mut self, now: u64, room: Room, next: &mut u64) -> Vec<GivenUp> {
        let mut taken = Vec::new();
        self.given_up.retain(|given_up| now < given_up.until);
        if !room.releases {
            return taken;
        }
        for given_up in std::mem::take(&mut self.given_up) {
            if given_up.due <= now && taken.len() < RELEASES {
                taken.push(given_up);
            } else {
                *next = (*next).min(given_up.due);
                self.given_up.push(given_up);
            }
        }
        taken
    }

    /// A release did not get through.
    pub(in crate::redis) fn not_given_back(&mut self, mut given_up: GivenUp, now: u64) {
        given_up.due = now + given_up.pause;
        given_up.pause = (given_up.pause * 2).min(LONGEST_RETRY);
        self.next = self.next.min(given_up.due);
        self.given_up.push(given_up);
    }
}
