//! [`Entry`]: what is written down of one request.

use mutextree::{Kind, Mode, Scope, TreePath, conflicts};
use serde::{Deserialize, Serialize};

/// A request, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its place in the order, and the name of its file.
    pub(crate) number: u64,
    pub(crate) paths: Vec<TreePath>,
    mode: Mode,
    scope: Scope,
    pub(crate) owner: String,
    pub(crate) process: u32,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Waits,
    Held {
        /// The fencing token.
        token: u64,
        /// In microseconds since 1970.
        since: u64,
    },
}

impl Entry {
    /// A request of this process that waits.
    pub(crate) fn new(number: u64, paths: Vec<TreePath>, kind: Kind, owner: String) -> Self {
        let (mode, scope, process) = (kind.mode, kind.scope, std::process::id());
        Self { number, paths, mode, scope, owner, process, state: State::Waits }
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::new(self.mode, self.scope)
    }

    /// Whether a request has to wait for this one: if it is held, or came earlier.
    pub(super) fn is_in_the_way_of(&self, other: &Self) -> bool {
        let comes_first = matches!(self.state, State::Held { .. }) || self.number < other.number;
        comes_first
            && self.number != other.number
            && self
                .paths
                .iter()
                .any(|mine| other.paths.iter().any(|theirs| conflicts((mine, self.kind()), (theirs, other.kind()))))
    }
}
