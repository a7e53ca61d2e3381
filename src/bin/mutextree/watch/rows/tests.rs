use std::time::Duration;

use mutextree::{HeldLock, Kind, Snapshot, WaitingLock};

use super::{Column, Row, State, rows, sort};

fn snapshot() -> Snapshot {
    let held = |path: &str, owner: &str, seconds: u64| {
        let mut lock = HeldLock::new(path.parse().unwrap(), Kind::default());
        lock.owner = Some(owner.into());
        lock.held_for = Some(Duration::from_secs(seconds));
        lock
    };
    let mut leased = held("b", "Zoe", 1);
    leased.remaining = Some(Duration::from_secs(9));
    let mut waiter = WaitingLock::new("a/x".parse().unwrap(), Kind::default());
    waiter.owner = Some("ben".into());
    Snapshot::new(vec![held("a", "ann", 5), leased], vec![waiter])
}

fn sorted(by: Column, is_reversed: bool) -> Vec<String> {
    let mut all = rows(&snapshot());
    sort(&mut all, by, is_reversed);
    all.iter().map(|row| row.owner.clone()).collect()
}

#[test]
fn each_lock_and_each_waiter_is_a_row() {
    let all = rows(&snapshot());
    let find = |owner: &str| -> &Row { all.iter().find(|row| row.owner == owner).unwrap() };
    assert_eq!(all.len(), 3);
    assert!(find("ann").is_contended && !find("Zoe").is_contended);
    assert_eq!(find("ben").state, State::Waits);
    assert_eq!(find("ben").behind.as_deref(), Some("ann holds a"));
}

#[test]
fn rows_are_sorted_by_each_column() {
    assert_eq!(sorted(Column::Path, false), ["ann", "ben", "Zoe"]);
    assert_eq!(sorted(Column::Path, true), ["Zoe", "ben", "ann"]);
    assert_eq!(sorted(Column::State, false), ["ben", "ann", "Zoe"]);
    assert_eq!(sorted(Column::Since, false)[0], "ann");
    assert_eq!(sorted(Column::Left, false)[0], "Zoe");
    assert_eq!(sorted(Column::Owner, false), ["Zoe", "ann", "ben"]);
}

#[test]
fn a_filter_looks_at_paths_and_owners() {
    let matching = |filter: &str| rows(&snapshot()).iter().filter(|row| row.matches(filter)).count();
    assert_eq!((matching(""), matching("zo"), matching("a/X"), matching("nothing")), (3, 1, 1, 0));
}
