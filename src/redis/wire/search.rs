//! [`Search`]: what is known of guides, and of the master that they name.

use super::super::clock::{clock, until};
use super::super::primitives::Mutex;
use super::dial::Dialer;
use super::guide::{Denial, Guide, Told};
use super::place::Place;
use super::resp::RespStream;
use super::transport::Transport;
use crate::redis::error::{Failure, RedisStoreError};

/// So many guides are known, and those that the URL names.
const MOST_LEARNED: usize = 16;
/// So many connections to guides are kept for the next question.
const MOST_SPARE: usize = 3;

pub(super) struct Search {
    guide: Box<dyn Guide>,
    /// Those that the URL names.
    seeds: Vec<Place>,
    known: Mutex<Known>,
}

struct Known {
    /// In the order in which they are asked.
    guides: Vec<Place>,
    spare: Vec<(Place, RespStream)>,
    /// Where the last connection was opened to.
    master: Option<Place>,
    /// The greatest number that came with an answer that was right.
    epoch: Option<u64>,
    /// What a server said of the one that has the slot now.
    hint: Option<Place>,
    /// Whose turn it is at the next look.
    turn: usize,
}

impl Search {
    pub(super) fn new(guide: Box<dyn Guide>, seeds: Vec<Place>) -> Self {
        let known = Known { guides: seeds.clone(), spare: Vec::new(), master: None, epoch: None, hint: None, turn: 0 };
        Self { guide, seeds, known: Mutex::new(known) }
    }

    /// Whom to ask, in this order.
    pub(super) fn guides(&self) -> Vec<Place> {
        self.known.lock().guides.clone()
    }

    /// The same from another one on at each look, and without the master: one that hangs hides the
    /// news.
    pub(super) fn guides_in_turn(&self) -> Vec<Place> {
        let mut known = self.known.lock();
        let mut guides: Vec<Place> =
            known.guides.iter().filter(|guide| Some(*guide) != known.master.as_ref()).cloned().collect();
        let count = guides.len().max(1);
        guides.rotate_left(known.turn % count);
        known.turn = known.turn.wrapping_add(1);
        guides
    }

    /// Where the last connection was opened to.
    pub(super) fn master(&self) -> Option<Place> {
        self.known.lock().master.clone()
    }

    /// Of these, too, the master can be asked. It is most likely this one.
    pub(super) fn learn(&self, guides: Vec<Place>, master: Option<Place>) {
        let mut known = self.known.lock();
        known.hint.clone_from(&master);
        known.master = master;
        for guide in guides.into_iter().take(MOST_LEARNED) {
            if !known.guides.contains(&guide) {
                known.guides.push(guide);
            }
        }
    }

    pub(super) fn take_hint(&self) -> Option<Place> {
        self.known.lock().hint.take()
    }

    /// A server has said that it is not the master, and maybe who is. The guide that named it is
    /// asked last.
    pub(super) fn misled(&self, moved_to: Option<Place>) {
        let mut known = self.known.lock();
        if moved_to.is_none() {
            known.guides.rotate_left(1);
        }
        known.hint = moved_to;
    }

    /// Asks a guide by `deadline`. The error says what it said.
    pub(super) fn ask(&self, dialer: &Dialer, guide: &Place, deadline: u64) -> Result<Told, Denied> {
        let told = self.ask_over_spare(guide, deadline);
        let told = told.map_or_else(|| self.ask_anew(dialer, guide, deadline), Ok);
        let mut known = self.known.lock();
        // Who answered is asked first the next time, and who did not is asked last.
        if let Some(at) = known.guides.iter().position(|known| known == guide) {
            let guide = known.guides.remove(at);
            let to = if told.is_ok() { 0 } else { known.guides.len() };
            known.guides.insert(to, guide);
        }
        if let Ok(told) = &told
            && !told.guides.is_empty()
        {
            known.guides = learned(guide, &told.guides, &self.seeds);
        }
        told
    }

    fn ask_over_spare(&self, guide: &Place, deadline: u64) -> Option<Told> {
        let (_, stream) = {
            let mut known = self.known.lock();
            let at = known.spare.iter().position(|(place, _)| place == guide)?;
            known.spare.swap_remove(at)
        };
        // It may have been closed meanwhile. Half of the time is for another one.
        let share = clock().saturating_add(u64::try_from(until(deadline).as_micros() / 2).unwrap_or(u64::MAX));
        self.ask_over(stream, guide, share).ok()
    }

    fn ask_anew(&self, dialer: &Dialer, guide: &Place, deadline: u64) -> Result<Told, Denied> {
        let dialed = dialer.dial(guide, self.guide.login(), deadline).map_err(Denied::Unreachable)?;
        self.ask_over(dialed.stream, guide, deadline)
    }

    fn ask_over(&self, mut stream: RespStream, guide: &Place, deadline: u64) -> Result<Told, Denied> {
        let down = |reason| {
            Denied::Unreachable(Failure::Down(RedisStoreError::Unreachable { address: guide.to_string(), reason }))
        };
        let (question, count) = self.guide.question();
        stream.write(&question, deadline).map_err(|partly| down(partly.halt.reason()))?;
        let answers = (0..count).map(|_| stream.receive(deadline)).collect::<Result<Vec<_>, _>>();
        let answers = answers.map_err(|halt| down(halt.reason()))?;
        let mut known = self.known.lock();
        if known.spare.len() < MOST_SPARE && !stream.has_more() {
            known.spare.push((guide.clone(), stream));
        }
        drop(known);
        self.guide.read(answers, guide).map_err(Denied::Answered)
    }

    /// Whether this is known to have been so before what is known now.
    pub(super) fn is_older(&self, told: &Told) -> bool {
        let known = self.known.lock();
        known.epoch.zip(told.epoch).is_some_and(|(known, told)| told < known)
    }

    /// Whether this is known to be so since what is known now.
    pub(super) fn is_newer(&self, told: &Told) -> bool {
        let known = self.known.lock();
        known.epoch.zip(told.epoch).is_some_and(|(known, told)| told > known)
    }

    /// What was known may have been forgotten by all who know: from now on any answer is right.
    pub(super) fn forget_epoch(&self) {
        self.known.lock().epoch = None;
    }

    /// A connection is open to the master. `false` if a newer one has been found meanwhile.
    pub(super) fn found(&self, place: &Place, epoch: Option<u64>) -> bool {
        let mut known = self.known.lock();
        if known.epoch.zip(epoch).is_some_and(|(known, epoch)| epoch < known) {
            return false;
        }
        known.epoch = epoch.or(known.epoch);
        known.master = Some(place.clone());
        true
    }
}

/// Why a guide did not name the master.
pub(super) enum Denied {
    Unreachable(Failure),
    Answered(Denial),
}

/// The guides from now on: who told of them, what was told, and what the URL names.
fn learned(first: &Place, told: &[Place], seeds: &[Place]) -> Vec<Place> {
    let mut guides = vec![first.clone()];
    for place in told.iter().take(MOST_LEARNED).chain(seeds) {
        if !guides.contains(place) {
            guides.push(place.clone());
        }
    }
    guides
}
