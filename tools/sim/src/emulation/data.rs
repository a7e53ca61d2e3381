//! [`Data`]: the keys of a server, and what they hold.
//!
//! All maps are sorted. So two servers with the same contents are read in the same order, whatever
//! happened before.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A string of the server. Shared by the clones of the data.
pub(in crate::redis::simulator) type Bytes = Arc<[u8]>;

/// Everything that a server holds. Cheap to clone: that is how a snapshot, a replica, or the state
/// before a crash is made.
///
/// What is read here is also read if its time is up, as long as no script has run since.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::redis::simulator) struct Data {
    /// Sorted. They are so few that they are looked through.
    keys: Vec<(Bytes, Entry)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    held: Held,
    /// The last millisecond at which it is there, if it has an end.
    ends: Option<i64>,
}

/// What a key holds. Never empty: a key goes with the last that it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    Hash(BTreeMap<Bytes, Bytes>),
    Sorted(Sorted),
    List(VecDeque<Bytes>),
}

/// Something that a key may hold.
pub(super) trait Shape: Sized + Default {
    fn wrap(self) -> Held;
    fn of(held: &Held) -> Option<&Self>;
    fn of_mut(held: &mut Held) -> Option<&mut Self>;
}

macro_rules! shape {
    ($shape:ty, $variant:ident) => {
        impl Shape for $shape {
            fn wrap(self) -> Held {
                Held::$variant(self)
            }

            fn of(held: &Held) -> Option<&Self> {
                if let Held::$variant(it) = held { Some(it) } else { None }
            }

            fn of_mut(held: &mut Held) -> Option<&mut Self> {
                if let Held::$variant(it) = held { Some(it) } else { None }
            }
        }
    };
}

shape!(BTreeMap<Bytes, Bytes>, Hash);
shape!(Sorted, Sorted);
shape!(VecDeque<Bytes>, List);

/// A command met a key that holds something else.
#[derive(Debug)]
pub(super) struct WrongType;

