//! [`Exchange`]: a kept lock on its way to become those that are held below it. The script is
//! `lua/exchange.lua`; `keep/below.rs` has the argument (K10).

use super::calls::{self, Released};
use super::keys::{self, Target};
use super::lock::Lock;
use super::release::Release;
use super::script::Call;
use super::timing::{RETRY, Timing};
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::request::Kind;

/// One exchange: to be sent until it is answered, or the lease is over.
#[derive(Clone, Debug)]
pub(in crate::redis) struct Exchange {
    pub(super) host: Arc<Lock>,
    /// Each with its kind, as the scripts have it.
    pub(super) guests: Vec<(Arc<Lock>, u8)>,
    tries: u32,
}

/// What came of a try.
#[derive(Debug)]
pub(in crate::redis) enum Outcome {
    /// Which of the guests the server has as locks.
    Done(Vec<bool>),
    /// To be sent again, at this time.
    Again(u64),
    /// The lease is over. What the server may have is to be given back.
    Over(Release),
}

impl Exchange {
    pub(super) fn new(host: &Arc<Lock>, guests: impl Iterator<Item = (Arc<Lock>, Kind)>) -> Self {
        let guests = guests.map(|(lock, kind)| (lock, keys::number(kind))).collect();
        Self { host: host.clone(), guests, tries: 0 }
    }

    /// The lock that it ends.
    pub(in crate::redis) fn host(&self) -> &Lock {
        &self.host
    }

    /// Until when it is of use.
    fn ends(&self) -> u64 {
        self.guests.iter().map(|(guest, _)| guest.deadline()).max().unwrap_or(0)
    }

    /// The request, and when its time is up.
    pub(in crate::redis) fn call(&self, client: &str, timing: &Timing, now: u64) -> (Call, u64) {
        let guests = self.guests.iter().map(|(lock, kind)| (&**lock, *kind, Target::new(lock.path.clone())));
        let limit = timing.renewal_limit(self.ends().saturating_sub(now)).min(timing.release_limit());
        (calls::exchange(&self.host, guests, client, timing), now.saturating_add(limit))
    }

    pub(in crate::redis) fn answered(&mut self, answer: Result<&Released, Failure>, now: u64) -> Outcome {
        self.tries += 1;
        match answer {
            Ok(released) => Outcome::Done(released.each.clone()),
            Err(_) if now < self.ends() => Outcome::Again(now + (RETRY << self.tries.min(4)) / 2),
            Err(_) => {
                let all: Vec<_> =
                    std::iter::once(&self.host).chain(self.guests.iter().map(|it| &it.0)).cloned().collect();
                all.iter().for_each(|lock| lock.doubt());
                Outcome::Over(Release::of_many(all, false).expect("the host is one of them"))
            }
        }
    }
}
