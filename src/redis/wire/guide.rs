//! [`Guide`]: what to ask a server that is not the master, but knows who is.

use super::answer::Answer;
use super::login::Login;
use super::place::Place;

/// A way to ask who is master for the tree's slot now. Sentinels and the nodes of a cluster differ
/// in what they are asked, and how they answer; what is done with that is the same.
pub(super) trait Guide: Send + Sync {
    /// What is asked, as one pipeline, and how many answers that has.
    fn question(&self) -> (Vec<u8>, usize);

    /// What the answers say; the place is that of the server that gave them. The error is a
    /// sentence without a subject, for people.
    fn read(&self, answers: Vec<Answer>, asked: &Place) -> Result<Told, Denial>;

    /// Who we are to it.
    fn login(&self) -> &Login;
}

/// What a guide says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) master: Place,
    /// Of two answers that contradict each other the one with the greater number is right.
    pub(super) epoch: Option<u64>,
    /// Others that can be asked.
    pub(super) guides: Vec<Place>,
}

/// Why a guide that answered names no master.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// It may name one later.
    Later(String),
    /// It never will: what it was asked for is not known to it.
    Never(String),
}
