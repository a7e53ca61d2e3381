use mutextree::{HeldLock, Kind, Snapshot};

use super::shown;
use crate::watch::rows::rows;

#[test]
fn what_there_is_no_room_for_is_left_out() {
    let mut lock = HeldLock::new("org/team/project/file".parse().unwrap(), Kind::default());
    lock.owner = Some("somebody with a name of some length".into());
    let all = rows(&Snapshot::new(vec![lock], Vec::new()));
    let heads = |width| -> Vec<_> { shown(&all, width).iter().map(|column| column.head).collect() };
    assert_eq!(heads(200).len(), 7);
    // The least useful goes first, and path, owner and the last one never.
    let gone = ["KIND", "LEFT", "SINCE", "STATE"];
    for width in 0..200 {
        let shown = heads(width);
        let left = gone.iter().position(|head| shown.contains(head)).unwrap_or(gone.len());
        assert!(gone[left..].iter().all(|head| shown.contains(head)), "{width}: {shown:?}");
        assert!(["PATH", "OWNER", "TOKEN, OR BEHIND WHOM"].iter().all(|head| shown.contains(head)), "{width}");
    }
    assert_eq!(heads(40).len(), 3);
}
