//! What serde is given, with the feature `serde`. [`Mode`](crate::Mode), [`Scope`](crate::Scope)
//! and [`Kind`](crate::Kind) derive it; the rest is here. Times are seconds.
//!
//! A path is its text where that text names it, and else the list of its names: `"org/team"`, but
//! `["a/b", "c"]`. So no two paths are written alike. What is read goes through the checks that
//! every path goes through. Formats that are not for people always have the list.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::backend::{HeldLock, LeaseToken, WaitingLock};
use crate::deadlock::{Deadlock, Wanted};
use crate::error::{Blocker, LockError};
use crate::path::{MAX_DEPTH, PathError, ToTreePath, TreePath};
use crate::request::{Mode, Owner, Scope};
use crate::snapshot::Snapshot;

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if serializer.is_human_readable() && text.parse().is_ok_and(|read: Self| read == *self) {
            serializer.serialize_str(&text)
        } else {
            serializer.collect_seq(self.components())
        }
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(PathVisitor)
        } else {
            deserializer.deserialize_seq(PathVisitor)
        }
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = TreePath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, as text or as a list of names")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TreePath, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<TreePath, A::Error> {
        let mut components: Vec<String> = Vec::new();
        while let Some(name) = names.next_element()? {
            components.push(name);
            // No more is read of what is too deep.
            if components.len() > MAX_DEPTH {
                break;
            }
        }
        components.to_tree_path().map_err(de::Error::custom)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    )*};
}

as_text!(LeaseToken, Owner);

macro_rules! as_view {
    ($($name:ty: $view:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$view>::from(self).serialize(serializer)
            }
        }
    )*};
}

as_view!(
    HeldLock: Held<'_>, WaitingLock: Waiting<'_>, Blocker: InTheWay<'_>, Snapshot: Picture<'_>,
    Wanted: Wants<'_>, PathError: WrongPath<'_>, LockError: Failed<'_>
);

/// As it is said to people: a thread, a place in the code.
fn text(what: Option<impl fmt::Display>) -> Option<String> {
    what.map(|what| what.to_string())
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

#[derive(serde::Serialize)]
struct Held<'a> {
    path: &'a TreePath,
    mode: Mode,
    scope: Scope,
    owner: Option<&'a Owner>,
    held_for: Option<f64>,
    remaining: Option<f64>,
    fencing_token: Option<u64>,
    detached: bool,
    token: Option<&'a LeaseToken>,
    client: Option<&'a str>,
    may_be_kept: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_at: Option<String>,
}

impl<'a> From<&'a HeldLock> for Held<'a> {
    fn from(lock: &'a HeldLock) -> Self {
        Self {
            path: &lock.path,
            mode: lock.kind.mode,
            scope: lock.kind.scope,
            owner: lock.owner.as_ref(),
            held_for: seconds(lock.held_for),
            remaining: seconds(lock.remaining),
            fencing_token: lock.fencing_token,
            detached: lock.is_detached(),
            token: lock.token.as_ref(),
            client: lock.client.as_deref(),
            may_be_kept: lock.may_be_kept,
            agent: text(lock.agent.as_ref()),
            taken_at: text(lock.taken_at),
        }
    }
}

#[derive(serde::Serialize)]
struct Waiting<'a> {
    path: &'a TreePath,
    mode: Mode,
    scope: Scope,
    owner: Option<&'a Owner>,
    waited: Option<f64>,
    client: Option<&'a str>,
    set: Option<u64>,
    upgrades: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_at: Option<String>,
    behind: Option<&'a Blocker>,
}

