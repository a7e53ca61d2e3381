//! Slots, and what nodes answer. The answers are those of Redis 7.

use super::super::guide::{Denial, Guide, Told};
use super::super::place::Place;
use super::super::slots::Slots;
use super::{Cluster, moved_to, slot};
use crate::redis::value::Value;

/// Those of `CLUSTER KEYSLOT`.
#[test]
fn slots() {
    for (tag, expected) in [("123456789", 12739), ("mutextree", 11905), ("foo", 12182), ("", 0), ("tree 7", 3942)] {
        assert_eq!(slot(tag), expected, "{tag}");
    }
}

fn asked() -> Place {
    Place::Host { host: "asked".into(), port: 7000, is_tls: false }
}

fn node(host: Value, port: i64) -> Value {
    Value::List(vec![host, Value::Int(port), Value::Bytes(b"id".into()), Value::List(Vec::new())])
}

fn host(name: &str) -> Value {
    Value::Bytes(name.into())
}

fn read(slot: u16, ranges: Vec<Value>) -> Result<Told, Denial> {
    let guide =
        Cluster { slots: Slots::new(slot).into(), table: Default::default(), login: Default::default(), is_tls: false };
    guide.read(vec![Ok(Value::List(ranges))], &asked())
}

fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
    Value::List([vec![Value::Int(first), Value::Int(last)], nodes].concat())
}

#[test]
fn the_first_node_of_the_range_is_the_master() {
    let ranges = || {
        vec![
            range(0, 99, vec![node(host("one"), 1), node(host("replica"), 2)]),
            range(100, 100, vec![node(host(""), 3)]),
            range(101, 200, vec![node(Value::Nil, 4)]),
            range(201, 300, vec![node(host("?"), 5)]),
        ]
    };
    let guides = ["one:1", "replica:2", "asked:3", "asked:4"];
    for (slot, master) in [(0, "one:1"), (99, "one:1"), (100, "asked:3"), (101, "asked:4"), (200, "asked:4")] {
        let told = read(slot, ranges()).unwrap();
        assert_eq!((told.master.to_string().as_str(), told.epoch), (master, None));
        assert_eq!(told.guides.iter().map(Place::to_string).collect::<Vec<_>>(), guides);
    }
    for slot in [250, 301] {
        let text = format!("says that no node has the slot {slot}");
        assert_eq!(read(slot, ranges()), Err(Denial::Later(text)));
    }
}

#[test]
fn what_makes_no_sense() {
    for odd in
        [Value::Int(1), Value::List(vec![Value::Int(0)]), range(0, 9, vec![]), range(0, 9, vec![node(host("x"), 0)])]
    {
        assert!(matches!(read(1, vec![odd]), Err(Denial::Later(_))));
    }
    let guide =
        Cluster { slots: Slots::new(1).into(), table: Default::default(), login: Default::default(), is_tls: false };
    let disabled = Err("ERR This instance has cluster support disabled".to_owned());
    assert_eq!(guide.read(vec![disabled], &asked()), Err(Denial::Never("is no node of a cluster".into())));
    let denied = Err("NOPERM User me has no permissions to run the 'cluster|slots' command".to_owned());
    assert!(matches!(guide.read(vec![denied], &asked()), Err(Denial::Later(_))));
}

#[test]
fn where_it_moved() {
    for (error, place) in [
        ("MOVED 3999 127.0.0.1:6381", Some("127.0.0.1:6381")),
        ("MOVED 3999 a.host:6381", Some("a.host:6381")),
        ("MOVED 3999 ::1:6381", Some("[::1]:6381")),
        ("MOVED 3999 :6381", Some("asked:6381")),
        ("MOVED 3999 ?:6381", None),
        ("MOVED 3999", None),
        ("MOVED 3999 host:x", None),
        ("ASK 3999 127.0.0.1:6381", None),
        ("READONLY You can't write against a read only replica.", None),
    ] {
        assert_eq!(moved_to(error, &asked()).map(|place| place.to_string()).as_deref(), place, "{error}");
    }
}
