use std::panic::Location;

use super::Key;
use crate::deadlock::{Asks, Deadlock, Looks, Watch};
use crate::memory::acquire::{Acquisition, Step};
use crate::memory::tree::Tree;
use crate::memory::word::Kind;
use crate::path::ToTreePath;
use std::time::Duration;

/// A verdict is for one sleep. If the waiter has been woken meanwhile, and sleeps again because of
/// something else, what it was told of need not be there any more.
#[test]
fn a_verdict_does_not_outlast_its_sleep() {
    let tree = Tree::with(Duration::MAX, Some(Watch::new()));
    let [a, b] = ["a", "a/b"].map(|path| tree.resolve(path.to_path_ref().unwrap()));
    b.try_claim(Kind::Xs).unwrap();
    a.try_claim(Kind::Xn).unwrap();
    let asks = Some(Asks::task(Location::caller()));
    let mut wait = Acquisition::new(&a, Kind::Xs, None).asked_by(asks);
    assert_eq!(wait.step(), Step::Asleep);
    let condemn = |key: &Key| tree.root.condemn(key, Deadlock::new(Vec::new()));
    let first = Looks::look(&tree.root).unwrap().waits.remove(0).key;
    // It is woken, and sleeps for the next one.
    a.drop_claim(Kind::Xn);
    assert_eq!(wait.step(), Step::Asleep);
    let second = Looks::look(&tree.root).unwrap().waits.remove(0).key;
    assert!(first != second);
    condemn(&first);
    assert!(wait.deadlock(false).is_none());
    assert_eq!(Looks::look(&tree.root).unwrap().waits.len(), 1, "it may still be told");
    condemn(&second);
    assert!(Looks::look(&tree.root).unwrap().waits.is_empty(), "it is told once");
    assert!(wait.deadlock(false).is_some());
    wait.cancel();
    b.drop_claim(Kind::Xs);
}