impl<'a> From<&'a WaitingLock> for Waiting<'a> {
    fn from(waiter: &'a WaitingLock) -> Self {
        Self {
            path: &waiter.path,
            mode: waiter.kind.mode,
            scope: waiter.kind.scope,
            owner: waiter.owner.as_ref(),
            waited: seconds(waiter.waited),
            client: waiter.client.as_deref(),
            set: waiter.set,
            upgrades: waiter.upgrades,
            agent: text(waiter.agent.as_ref()),
            asked_at: text(waiter.asked_at),
            behind: waiter.behind.as_ref(),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum InTheWay<'a> {
    Held(Held<'a>),
    Waiting(Waiting<'a>),
    /// A lock or a waiter: of that no more is known.
    Unknown {
        path: &'a TreePath,
        owner: Option<&'a Owner>,
    },
}

impl<'a> From<&'a Blocker> for InTheWay<'a> {
    fn from(blocker: &'a Blocker) -> Self {
        match (blocker.held(), blocker.waiting()) {
            (Some(lock), _) => Self::Held(lock.into()),
            (None, Some(waiter)) => Self::Waiting(waiter.into()),
            (None, None) => Self::Unknown { path: blocker.path(), owner: blocker.owner() },
        }
    }
}

#[derive(serde::Serialize)]
struct Picture<'a> {
    held: Vec<&'a HeldLock>,
    waiting: Vec<&'a WaitingLock>,
}

impl<'a> From<&'a Snapshot> for Picture<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self { held: snapshot.holders().collect(), waiting: snapshot.waiters().collect() }
    }
}

/// The cycle, as a list.
impl Serialize for Deadlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.cycle())
    }
}

#[derive(serde::Serialize)]
struct Wants<'a> {
    who: String,
    holds: Option<&'a HeldLock>,
    wants: &'a WaitingLock,
}

impl<'a> From<&'a Wanted> for Wants<'a> {
    fn from(wanted: &'a Wanted) -> Self {
        Self { who: wanted.who(), holds: wanted.holds.as_ref(), wants: &wanted.wants }
    }
}

/// What is wrong with a path: which error, what it says, and its fields.
#[derive(serde::Serialize)]
struct WrongPath<'a> {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
}

impl<'a> From<&'a PathError> for WrongPath<'a> {
    fn from(wrong: &'a PathError) -> Self {
        use PathError::{ComponentTooLong, Empty, EmptyComponent, NotUtf8, Prefix, Relative, TooDeep};
        let (error, path, index) = match wrong {
            Empty => ("empty", None, None),
            EmptyComponent { path, index } => ("empty_component", Some(path), Some(*index)),
            Relative { path, index, .. } => ("relative", Some(path), Some(*index)),
            TooDeep { .. } => ("too_deep", None, None),
            ComponentTooLong { index, .. } => ("component_too_long", None, Some(*index)),
            NotUtf8 { path, index } => ("not_utf8", Some(path), Some(*index)),
            Prefix { path } => ("prefix", Some(path), None),
        };
        let component = match wrong {
            Relative { component, .. } | ComponentTooLong { component, .. } => Some(component.as_str()),
            _ => None,
        };
        let (depth, length) = match wrong {
            TooDeep { depth } => (Some(*depth), None),
            ComponentTooLong { length, .. } => (None, Some(*length)),
            _ => (None, None),
        };
        Self { error, message: wrong.to_string(), path: path.map(String::as_str), index, component, depth, length }
    }
}

/// Why a lock could not be had: which error, what it says, what was asked for and what was in the
/// way; and what caused it, from the nearest cause on.
#[derive(serde::Serialize)]
struct Failed<'a> {
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a TreePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocker: Option<&'a Blocker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<&'a PathError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycle: Option<&'a Deadlock>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

impl<'a> From<&'a LockError> for Failed<'a> {
    fn from(failed: &'a LockError) -> Self {
        let (error, blocker, wrong) = match failed {
            LockError::WouldBlock { blocker } => ("would_block", Some(blocker), None),
            LockError::TimedOut { blocker } => ("timed_out", Some(blocker), None),
            LockError::NotHeld { .. } => ("not_held", None, None),
            LockError::Deadlock(_) => ("deadlock", None, None),
            LockError::Upgrading { blocker } => ("upgrading", Some(blocker), None),
            LockError::InvalidInput(_) => ("invalid_input", None, None),
            LockError::Path(wrong) => ("path", None, Some(wrong)),
            LockError::Store(_) => ("store", None, None),
        };
        let cycle = match failed {
            LockError::Deadlock(deadlock) => Some(deadlock),
            _ => None,
        };
        let causes = std::iter::successors(failed.source(), |&cause| cause.source());
        let causes = causes.map(ToString::to_string).collect();
        Self { error, message: failed.to_string(), path: failed.path(), blocker, wrong, cycle, causes }
    }
}
