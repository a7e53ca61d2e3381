//! Reads all keys of a tree, and checks that they agree: every count and every queue is recounted
//! from the records.

use std::collections::{BTreeMap, BTreeSet};

use redis::Connection;

type Bytes = Vec<u8>;

/// One record of `:n` or `:w`.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) number: u64,
    pub(crate) version: u64,
    /// Empty for a detached lock.
    pub(crate) client: String,
    pub(crate) path: Bytes,
    /// What it is about: itself, or the members of a set that waits.
    pub(crate) members: Vec<(u8, Bytes)>,
}

/// What a tree holds: holders and waiters by token, and when the time of each is up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) held: BTreeMap<String, Record>,
    pub(crate) waits: BTreeMap<String, Record>,
    pub(crate) ends: BTreeMap<String, u64>,
    pub(crate) tick: u64,
    pub(crate) offset: u64,
}

impl Record {
    fn members(&self) -> impl Iterator<Item = &(u8, Bytes)> {
        self.members.iter()
    }
}

fn record(text: &[u8]) -> Record {
    let mut fields = text.splitn(8, |&byte| byte == b',');
    let mut next = || String::from_utf8(fields.next().unwrap().to_vec()).unwrap();
    let (kind, number, version) = (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap());
    let (_lease, _claim, client): (u64, u64, _) = (next().parse().unwrap(), next().parse().unwrap(), next());
    let owner: usize = next().parse().unwrap();
    let path = fields.next().unwrap()[owner..].to_vec();
    let members = if kind == 5 { members(&path) } else { vec![(kind, path.clone())] };
    Record { kind, number, version, client, path, members }
}

/// Kind and path of each member of a set that waits: `kind,token,length of about,about` of each.
fn members(mut text: &[u8]) -> Vec<(u8, Bytes)> {
    let mut members = Vec::new();
    while !text.is_empty() {
        let mut fields = text.splitn(4, |&byte| byte == b',');
        let mut next = || fields.next().unwrap();
        let number = |field: &[u8]| std::str::from_utf8(field).unwrap().parse::<usize>().unwrap();
        let (kind, _token, length, rest) = (number(next()), next(), number(next()), next());
        let mut about = rest[..length].splitn(5, |&byte| byte == b',').skip(3);
        let (owner, path) = (number(about.next().unwrap()), about.next().unwrap());
        members.push((u8::try_from(kind).unwrap(), path[owner..].to_vec()));
        text = &rest[length..];
    }
    members
}

/// From the root down.
fn chain(path: &[u8]) -> Vec<Bytes> {
    let cuts = path.iter().enumerate().filter(|(at, byte)| **byte == 1 || *at == 0).map(|(at, _)| at);
    let mut chain: Vec<Bytes> = cuts.map(|at| path[..at].to_vec()).collect();
    chain.push(path.to_vec());
    chain
}

fn class(kind: u8, own: bool) -> u8 {
    match kind {
        _ if own => kind,
        1 | 2 => 5,
        _ => 6,
    }
}

fn counts<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeMap<Bytes, Bytes> {
    let mut counts: BTreeMap<Bytes, [u32; 6]> = BTreeMap::new();
    for (kind, at) in records.flat_map(|record| &record.members) {
        for path in chain(at) {
            let class = class(*kind, path == *at);
            counts.entry(path).or_default()[usize::from(class) - 1] += 1;
        }
    }
    let packed = |counts: [u32; 6]| counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    counts.into_iter().map(|(path, counts)| (path, packed(counts))).collect()
}

/// Panics if anything in the tree disagrees with anything else.
pub(crate) fn check(server: &mut Connection, tree: &str) -> Contents {
    let key = |name: &str| format!("{{{tree}}}:{name}");
    let mut dump = redis::pipe();
    dump.atomic().hgetall(key("n")).hgetall(key("w")).hgetall(key("wn"));
    dump.zrange_withscores(key("e"), 0, -1).zrange(key("l"), 0, -1).zrange(key("wl"), 0, -1);
    type Dump = (
        BTreeMap<Bytes, Bytes>,
        BTreeMap<String, Bytes>,
        BTreeMap<Bytes, Bytes>,
        Vec<(String, f64)>,
        BTreeSet<Bytes>,
        BTreeSet<Bytes>,
    );
    let (mut nodes, waiters, waiting, deadlines, holders, queues): Dump = dump.query(server).unwrap();

    let ends: BTreeMap<String, u64> = deadlines.into_iter().map(|(token, end)| (token, end as u64)).collect();

    let mut number =
        |name: &[u8]| nodes.remove(name).map_or(0, |text| String::from_utf8(text).unwrap().parse::<u64>().unwrap());
    let (tick, born, offset) = (number(b"tick"), number(b"born"), number(b"offset"));
    assert!(born <= tick && (born == 0) == (tick == 0));
    let flag = nodes.remove(&b"waiting"[..]).is_some();
    for name in [&b"server"[..], b"history", b"keeps"] {
        nodes.remove(name);
    }
    let is_path = |field: &Bytes| field.first().is_none_or(|&byte| byte == 1);
    let (nodes, grants): (BTreeMap<_, _>, BTreeMap<_, _>) = nodes.into_iter().partition(|(field, _)| is_path(field));
    let grants: BTreeMap<String, Bytes> =
        grants.into_iter().map(|(token, text)| (String::from_utf8(token).unwrap(), text)).collect();
    assert_eq!(flag, !waiters.is_empty(), "the flag of the fast paths");
    let tokens: BTreeSet<&String> = grants.keys().chain(waiters.keys()).collect();
    assert_eq!(ends.keys().collect::<BTreeSet<_>>(), tokens, "everything ends some time");

    let mut held: BTreeMap<String, Record> = grants.into_iter().map(|(token, text)| (token, record(&text))).collect();
    held.retain(|_, record| record.kind != 0);
    let waits: BTreeMap<String, Record> = waiters.into_iter().map(|(token, text)| (token, record(&text))).collect();
    assert!(held.values().chain(waits.values()).all(|record| record.number <= tick));
    assert_eq!(nodes, counts(held.values()), "counts of holders");
    assert_eq!(waiting, counts(waits.values()), "counts of waiters");

    let place =
        |(token, record): (&String, &Record)| [&record.path[..], &[0, b'0' + record.kind], token.as_bytes()].concat();
    assert_eq!(holders, held.iter().map(place).collect(), "holders by path");
    let members = |(token, record)| -> Vec<_> { Record::members(record).map(|it| (token, record, it)).collect() };
    let tickets = waits.iter().flat_map(members).flat_map(|(token, record, (kind, at)): (&String, &Record, _)| {
        chain(at).into_iter().map(move |path| {
            let class = b'0' + class(*kind, path == *at);
            // A shared lock on its way to become exclusive goes before all others.
            let number = if token.ends_with('^') { 0 } else { record.number };
            let number = format!("{number:016}");
            [&path[..], &[0, class], number.as_bytes(), token.as_bytes()].concat()
        })
    });
    assert_eq!(queues, tickets.collect(), "queues");
    assert!(waits.values().all(|record| record.version == 0), "nobody sets the end of a waiter exactly");
    Contents { held, waits, ends, tick, offset }
}
