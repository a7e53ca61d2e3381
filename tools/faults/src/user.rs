//! [`User`]: a thread or a task that takes one lock after the other.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use mutextree::{LockError, OwnedTreeMutexGuard, RedisStore, TreeMutex};

use crate::claim::Locked;
use crate::clock::now;
use crate::event::{What, id, tell, tell_now};
use crate::holder::Holder;
use crate::worker::Shared;

pub(crate) type Guard = OwnedTreeMutexGuard<RedisStore>;

/// The pause of a user who was told of an error.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct User {
    store: RedisStore,
    shared: Arc<Shared>,
    random: fastrand::Rng,
    /// Whether it holds each lock for long: until its lease is over, or for several renewals.
    keeps: bool,
    /// What it had last, if its store keeps that.
    last: Option<Locked>,
}

/// How a lock is asked for.
#[derive(Clone, Copy, Debug)]
enum How {
    Waits,
    Tries,
    For(Duration),
}

/// A request, and what is to be done with what it brings.
pub(crate) struct Ask {
    pub(crate) id: u64,
    pub(crate) claim: Locked,
    mutex: TreeMutex<RedisStore>,
    how: How,
    /// A lease that does not renew itself; else the store's.
    pub(crate) lease: Option<u64>,
    pub(crate) before: u64,
    pub(crate) keeps: bool,
}

/// The error with what caused it.
pub(crate) fn text(error: &LockError) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl User {
    pub(crate) fn new(number: u64, store: &RedisStore, shared: &Arc<Shared>, keeps: bool) -> Self {
        let random = fastrand::Rng::with_seed(shared.setup.seed.wrapping_mul(31).wrapping_add(number));
        Self { store: store.clone(), shared: shared.clone(), random, keeps, last: None }
    }

    pub(crate) fn run(mut self) {
        while !self.shared.finishes() {
            let mut ask = self.draw();
            loop {
                ask.begins(&self.shared);
                let got = match ask.how {
                    How::Waits => ask.mutex.lock_owned(),
                    How::Tries => ask.mutex.try_lock_owned(),
                    How::For(time) => ask.mutex.try_lock_owned_for(time),
                };
                match ask.got(got) {
                    Got::Guard(guard) => {
                        let mut holder = Holder::new(&ask, guard, &self.shared, &mut self.random);
                        while let Some(pause) = holder.step() {
                            thread::sleep(pause);
                        }
                        break;
                    }
                    Got::Error if ask.waits() => thread::sleep(PAUSE),
                    Got::Error | Got::Nothing => break,
                }
            }
            thread::sleep(Duration::from_micros(self.random.u64(..3000)));
        }
    }

    pub(crate) async fn run_as_task(mut self) {
        while !self.shared.finishes() {
            let mut ask = self.draw();
            loop {
                ask.begins(&self.shared);
                let future = ask.mutex.lock_owned_async();
                let got = match ask.how {
                    How::Waits => Some(future.await),
                    // A future that is dropped.
                    How::For(time) => tokio::time::timeout(time, future).await.ok(),
                    How::Tries => tokio::time::timeout(Duration::from_millis(1), future).await.ok(),
                };
                let Some(got) = got else {
                    tell_now(ask.id, What::Refused);
                    break;
                };
                match ask.got(got) {
                    Got::Guard(guard) => {
                        let mut holder = Holder::new(&ask, guard, &self.shared, &mut self.random);
                        while let Some(pause) = holder.step() {
                            tokio::time::sleep(pause).await;
                        }
                        break;
                    }
                    Got::Error if ask.waits() => tokio::time::sleep(PAUSE).await,
                    Got::Error | Got::Nothing => break,
                }
            }
            tokio::time::sleep(Duration::from_micros(self.random.u64(..3000))).await;
        }
    }

    fn draw(&mut self) -> Ask {
        let random = &mut self.random;
        if self.keeps {
            let claim = Locked::draw_kept(random);
            let full = self.shared.setup.lease;
            let lease = random.bool().then(|| random.u64(full / 4..=full));
            let mutex = claim.mutex(&self.store);
            let mutex = lease.map_or(mutex.clone(), |lease| mutex.lease(Duration::from_micros(lease)));
            return Ask { id: 0, claim, mutex, how: How::Waits, lease, before: 0, keeps: true };
        }
        let again = self.last.take().filter(|_| random.bool());
        if let Some(claim) = again {
            let mutex = claim.mutex(&self.store);
            self.last = Some(claim.clone());
            return Ask { id: 0, claim, mutex, how: How::Waits, lease: None, before: 0, keeps: false };
        }
        let claim = Locked::draw(random);
        if self.shared.setup.keep > 0 {
            self.last = Some(claim.clone());
        }
        let (full, longest) = (self.shared.setup.lease, self.shared.setup.longest);
        let lease = match random.u8(..6) {
            0 => Some(random.u64(full / 4..=full)),
            1 => Some(longest),
            _ => None,
        };
        let how = match random.u8(..10) {
            0..5 => How::Waits,
            5..7 => How::Tries,
            _ => How::For(Duration::from_millis(random.u64(1..400))),
        };
        let mutex = claim.mutex(&self.store);
        let mutex = lease.map_or(mutex.clone(), |lease| mutex.lease(Duration::from_micros(lease)));
        Ask { id: 0, claim, mutex, how, lease, before: 0, keeps: false }
    }
}

enum Got {
    Guard(Guard),
    Nothing,
    Error,
}

impl Ask {
    fn waits(&self) -> bool {
        matches!(self.how, How::Waits)
    }

    fn begins(&mut self, shared: &Shared) {
        self.id = id(shared.setup.number, 1 + shared.last_id.fetch_add(1, Ordering::Relaxed));
        self.before = now();
        tell(self.before, self.id, What::Asks { claim: self.claim.clone(), waits: !matches!(self.how, How::Tries) });
    }

    fn got(&self, got: Result<Guard, LockError>) -> Got {
        match got {
            Ok(guard) => return Got::Guard(guard),
            Err(LockError::WouldBlock { .. } | LockError::TimedOut { .. }) => tell_now(self.id, What::Refused),
            Err(error) => {
                tell_now(self.id, What::Failed { text: text(&error) });
                return Got::Error;
            }
        }
        Got::Nothing
    }
}
