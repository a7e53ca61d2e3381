//! One function a script that writes its arguments, and one type that reads its reply. The head of
//! the Lua file says the same from the other side.
//!
//! * `greeting.rs` saying hello to a server that may have forgotten what is held
//! * `listing.rs` what is held and who waits, for people; and to end what they see
//! * `refresh.rs` when leases end, and the heartbeats of waiters
//! * `sets.rs` several locks as one
//! * `changes.rs` a held lock becomes another one
//! * `keeping.rs` what is kept goes back, is in use, or becomes another lock

use super::keys::{self, Target};
use super::lock::Lock;
use super::script::{Call, Script};
use super::timing::Timing;
use crate::path::TreePath;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::value::Value;
use crate::request::{Kind, Owner};

mod changes;
mod greeting;
mod keeping;
mod listing;
mod refresh;
mod sets;

pub(in crate::redis) use changes::Changed;
pub(super) use changes::{Attempt, narrow, upgrade, widen};
pub(in crate::redis) use greeting::{Greeted, hello};
pub(in crate::redis) use keeping::in_use;
pub(super) use keeping::{exchange, give_back, grow};
pub(in crate::redis) use listing::{Cursor, Entry, Listed, break_lock, list};
pub(super) use refresh::{Extent, refresh};
pub(in crate::redis) use refresh::{Found, Refreshed};
pub(super) use sets::{acquire_set, release_set};

/// What a script's reply is read as. `None` is an answer that no script of ours gives.
pub(in crate::redis) trait Reply: Sized {
    fn read(reply: &mut Elements) -> Option<Self>;

    fn from_answer(answer: Result<Value, Failure>) -> Result<Self, Failure> {
        let Value::List(elements) = answer? else { return Err(nonsense()) };
        Self::read(&mut Elements(elements.into_iter())).ok_or_else(nonsense)
    }
}

fn nonsense() -> Failure {
    Failure::Refused(RedisStoreError::Protocol("a script's answer is not what it should be".into()))
}

/// The elements of a reply, taken from the front.
pub(in crate::redis) struct Elements(std::vec::IntoIter<Value>);

impl Elements {
    fn int(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        u64::try_from(self.int()?).ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Text that is empty if there is none.
    fn text(&mut self) -> Option<Option<String>> {
        Some(String::from_utf8(self.bytes()?).ok().filter(|text| !text.is_empty()))
    }

    fn path(&mut self) -> Option<TreePath> {
        keys::decode(&self.bytes()?)
    }

    fn in_the_way(&mut self) -> Option<InTheWay> {
        let (path, owner, left) = (self.path()?, self.text()?, self.int()?);
        let (owner, left) = (owner.map(Into::into), u64::try_from(left).ok());
        Some(InTheWay { path, owner, left, more: self.more()?, member: 0 })
    }

    fn more(&mut self) -> Option<More> {
        match self.0.next()? {
            Value::Nil => Some(More::None),
            Value::Int(_) => Some(More::Tidy),
            Value::List(at) => {
                let mut at = Self(at.into_iter());
                Some(More::HandOver { path: at.bytes()?, below: at.number()?, cursor: at.bytes()? })
            }
            _ => None,
        }
    }
}

/// What is left to do on the server after a call, as one call does only so much (I8). It is in
/// nobody's way; any client with time does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) enum More {
    None,
    /// More has expired.
    Tidy,
    /// More can be handed over.
    HandOver {
        path: Vec<u8>,
        below: u64,
        cursor: Vec<u8>,
    },
}

impl More {
    /// The call that does it; `None` if there is nothing to do.
    pub(in crate::redis) fn call(&self, timing: &Timing) -> Option<Call> {
        match self {
            Self::None => None,
            Self::Tidy => Some(new(Script::Tidy, timing)),
            Self::HandOver { path, below, cursor } => {
                Some(new(Script::HandOver, timing).bytes(path).number(*below).bytes(cursor))
            }
        }
    }
}

/// A reply that says nothing but what is left to do.
impl Reply for More {
    fn read(reply: &mut Elements) -> Option<Self> {
        reply.more()
    }
}

