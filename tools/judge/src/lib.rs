//! The judge of runs with faults: it is told what holders believed, in the order of true time, and
//! says where two of them were wrong. It knows no lock, no server and no clock. Times are numbers
//! of any unit, as long as all are of one.
//!
//! A **belief** is what a holder has: from a grant until a time that the grant set, or until it is
//! ended before that. It rests on a request, which was sent at some time: what the server knew of
//! the lock is no older than that.
//!
//! The rules:
//!
//! 1. No two beliefs that conflict last at the same time ([`Rule::Overlap`]), unless one of them is
//!    excused.
//! 2. A fencing token is greater than those of all grants before it that it conflicts with
//!    ([`Rule::TokenNotRisen`]), unless the grant is excused.
//! 3. A belief that has ended is never extended ([`Rule::HeldAfterLost`]).
//!
//! A belief is **excused** if it rests on a request sent before data was lost. An overlap that is
//! excused is a loss, and counted apart. So is the overlap of the same two beliefs a violation once
//! both were confirmed after the loss.

mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;

/// What was locked. Claims that are equal conflict with the same claims: of all equal ones the
/// judge keeps only the greatest token.
pub trait Claim: Clone + Display + Ord {
    /// Whether two holders may not have these at the same time. Symmetrical.
    fn conflicts_with(&self, other: &Self) -> bool;
}

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Two beliefs that conflict lasted at the same time.
    Overlap,
    /// A fencing token is not greater than one of an earlier grant that conflicts.
    TokenNotRisen,
    /// A belief was extended after it had ended.
    HeldAfterLost,
}

/// What should not have happened.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When it showed.
    pub at: u64,
    /// Which rule was broken.
    pub rule: Rule,
    /// The belief with which it showed.
    pub id: u64,
    /// The other one, if the rule is about two.
    pub other: Option<u64>,
    /// A sentence that names both claims, tokens and times.
    pub text: String,
}

/// One holder's belief.
#[derive(Clone, Debug)]
struct Belief<C> {
    claim: C,
    token: u64,
    from: u64,
    /// It lasts up to here, and not at this time itself.
    until: u64,
    rests_on: u64,
    /// When the request was sent that set its end.
    timed_by: u64,
    /// It did not just run out.
    was_ended: bool,
}

/// See the [crate].
#[derive(Clone, Debug)]
pub struct Judge<C> {
    beliefs: HashMap<u64, Belief<C>>,
    /// Those that may still last.
    live: BTreeSet<u64>,
    /// The greatest token of each claim, and whose it is.
    tokens: BTreeMap<C, (u64, u64)>,
    compares_tokens: bool,
    /// A request sent before this is no proof of what the server knows.
    lost_until: u64,
    /// An end that was set by a request before this comes early on the server.
    jumped_until: u64,
    /// Pairs, the smaller id first, that were counted.
    counted: HashSet<(u64, u64)>,
    told: HashSet<(u64, u64)>,
    grants: u64,
    violations: Vec<Violation>,
}

impl<C: Claim> Default for Judge<C> {
    fn default() -> Self {
        Self {
            beliefs: HashMap::new(),
            live: BTreeSet::new(),
            tokens: BTreeMap::new(),
            compares_tokens: true,
            lost_until: 0,
            jumped_until: 0,
            counted: HashSet::new(),
            told: HashSet::new(),
            grants: 0,
            violations: Vec::new(),
        }
    }
}

impl<C: Claim> Judge<C> {
    /// One that was told nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A holder begins to believe that it holds `claim`, up to `until`. `rests_on` is when the
    /// request was sent that this belief rests on. Each grant has an id of its own.
    ///
    /// # Panics
    /// If there was a grant of this id.
    pub fn granted(&mut self, id: u64, claim: C, fencing_token: u64, at: u64, until: u64, rests_on: u64) {
        self.grants += 1;
        let timed_by = rests_on;
        let belief = Belief { claim, token: fencing_token, from: at, until, rests_on, timed_by, was_ended: false };
        self.compare_tokens(id, &belief, at);
        let before = self.beliefs.insert(id, belief);
        assert!(before.is_none(), "{id} is the id of two grants");
        self.live.insert(id);
        self.compare_beliefs(id, at);
    }

    /// A renewal or a refresh: the belief ends at `until` now, which may be earlier than before. If
    /// it is what it was, the request has not set it.
    pub fn extended(&mut self, id: u64, at: u64, until: u64, rests_on: u64) {
        let Some(belief) = self.beliefs.get_mut(&id) else {
            let text = format!("{id} was extended at {at} up to {until}, and was never granted");
            return self.violations.push(Violation { at, rule: Rule::HeldAfterLost, id, other: None, text });
        };
        if belief.until < at || belief.was_ended {
            let text = text::held_after_lost(id, belief, at, until);
            return self.violations.push(Violation { at, rule: Rule::HeldAfterLost, id, other: None, text });
        }
        belief.rests_on = belief.rests_on.max(rests_on);
        if belief.until != until {
            (belief.until, belief.timed_by) = (until, rests_on);
        }
        self.live.insert(id);
        self.compare_beliefs(id, at);
    }

