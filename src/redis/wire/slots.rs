//! What a site serves in a cluster: [`Slots`]; and who has which slot: [`Table`].

use std::collections::BTreeMap;

use super::super::primitives::Mutex;
use super::place::Place;

/// The slots of the trees of a site. One of them stands for all: its master is the site's.
#[derive(Debug)]
pub(super) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    asked: u16,
    /// How many trees each has.
    trees: BTreeMap<u16, usize>,
}

impl Slots {
    /// No tree is there yet. The slot of the first stands for all.
    pub(super) fn new(slot: u16) -> Self {
        Self(Mutex::new(State { asked: slot, trees: BTreeMap::new() }))
    }

    /// The slot whose master is the site's.
    pub(super) fn asked(&self) -> u16 {
        self.0.lock().asked
    }

    /// Whether there are trees of several slots: then one that has moved leaves the others alone.
    pub(super) fn are_several(&self) -> bool {
        self.0.lock().trees.len() > 1
    }

    /// One that `stays` stands for all, if there are several and there is one.
    pub(super) fn elect(&self, stays: impl Fn(u16) -> bool) -> bool {
        let mut state = self.0.lock();
        let elected = state.trees.keys().copied().find(|&slot| stays(slot)).filter(|_| state.trees.len() > 1);
        state.asked = elected.unwrap_or(state.asked);
        elected.is_some()
    }

    pub(super) fn enter(&self, slot: u16) {
        *self.0.lock().trees.entry(slot).or_default() += 1;
    }

    pub(super) fn leave(&self, slot: u16) {
        let mut state = self.0.lock();
        if let Some(count) = state.trees.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                state.trees.remove(&slot);
            }
        }
        if !state.trees.contains_key(&state.asked)
            && let Some((&other, _)) = state.trees.first_key_value()
        {
            state.asked = other;
        }
    }
}

/// Which master has which slots, as a node said last. A hint: `MOVED` puts right what is old.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Vec<(u16, u16, Place)>>);

impl Table {
    pub(super) fn set(&self, ranges: Vec<(u16, u16, Place)>) {
        *self.0.lock() = ranges;
    }

    pub(super) fn master_of(&self, slot: u16) -> Option<Place> {
        let ranges = self.0.lock();
        ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(_, _, place)| place.clone())
    }

    /// All masters.
    pub(super) fn masters(&self) -> Vec<Place> {
        let mut masters = Vec::new();
        for (_, _, place) in &*self.0.lock() {
            if !masters.contains(place) {
                masters.push(place.clone());
            }
        }
        masters
    }
}
