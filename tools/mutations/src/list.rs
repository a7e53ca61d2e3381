//! The mutations: rules of the algorithm, each left out or turned round.
//!
//! A rule that is only about speed or fairness fails no model, as models know neither. Unit tests
//! beside the code and `tests/fairness.rs` hold those.

mod claiming;
mod clearing;
mod deadlocks;
mod enrolling;
mod giving_up;
mod handing;
mod looking;
mod naming;
mod narrowing;
mod polling;
mod sets;
mod spreading;
mod trying;
mod upgrading;
mod waking;
mod widening;

use crate::copy::Edit;

/// A rule left out.
pub(crate) struct Mutation {
    /// What is wrong then, as the first model's doc comment has it after "Fails if".
    pub(crate) what: &'static str,
    /// In which file of `src/`, which text, which is there once, and what to put in its place.
    pub(crate) edits: &'static [Edit],
    /// The models that fail.
    pub(crate) fails: &'static [&'static str],
}

const CLAIM: &str = "memory/claim.rs";
const ENROL: &str = "memory/enrol.rs";
const WALK: &str = "memory/walk.rs";
const WORD: &str = "memory/word.rs";
const GATE: &str = "memory/gate.rs";
const SLEEPER: &str = "memory/sleeper.rs";
const WAIT: &str = "memory/wait.rs";
const HAND_OVER: &str = "memory/wait/hand_over.rs";
const LAPSE: &str = "memory/wait/lapse.rs";
const WAITER: &str = "memory/waiter.rs";
const ACQUIRE: &str = "memory/acquire.rs";
const TENTATIVE: &str = "memory/tentative.rs";
const RECLAIM: &str = "memory/reclaim.rs";
const MAP: &str = "sync/map.rs";
const RECORD: &str = "memory/record.rs";
const LEASES: &str = "memory/record/leases.rs";
const LOSS: &str = "memory/loss.rs";
const GRANT_NAMED: &str = "memory/grant/named.rs";
const LOOK: &str = "memory/look.rs";
const NAME: &str = "memory/name.rs";
const SPREAD: &str = "memory/spread.rs";
const SET_PHASE: &str = "memory/set/phase.rs";
const SET_ACQUIRE: &str = "memory/set/acquire.rs";
const UPGRADE: &str = "memory/upgrade.rs";
const UPGRADES: &str = "memory/upgrade/registry.rs";
const WIDEN: &str = "memory/widen.rs";
const CHANGE: &str = "memory/change.rs";
const NARROW: &str = "memory/narrow.rs";

pub(crate) fn all() -> impl Iterator<Item = &'static Mutation> {
    let lists = [
        claiming::MUTATIONS,
        clearing::MUTATIONS,
        enrolling::MUTATIONS,
        trying::MUTATIONS,
        waking::MUTATIONS,
        giving_up::MUTATIONS,
        handing::MUTATIONS,
        polling::MUTATIONS,
        looking::MUTATIONS,
        naming::MUTATIONS,
        sets::MUTATIONS,
        spreading::MUTATIONS,
        narrowing::MUTATIONS,
        upgrading::MUTATIONS,
        widening::MUTATIONS,
        deadlocks::MUTATIONS,
    ];
    lists.into_iter().flatten()
}
