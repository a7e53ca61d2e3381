//! [`refresh`]: sets when leases end, and shows that waiters live; many in one call. The scripts
//! are `lua/reclaim.lua` and `lua/refresh.lua`.

use super::super::keys;
use super::super::lock::Lock;
use super::super::script::{Call, Script};
use super::super::timing::Timing;
use super::{Elements, More, Reply, about_with, new};

/// What a request to `refresh` asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis::protocol) enum Extent {
    /// A waiter's heartbeat.
    Heartbeat,
    /// That of a set that waits, and of so many tokens, of which this is the first.
    SetHeartbeat(usize),
    /// A renewal: the lease ends no sooner than this from now on.
    AtLeast(u64),
    /// The lease ends exactly this from now on, unless a younger version was there (P3).
    Exactly { length: u64, version: u64 },
    /// The same for a detached lock, whose holders share no count of versions.
    Detached(u64),
}

/// Sets the ends of many, in one call. With a grace period it also says what each of them holds,
/// for a server that has forgotten it.
pub(in crate::redis::protocol) fn refresh<'a>(
    all: impl IntoIterator<Item = (&'a Lock, Extent)>,
    timing: &Timing,
) -> Call {
    let (mut call, mut claims) = (new(Script::Refresh, timing), Vec::new());
    for (lock, extent) in all {
        if timing.grace > 0 {
            claims.push(lock);
        }
        call.push(lock.token.as_bytes());
        // What a holder has, and the server may have forgotten.
        let renews = |version: u64| match lock.raised_to() {
            None => version.to_string(),
            Some(fencing_token) => format!("{version},{fencing_token}"),
        };
        call = match extent {
            Extent::Heartbeat => call.number(0).number(0),
            Extent::SetHeartbeat(many) => call.number(0).bytes(format!("-{many}").as_bytes()),
            Extent::AtLeast(length) => call.number(length.max(1)).bytes(renews(0).as_bytes()),
            Extent::Exactly { length, version } => call.number(length.max(1)).bytes(renews(version).as_bytes()),
            Extent::Detached(length) => call.number(length.max(1)).bytes(b"-1"),
        };
    }
    for lock in claims {
        let path = keys::encode(&lock.path);
        let client = lock.token.split_once('.').map_or("", |(client, _)| client);
        let about = about_with(lock, &path, client, timing.claim_window());
        call = call.number(lock.kind().into()).number(lock.fencing_token()).bytes(&path).bytes(&about);
    }
    call
}

/// What `refresh` found, for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redis) enum Found {
    /// Held.
    Held,
    /// The waiter's lock has been granted, with this fencing token. Its claim window has begun
    /// anew.
    Granted(u64),
    /// It waits; this is how long the lock in its way lasts at the most.
    Waits(u64),
    /// Not known, or its time is up.
    Lost,
}

#[derive(Debug)]
pub(in crate::redis) struct Refreshed {
    pub(in crate::redis) more: More,
    pub(in crate::redis::protocol) found: Vec<Found>,
}

impl Reply for Refreshed {
    fn read(reply: &mut Elements) -> Option<Self> {
        let more = reply.more()?;
        let mut found = Vec::with_capacity(reply.0.len());
        while reply.0.len() > 0 {
            found.push(match reply.int()? {
                -1 => Found::Held,
                -2 => Found::Lost,
                granted @ ..-2 => Found::Granted(granted.unsigned_abs()),
                left => Found::Waits(u64::try_from(left).ok()?),
            });
        }
        Some(Self { more, found })
    }
}
