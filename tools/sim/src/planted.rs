//! [`Planted`]: a fault that is put into a script on purpose, to see that the histories find it.

use crate::redis::protocol::script::Script;

/// A piece of a script's text, and what takes its place.
#[derive(Clone, Debug)]
pub struct Planted {
    from: String,
    to: String,
}

impl Planted {
    /// `from` has to be found in some script, and is replaced by `to` wherever it is.
    ///
    /// # Errors
    /// If no script has it.
    pub fn new(from: &str, to: &str) -> Result<Self, String> {
        if Script::ALL.iter().any(|script| script.text().contains(from)) {
            Ok(Self { from: from.into(), to: to.into() })
        } else {
            Err(format!("no script has this text: {from}"))
        }
    }

    pub(super) fn plant(&self, text: &str) -> String {
        text.replace(&self.from, &self.to)
    }
}