/// Every call begins with the claim window.
fn new(script: Script, timing: &Timing) -> Call {
    Call::new(script).number(timing.claim_window())
}

/// What the fast paths look at: the nodes from the root down to the target are among it.
fn add_fields(mut call: Call, target: &Target, token: &str) -> Call {
    let mut chain = target.chain().peekable();
    if chain.peek().is_some() {
        for field in ["tick", "offset", "waiting", token, "server"] {
            call.push(field.as_bytes());
        }
        chain.for_each(|node| call.push(node));
    }
    call
}

/// The part of a lock's record that its client writes: it names the client, and the owner.
pub(super) fn about(lock: &Lock, target: &Target, client: &str, timing: &Timing) -> Vec<u8> {
    about_with(lock, target.text(), client, timing.claim_window())
}

fn about_with(lock: &Lock, path: &[u8], client: &str, claim: u64) -> Vec<u8> {
    let owner = lock.owner.as_ref().map_or("", Owner::as_str);
    let mut about = format!("{},{claim},{client},{},{owner}", lock.lease, owner.len()).into_bytes();
    about.extend_from_slice(path);
    about
}

/// Takes the lock, or queues if it may. Sent again it claims, polls, and shows that it lives.
pub(super) fn acquire(lock: &Lock, target: &Target, kind: Kind, about: &[u8], queue: bool, timing: &Timing) -> Call {
    let call = new(Script::Acquire, timing)
        .bytes(lock.token.as_bytes())
        .number(keys::number(kind).into())
        .bytes(target.text())
        .number(lock.lease)
        .bytes(about)
        .number(queue.into());
    add_fields(call, target, &lock.token)
}

/// What stands in the way of a lock.
#[derive(Debug)]
pub(in crate::redis) struct InTheWay {
    pub(super) path: TreePath,
    pub(super) owner: Option<Owner>,
    /// For how long at the most, if that is known.
    pub(super) left: Option<u64>,
    pub(super) more: More,
    /// Which member of a set it is in the way of.
    pub(super) member: usize,
}

#[derive(Debug)]
pub(in crate::redis) enum Acquired {
    Granted {
        fencing_token: u64,
        more: More,
    },
    Blocked(InTheWay),
    Queued {
        by: InTheWay,
        arrival: u64,
    },
    /// What is in the way has expired, and is more than one call takes away: ask again.
    Clearing(InTheWay),
    /// What is in the way may be kept by clients that do not use it, and was recalled: ask again.
    Kept(InTheWay),
    /// It was given back before: this request was late.
    Cancelled(More),
}

impl Reply for Acquired {
    fn read(reply: &mut Elements) -> Option<Self> {
        let acquired = match reply.int()? {
            0 => Self::Blocked(reply.in_the_way()?),
            1 => Self::Granted { fencing_token: reply.number()?, more: reply.more()? },
            2 => Self::Queued { by: reply.in_the_way()?, arrival: reply.number()? },
            3 => Self::Clearing(reply.in_the_way()?),
            4 => Self::Cancelled(reply.more().unwrap_or(More::None)),
            5 => Self::Kept(reply.in_the_way()?),
            _ => return None,
        };
        Some(acquired.of_member(reply.number()))
    }
}

impl Acquired {
    /// The last element of the reply, for a set.
    fn of_member(mut self, member: Option<u64>) -> Self {
        if let Self::Blocked(by) | Self::Queued { by, .. } | Self::Clearing(by) | Self::Kept(by) = &mut self {
            by.member = member.and_then(|member| usize::try_from(member).ok()).unwrap_or(0);
        }
        self
    }
}

/// Gives a token back, whatever it is. `held` is where it is held, if it is: the fast paths want
/// it.
pub(super) fn release(lock: &Lock, held: Option<(&Target, Kind)>, timing: &Timing) -> Call {
    let tombstone = if lock.is_unsure() { timing.tombstone(lock.lease) } else { 0 };
    let call = new(Script::Release, timing).bytes(lock.token.as_bytes()).number(tombstone);
    match held {
        None => call.number(0).bytes(b""),
        Some((target, kind)) => {
            let call = call.number(keys::number(kind).into()).bytes(target.text());
            add_fields(call, target, &lock.token)
        }
    }
}

