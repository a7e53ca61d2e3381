//! Threads that ask for a lock. A wait that takes far too long fails the test instead of hanging
//! it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Far more than any single wait here takes. Where thousands of broken stores are tried, each hang
/// costs this, so it can be set to fewer seconds.
pub const AT_MOST: Duration = Duration::from_secs(match option_env!("MUTEXTREE_TEST_AT_MOST") {
    None => 20,
    Some(seconds) => match u64::from_str_radix(seconds, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("MUTEXTREE_TEST_AT_MOST is a number of seconds"),
    },
});
/// Far more than any whole test here takes.
const WHOLE_TEST: Duration = AT_MOST.saturating_mul(3);
/// How long somebody is watched who must not get in. Too short a watch cannot fail a good store,
/// only miss a bad one.
const WATCH: Duration = Duration::from_millis(3);

/// Something that goes on in another thread.
pub struct Asking<T> {
    answer: Receiver<T>,
}

/// Does it in a thread of its own, which has begun when this returns.
pub fn asking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Asking<T> {
    let (begun, begins) = channel();
    let (answers, answer) = channel();
    thread::spawn(move || {
        let _ = begun.send(());
        let _ = answers.send(job()); // nobody listens any more if the test has failed
    });
    begins.recv_timeout(AT_MOST).expect("the thread begins");
    Asking { answer }
}

impl<T> Asking<T> {
    /// Something whose answer will come from there.
    pub fn new(answer: Receiver<T>) -> Self {
        Self { answer }
    }

    /// That it has not ended, and does not within some milliseconds.
    #[track_caller]
    pub fn still_waits(&self, why: &str) {
        match self.answer.recv_timeout(WATCH) {
            Ok(_) => panic!("it did not wait: {why}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it panicked instead of waiting: {why}"),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }

    /// What it ends with.
    #[track_caller]
    pub fn ends(self) -> T {
        self.ends_within(AT_MOST)
    }

    #[track_caller]
    fn ends_within(self, time: Duration) -> T {
        match self.answer.recv_timeout(time) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => panic!("the other thread panicked"),
            Err(RecvTimeoutError::Timeout) => panic!("it waits for ever"),
        }
    }
}

/// Runs a test that would wait for ever if a store kept its locks.
#[track_caller]
pub fn in_time(test: impl FnOnce() + Send + 'static) {
    asking(test).ends_within(WHOLE_TEST);
}
