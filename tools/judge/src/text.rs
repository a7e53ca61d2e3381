//! The sentences of violations.

use std::fmt::Display;

use crate::Belief;

fn describe<C: Display>(id: u64, belief: &Belief<C>) -> String {
    let Belief { claim, token, from, until, rests_on, .. } = belief;
    format!("{id} ({claim}, token {token}, since {from}, until {until}, by a request of {rests_on})")
}

pub(crate) fn overlap<C: Display>(new: (u64, &Belief<C>), old: (u64, &Belief<C>), at: u64) -> String {
    format!("at {at} both are held: {} and {}", describe(new.0, new.1), describe(old.0, old.1))
}

pub(crate) fn not_risen<C: Display>(new: (u64, &Belief<C>), old: (u64, &C, u64), at: u64) -> String {
    let (other, claim, token) = old;
    format!(
        "at {at} came {}, whose token is not greater than that of {other} ({claim}, token {token}), which came before",
        describe(new.0, new.1)
    )
}

pub(crate) fn held_after_lost<C: Display>(id: u64, belief: &Belief<C>, at: u64, until: u64) -> String {
    format!("at {at} was extended up to {until} what had ended: {}", describe(id, belief))
}
