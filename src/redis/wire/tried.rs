//! [`Tried`]: who was asked and what was tried in search of the master, and what each said.

use super::super::error::{Failure, RedisStoreError};
use super::guide::Denial;
use super::place::Place;
use super::search::Denied;

#[derive(Default)]
pub(super) struct Tried {
    masters: Vec<Place>,
    said: Vec<String>,
    /// A guide named a master, or may name one later: so there is a setup, and it may heal.
    may_pass: bool,
    /// How many were not reached.
    unreached: usize,
    /// Guides that do not know what they were asked for.
    never: usize,
    /// What a guide has against us.
    refused: Option<RedisStoreError>,
}

impl Tried {
    pub(super) fn has(&self, place: &Place) -> bool {
        self.masters.contains(place)
    }

    /// Whether any guide has named a master.
    pub(super) fn has_any(&self) -> bool {
        !self.masters.is_empty()
    }

    pub(super) fn denied(&mut self, guide: &Place, denied: Denied) {
        let text = match denied {
            Denied::Answered(Denial::Later(text)) => {
                self.may_pass = true;
                text
            }
            Denied::Answered(Denial::Never(text)) => {
                self.never += 1;
                text
            }
            Denied::Unreachable(failure) => {
                let is_refused = matches!(failure, Failure::Refused(_));
                self.may_pass |= matches!(failure, Failure::Later(_));
                let error = failure.into_error();
                let text = format!("says: {}", short(&error));
                if is_refused {
                    self.refused.get_or_insert(error);
                } else {
                    self.unreached += 1;
                }
                text
            }
        };
        self.said.push(format!("{guide} {text}"));
    }

    /// A guide named this, which is known to be out of date.
    pub(super) fn older(&mut self, guide: &Place, place: &Place) {
        self.said.push(format!("{guide} names {place}, which was the master before"));
    }

    /// A guide named what was tried already.
    pub(super) fn again(&mut self, guide: &Place) {
        self.said.push(format!("so does {guide}"));
    }

    /// What came of a connection to a place that was named by somebody. The error is one that no
    /// other place would change.
    pub(super) fn failed(&mut self, by: &str, place: &Place, failure: Failure) -> Result<(), Failure> {
        self.masters.push(place.clone());
        if matches!(failure, Failure::Refused(_)) {
            return Err(failure);
        }
        self.may_pass = true;
        self.said.push(format!("{by} names {place}: {}", short(&failure.into_error())));
        Ok(())
    }

    /// What came of the master that there was, as nobody names one.
    pub(super) fn last(&mut self, place: &Place, failure: Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::Refused(_)) {
            return Err(failure);
        }
        self.may_pass |= matches!(failure, Failure::Later(_));
        self.said.push(format!("{place}, the master before: {}", short(&failure.into_error())));
        Ok(())
    }

    pub(super) fn into_failure(self, shown: &str) -> Failure {
        let reason = self.said.join("; ");
        if self.may_pass {
            return Failure::Later(RedisStoreError::Unreachable { address: shown.into(), reason });
        }
        match self.refused {
            Some(error) if self.unreached == 0 => Failure::Refused(error),
            None if self.unreached == 0 && self.never > 0 => {
                Failure::Refused(RedisStoreError::Config(format!("{shown} leads to no master: {reason}")))
            }
            _ => Failure::Down(RedisStoreError::Unreachable { address: shown.into(), reason }),
        }
    }
}

/// Without the address, which is named before.
fn short(error: &RedisStoreError) -> String {
    match error {
        RedisStoreError::Unreachable { reason, .. } | RedisStoreError::Busy { reason } => reason.clone(),
        RedisStoreError::Authentication { .. } => "another user name or password is wanted".into(),
        error => error.to_string(),
    }
}