#[derive(Debug)]
pub(in crate::redis) struct Released {
    /// Whether there was something to give back whose time was not up.
    pub(super) found: bool,
    pub(in crate::redis) more: More,
    /// The token since which the server remembers, if it says so.
    pub(super) born: Option<u64>,
    /// For many: what was found of each.
    pub(super) each: Vec<bool>,
}

impl Reply for Released {
    fn read(reply: &mut Elements) -> Option<Self> {
        let (found, more) = (reply.int()? == 1, reply.more()?);
        let born = reply.number().filter(|&born| born > 0);
        let each = std::iter::from_fn(|| reply.int()).map(|found| found == 1).collect();
        Some(Self { found, more, born, each })
    }
}

/// Makes an exclusive lock a shared one.
pub(super) fn downgrade(lock: &Lock, timing: &Timing) -> Call {
    new(Script::Downgrade, timing).bytes(lock.token.as_bytes()).number(lock.drawn())
}

/// Would a lock of this kind be refused?
pub(in crate::redis) fn inspect(target: &Target, kind: Kind, timing: &Timing) -> Call {
    new(Script::Inspect, timing).number(keys::number(kind).into()).bytes(target.text())
}

/// A yes or a no.
#[derive(Debug)]
pub(in crate::redis) struct Answered {
    /// `None`: too much has expired to tell in one call, or what is in the way was recalled.
    pub(in crate::redis) yes: Option<bool>,
    /// Whether it was recalled.
    pub(in crate::redis) is_recalled: bool,
    /// A request without an answer has raised the lock to this: to be asked again with it.
    pub(in crate::redis) raised: Option<u64>,
    pub(in crate::redis) more: More,
}

impl Reply for Answered {
    fn read(reply: &mut Elements) -> Option<Self> {
        let code = reply.int()?;
        let (yes, is_recalled) = match code {
            0 => (Some(false), false),
            1 => (Some(true), false),
            2 | 3 => (None, false),
            5 => (None, true),
            _ => return None,
        };
        let more = reply.more()?;
        let raised = if code == 2 { Some(reply.number()?) } else { None };
        Some(Self { yes, is_recalled, raised, more })
    }
}

/// Looks at a lock that outlives its guard.
pub(in crate::redis) fn attach(token: &str, target: &Target, timing: &Timing) -> Call {
    let call = new(Script::Detached, timing).bytes(token.as_bytes()).bytes(target.text());
    call.number(0).number(0).number(0)
}

/// Makes a lock one that outlives its guard. `length` is the time left from then on; 0: as it is.
pub(super) fn detach(lock: &Lock, target: &Target, length: u64, version: u64, timing: &Timing) -> Call {
    let call = new(Script::Detached, timing).bytes(lock.token.as_bytes()).bytes(target.text());
    call.number(1).number(length).number(version)
}

/// A lock that outlives its guard, as the server has it.
#[derive(Debug)]
pub(in crate::redis) struct Detached {
    pub(in crate::redis) kind: Kind,
    pub(in crate::redis) fencing_token: u64,
    pub(in crate::redis) lease: u64,
    pub(in crate::redis) left: u64,
}

impl Reply for Option<Detached> {
    fn read(reply: &mut Elements) -> Option<Self> {
        if reply.int()? == 0 {
            return Some(None);
        }
        let (kind, fencing_token) = (keys::kind(reply.number()?)?, reply.number()?);
        Some(Some(Detached { kind, fencing_token, lease: reply.number()?, left: reply.number()? }))
    }
}

/// Tries each command that is used here, and names those that the user has no permission for.
pub(in crate::redis) fn probe(client: &str) -> Call {
    Call::new(Script::Probe).bytes(client.as_bytes())
}

/// The commands that the user has no permission for.
#[derive(Debug)]
pub(in crate::redis) struct Denied(pub(in crate::redis) Vec<String>);

impl Reply for Denied {
    fn read(reply: &mut Elements) -> Option<Self> {
        let mut denied = Vec::new();
        while reply.0.len() > 0 {
            denied.extend(reply.text()?);
        }
        Some(Self(denied))
    }
}

#[cfg(test)]
mod tests;
