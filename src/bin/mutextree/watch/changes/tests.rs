use std::time::Duration;

use mutextree::{HeldLock, Kind, Snapshot};

use super::{Known, changes, known};

fn held(times: u64) -> HeldLock {
    let mut lock = HeldLock::new("a/b".parse().unwrap(), Kind::default());
    lock.held_for = Some(Duration::from_secs(times));
    lock
}

#[test]
fn each_change_is_a_line() {
    let (one, later) = (Snapshot::new(vec![held(1)], Vec::new()), Snapshot::new(vec![held(2)], Vec::new()));
    let (one, later) = (known(&one).unwrap(), known(&later).unwrap());
    let new = changes(&Known::new(), &one);
    assert_eq!(new.len(), 1);
    assert!(new[0].contains("\"new\"") && new[0].contains("a/b") && !new[0].contains('\n'), "{}", new[0]);
    assert!(changes(&one, &later).is_empty(), "time alone is no change");
    assert!(changes(&later, &Known::new())[0].contains("\"gone\""));
    // Two that look alike are two.
    let two = known(&Snapshot::new(vec![held(1), held(1)], Vec::new())).unwrap();
    assert_eq!(changes(&one, &two).len(), 1);
}
