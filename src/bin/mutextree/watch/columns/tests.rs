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
    assert_eq!(heads(90), ["PATH", "STATE", "OWNER", "SINCE", "TOKEN, OR BEHIND WHOM"]);
    for width in [0, 1, 40, 60] {
        assert_eq!(heads(width), ["PATH", "OWNER", "TOKEN, OR BEHIND WHOM"], "{width}");
    }
}