    /// What is held is now `claim`, as after a downgrade. Nothing, if the belief has ended.
    pub fn changed(&mut self, id: u64, at: u64, claim: C) {
        if let Some(belief) = self.beliefs.get_mut(&id).filter(|belief| belief.until > at) {
            belief.claim = claim;
            self.compare_beliefs(id, at);
        }
    }

    /// The same holder has more than before: `claim`, with a fencing token of its own. Its end is
    /// what it was. Nothing, if the belief has ended.
    pub fn raised(&mut self, id: u64, at: u64, claim: C, fencing_token: u64, rests_on: u64) {
        let Some(belief) = self.beliefs.get_mut(&id).filter(|belief| belief.until > at) else { return };
        (belief.claim, belief.token) = (claim, fencing_token);
        belief.rests_on = belief.rests_on.max(rests_on);
        let belief = belief.clone();
        self.compare_tokens(id, &belief, at);
        self.compare_beliefs(id, at);
    }

    /// The holder of `id` has this as well, by the same grant, and with a belief of its own from
    /// now on: one node of several. Nothing, if the belief has ended.
    ///
    /// # Panics
    /// If there was a grant of this new id.
    pub fn joined(&mut self, id: u64, new: u64, at: u64, claim: C) {
        let Some(belief) = self.beliefs.get(&id).filter(|belief| belief.until > at) else { return };
        let belief = Belief { claim, from: at, ..belief.clone() };
        let before = self.beliefs.insert(new, belief);
        assert!(before.is_none(), "{new} is the id of two grants");
        self.live.insert(new);
        self.compare_beliefs(new, at);
    }

    /// Released, lost, or its process died. Nothing, if the belief has ended.
    pub fn ended(&mut self, id: u64, at: u64) {
        if let Some(belief) = self.beliefs.get_mut(&id).filter(|belief| belief.until > at) {
            (belief.until, belief.was_ended) = (at, true);
            self.live.remove(&id);
        }
    }

    /// Data may have been lost: from now on a belief that rests on a request sent before `at` is
    /// excused. If it is not known when exactly that happened, this is told before the earliest
    /// time, and `at` is the latest.
    pub fn data_lost(&mut self, at: u64) {
        self.lost_until = self.lost_until.max(at);
    }

    /// The server's clock jumped ahead: from now on a belief whose end was set by a request sent
    /// before `at` is excused.
    pub fn clock_jumped(&mut self, at: u64) {
        self.jumped_until = self.jumped_until.max(at);
    }

    fn excuses(&self, belief: &Belief<C>) -> bool {
        belief.rests_on < self.lost_until || belief.timed_by < self.jumped_until
    }

    /// Data was lost, and holders claim again what they have. A holder whose belief is excused does
    /// so, too, and its overlap goes on: if there is one now, this is a loss like any other.
    pub fn claimed_again(&mut self, at: u64) {
        let mut live = self.live.iter().map(|id| &self.beliefs[id]);
        if live.any(|belief| belief.until > at && self.excuses(belief)) {
            self.data_lost(at);
        }
    }

    /// Data was lost and the server's clock was set back: no token is compared any more.
    pub fn tokens_may_fall(&mut self) {
        self.compares_tokens = false;
    }

    /// Data that is a little older took the place of what there was: a grant of before may come
    /// back, with its token. So no later token is compared with those that there were so far.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// How many grants there were.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// How many overlaps are due to a loss of data.
    pub fn losses(&self) -> u64 {
        self.counted.len() as u64
    }

    /// What should not have happened, in the order in which it showed.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn compare_beliefs(&mut self, id: u64, at: u64) {
        let beliefs = &self.beliefs;
        self.live.retain(|live| beliefs[live].until > at);
        let belief = &beliefs[&id];
        if belief.until <= at {
            return;
        }
        for &other_id in self.live.iter().filter(|&&live| live != id) {
            let other = &beliefs[&other_id];
            if !belief.claim.conflicts_with(&other.claim) {
                continue;
            }
            let pair = (id.min(other_id), id.max(other_id));
            if self.excuses(belief) || self.excuses(other) {
                self.counted.insert(pair);
            } else if self.told.insert(pair) {
                let text = text::overlap((id, belief), (other_id, other), at);
                let rule = Rule::Overlap;
                self.violations.push(Violation { at, rule, id, other: Some(other_id), text });
            }
        }
    }

    fn compare_tokens(&mut self, id: u64, belief: &Belief<C>, at: u64) {
        if self.compares_tokens && !self.excuses(belief) {
            // A holder that has more than before may never have had less on the server: its own
            // token is none to be compared with.
            let others = self.tokens.iter().filter(|(_, (_, its))| *its != id);
            let conflicts = others.filter(|(claim, _)| claim.conflicts_with(&belief.claim));
            // One sentence a grant: the greatest says most.
            let greatest = conflicts.max_by_key(|(_, (token, _))| *token);
            if let Some((claim, &(token, other))) = greatest.filter(|(_, (token, _))| *token >= belief.token) {
                let text = text::not_risen((id, belief), (other, claim, token), at);
                let rule = Rule::TokenNotRisen;
                self.violations.push(Violation { at, rule, id, other: Some(other), text });
            }
        }
        let greatest = self.tokens.entry(belief.claim.clone()).or_insert((belief.token, id));
        *greatest = (*greatest).max((belief.token, id));
    }
}
