//! The same again, after pauses that grow, as long as there is time for that.

use std::thread;
use std::time::Duration;

use crate::redis::clock::until;
use crate::redis::error::Failure;

pub(super) struct Pauses {
    /// It doubles with each further one.
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Pauses {
    /// Does it, and again while its failure passes and a pause leaves as much time as it takes.
    pub(super) fn between<T>(
        &self,
        deadline: u64,
        passes: impl Fn(&Failure) -> bool,
        mut once: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = self.first;
        loop {
            match once() {
                Err(failure) if passes(&failure) && until(deadline) > pause * 2 => thread::sleep(pause),
                result => return result,
            }
            pause = (pause * 2).min(self.longest);
        }
    }
}