/// For the judge, and whoever plays a client's listener.
#[allow(dead_code)] // what the simulator does not need today is still part of what a server has
impl Data {
    /// The names of the keys.
    pub(in crate::redis::simulator) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|(key, _)| &**key)
    }

    /// The fields of a hash and their values, sorted by field; nothing if it is no hash.
    pub(in crate::redis::simulator) fn hash(
        &self,
        key: &(impl AsRef<[u8]> + ?Sized),
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        let hash: Option<&BTreeMap<Bytes, Bytes>> = self.peek(key.as_ref());
        hash.into_iter().flatten().map(|(field, value)| (&**field, &**value))
    }

    /// A field of a hash.
    pub(in crate::redis::simulator) fn field(&self, key: &(impl AsRef<[u8]> + ?Sized), field: &[u8]) -> Option<&[u8]> {
        let hash: &BTreeMap<Bytes, Bytes> = self.peek(key.as_ref())?;
        hash.get(field).map(|value| &**value)
    }

    /// The members of a sorted set and their scores, by score and then by member; nothing if it is
    /// no sorted set.
    pub(in crate::redis::simulator) fn sorted(
        &self,
        key: &(impl AsRef<[u8]> + ?Sized),
    ) -> impl Iterator<Item = (&[u8], f64)> {
        let sorted: Option<&Sorted> = self.peek(key.as_ref());
        sorted.into_iter().flat_map(Sorted::iter).map(|(score, member)| (&**member, score))
    }

    /// The score of a member of a sorted set.
    pub(in crate::redis::simulator) fn score(&self, key: &(impl AsRef<[u8]> + ?Sized), member: &[u8]) -> Option<f64> {
        let sorted: &Sorted = self.peek(key.as_ref())?;
        sorted.score(member)
    }

    /// What a list holds, from the left; nothing if it is no list.
    pub(in crate::redis::simulator) fn list(&self, key: &(impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &[u8]> {
        let list: Option<&VecDeque<Bytes>> = self.peek(key.as_ref());
        list.into_iter().flatten().map(|element| &**element)
    }

    /// Whether a key has a time to live.
    pub(in crate::redis::simulator) fn has_end(&self, key: &(impl AsRef<[u8]> + ?Sized)) -> bool {
        self.end(key.as_ref()).is_some()
    }

    /// Takes up to so many messages out of a mailbox, as `BLMPOP` from the left does that finds
    /// some. `time` is the server's, in microseconds: a mailbox whose time is up has none.
    pub(in crate::redis::simulator) fn pop_messages(
        &mut self,
        key: &(impl AsRef<[u8]> + ?Sized),
        count: usize,
        time: u64,
    ) -> Vec<Vec<u8>> {
        self.purge(time);
        let list: Result<Option<&mut VecDeque<Bytes>>, WrongType> = self.get_mut(key.as_ref());
        let Ok(Some(list)) = list else { return Vec::new() };
        let count = count.min(list.len());
        let messages = list.drain(..count).map(|message| message.to_vec()).collect();
        self.drop_if_empty(key.as_ref());
        messages
    }
}

/// For the commands.
impl Data {
    /// Forgets the keys whose time is up.
    pub(super) fn purge(&mut self, time: u64) {
        let now = milliseconds(time);
        if self.keys.iter().any(|(_, entry)| entry.is_over(now)) {
            self.keys.retain(|(_, entry)| !entry.is_over(now));
        }
    }

    fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.keys.iter().find(|(its, _)| **its == *key).map(|(_, entry)| entry)
    }

    fn entry_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.keys.iter_mut().find(|(its, _)| **its == *key).map(|(_, entry)| entry)
    }

    fn peek<S: Shape>(&self, key: &[u8]) -> Option<&S> {
        self.get(key).ok().flatten()
    }

    pub(super) fn get<S: Shape>(&self, key: &[u8]) -> Result<Option<&S>, WrongType> {
        self.entry(key).map(|entry| S::of(&entry.held).ok_or(WrongType)).transpose()
    }

    pub(super) fn get_mut<S: Shape>(&mut self, key: &[u8]) -> Result<Option<&mut S>, WrongType> {
        self.entry_mut(key).map(|entry| S::of_mut(&mut entry.held).ok_or(WrongType)).transpose()
    }

    /// The same, made if it is not there. Who calls this puts something in.
    pub(super) fn get_or_make<S: Shape>(&mut self, key: &[u8]) -> Result<&mut S, WrongType> {
        let at = self.keys.iter().position(|(its, _)| **its == *key).unwrap_or_else(|| {
            let at = self.keys.partition_point(|(its, _)| **its < *key);
            self.keys.insert(at, (key.into(), Entry { held: S::default().wrap(), ends: None }));
            at
        });
        S::of_mut(&mut self.keys[at].1.held).ok_or(WrongType)
    }

    pub(super) fn drop_if_empty(&mut self, key: &[u8]) {
        if self.entry(key).is_some_and(|entry| entry.held.is_empty()) {
            self.remove(key);
        }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let at = self.keys.iter().position(|(its, _)| **its == *key);
        at.map(|at| self.keys.remove(at)).is_some()
    }

    /// The last millisecond of a key that has one.
    pub(super) fn end(&self, key: &[u8]) -> Option<i64> {
        self.entry(key)?.ends
    }

    pub(super) fn set_end(&mut self, key: &[u8], ends: i64) {
        if let Some(entry) = self.entry_mut(key) {
            entry.ends = Some(ends);
        }
    }
}

/// The server's clock for the ends of keys.
pub(super) fn milliseconds(time: u64) -> i64 {
    i64::try_from(time / 1000).expect("a u64 of microseconds has fewer milliseconds than an i64 can say")
}

impl Entry {
    fn is_over(&self, now: i64) -> bool {
        self.ends.is_some_and(|ends| now > ends)
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        match self {
            Self::Hash(hash) => hash.is_empty(),
            Self::Sorted(sorted) => sorted.scores.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }
}

/// A sorted set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sorted {
    scores: BTreeMap<Bytes, f64>,
    order: BTreeSet<(Score, Bytes)>,
}

/// A score in its order. It is a number: the commands let no other in.
#[derive(Clone, Copy, Debug)]
struct Score(f64);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    /// Not `total_cmp`: to the server 0 and -0 are equal.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl Sorted {
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// A minus before a zero is forgotten, as the server does in sets of up to 128 members.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let score = if score == 0.0 { 0.0 } else { score };
        let member = match self.scores.remove_entry(member) {
            Some((member, old)) => {
                self.order.remove(&(Score(old), member.clone()));
                member
            }
            None => member.into(),
        };
        self.order.insert((Score(score), member.clone()));
        self.scores.insert(member, score);
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let Some((member, score)) = self.scores.remove_entry(member) else { return false };
        self.order.remove(&(Score(score), member))
    }

    /// By score, and then by member.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, &Bytes)> {
        self.order.iter().map(|(score, member)| (score.0, member))
    }

    /// All that the commands by lex order are made for: then the members alone tell the order.
    pub(super) fn has_one_score(&self) -> bool {
        self.order.first().map(|first| first.0) == self.order.last().map(|last| last.0)
    }

    pub(super) fn members(&self) -> &BTreeMap<Bytes, f64> {
        &self.scores
    }
}
