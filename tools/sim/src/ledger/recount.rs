//! Everything that a server holds, recounted from the records (docs/redis.md, I2).
//!
//! Each part of the data is gone through once: each entry has to be as the records say, and there
//! have to be as many as the records say. So none is missing.

use std::collections::BTreeMap;

use super::{Ledger, Names, Record, names, text};
use crate::redis::protocol::keys::Keys;
use crate::redis::simulator::changes;
use crate::redis::simulator::claim::{Claim, Place};
use crate::redis::simulator::emulation::Data;

/// How many locks of each class there are at a node.
type Counts = BTreeMap<Place, [u32; 6]>;

impl Ledger {
    /// Everything agrees with the records.
    pub(in crate::redis::simulator) fn recount_all(&self, keys: &Keys, data: &Data) -> Result<(), String> {
        self.recount(&names(keys), data)
    }

    pub(super) fn recount(&self, names: &Names<'_>, data: &Data) -> Result<(), String> {
        let counts = count(self.held.values());
        let (mut held, mut nodes, mut tokens, mut flag) = (0, 0, 0, false);
        for (field, value) in data.hash(names.nodes) {
            match field {
                b"tick" | b"born" | b"offset" | b"server" | b"history" | b"keeps" => {}
                b"waiting" => flag = true,
                _ if field.contains(&b'.') => {
                    tokens += 1;
                    let known = self.held.get(field).map(|record| &*record.text);
                    let is_tombstone = known.is_none() && value.starts_with(b"0,");
                    if !is_tombstone && known != Some(value) {
                        let (token, known) = (text(field), known.map(text));
                        return Err(format!("the holder {token} is {} and should be {known:?} (I2)", text(value)));
                    }
                    held += usize::from(!is_tombstone);
                }
                _ => {
                    nodes += 1;
                    is_counted("holders", &counts, field, value)?;
                }
            }
        }
        same("holders", held, self.held.len())?;
        same("nodes with holders", nodes, counts.len())?;
        if flag == self.waits.is_empty() {
            return Err(format!("the flag that somebody waits is {flag} and should not be (I2)"));
        }
        let counts = count(self.waits.values());
        let mut nodes = 0;
        for (field, value) in data.hash(names.waiting) {
            nodes += 1;
            is_counted("waiters", &counts, field, value)?;
        }
        same("nodes with waiters", nodes, counts.len())?;
        self.have_ends(names, data, tokens)?;
        self.are_listed(names, data)?;
        // A mailbox that nobody empties goes away.
        let stays = data.keys().find(|key| data.list(key).next().is_some() && !data.has_end(key));
        stays.map_or(Ok(()), |key| Err(format!("the mailbox {} has no end", text(key))))
    }

    /// Holders, tombstones and waiters have ends, and nothing else has.
    fn have_ends(&self, names: &Names<'_>, data: &Data, tokens: usize) -> Result<(), String> {
        let is_known = |token: &[u8]| self.waits.contains_key(token) || data.field(names.nodes, token).is_some();
        if let Some((token, _)) = data.sorted(names.deadlines).find(|(token, _)| !is_known(token)) {
            return Err(format!("{} has an end, and is not there (I2)", text(token)));
        }
        let waits = self.waits.keys().filter(|token| data.field(names.nodes, token).is_none()).count();
        same("what has an end", data.sorted(names.deadlines).count(), tokens + waits)
    }

    /// The list of holders and the queues.
    fn are_listed(&self, names: &Names<'_>, data: &Data) -> Result<(), String> {
        let (mut entry, mut tickets, mut queues) = (Vec::new(), 0, Vec::new());
        let is_there = |what: &str, key: &str, entry: &[u8]| match data.score(key, entry) {
            Some(_) => Ok(()),
            None => Err(format!("{} is missing in {what} (I2)", entry.escape_ascii())),
        };
        for (token, record) in &self.held {
            let claim = record.claim.expect("a holder has one");
            write(&mut entry, &claim.place, claim.number, &[token]);
            is_there("the index of holders", names.holders, &entry)?;
        }
        same("the index of holders", data.sorted(names.holders).count(), self.held.len())?;
        for (token, record) in &self.waits {
            let arrival = format!("{:016}", changes::order(token, record));
            queues.clear();
            queues.extend(record.claims().flat_map(|it| chain(it.place).map(move |place| (place, class(it, place)))));
            // The members of a set may be in one queue: then it is there once.
            queues.sort_unstable();
            queues.dedup();
            for (place, class) in &queues {
                write(&mut entry, place, *class, &[arrival.as_bytes(), token]);
                is_there("the queues", names.queues, &entry)?;
            }
            tickets += queues.len();
        }
        same("the queues", data.sorted(names.queues).count(), tickets)
    }
}

fn same(what: &str, are: usize, should: usize) -> Result<(), String> {
    if are == should { Ok(()) } else { Err(format!("{what}: there are {are} and should be {should} (I2)")) }
}

fn is_counted(what: &str, counts: &Counts, path: &[u8], value: &[u8]) -> Result<(), String> {
    let should = Place::of_text(path).and_then(|place| counts.get(&place));
    let is_so = should.is_some_and(|should| value.chunks(4).eq(should.iter().map(|count| count.to_le_bytes())));
    if is_so {
        return Ok(());
    }
    let (path, value) = (path.escape_ascii(), value.escape_ascii());
    Err(format!("counts of {what} at {path} are {value} and should be {should:?} (I2)"))
}

/// The nodes from this one up to the root.
fn chain(place: Place) -> impl Iterator<Item = Place> {
    std::iter::successors(Some(place), |place| place.parent())
}

/// What a lock is at this node, or strictly below it.
fn class(claim: Claim, at: Place) -> u8 {
    match (claim.place == at, claim.is_exclusive()) {
        (true, _) => claim.number,
        (false, true) => 5,
        (false, false) => 6,
    }
}

fn count<'a>(records: impl Iterator<Item = &'a Record>) -> Counts {
    let mut counts = Counts::new();
    for claim in records.flat_map(Record::claims) {
        for place in chain(claim.place) {
            counts.entry(place).or_default()[usize::from(class(claim, place)) - 1] += 1;
        }
    }
    counts
}

/// An entry as the scripts write it: the path, a zero, a kind or class, and the rest.
fn write(entry: &mut Vec<u8>, place: &Place, digit: u8, rest: &[&[u8]]) {
    entry.clear();
    entry.extend(place.letters());
    entry.extend([0, b'0' + digit]);
    rest.iter().for_each(|part| entry.extend_from_slice(part));
}
