//! Waits that end at the very moment at which their reason ends.

use super::super::acquire::{Acquisition, Step};
use super::super::tree::Tree;
use super::*;
use crate::path::ToTreePath;

/// Found by shuttle: who was kept out by a gate, and gave up just as it was opened, named its own node, where there was nobody.
#[test]
fn giving_up_as_a_gate_is_opened_names_what_its_owner_wanted() {
    let tree = Tree::new(Duration::ZERO);
    let [root, inner] = ["/", "a"].map(|path| tree.resolve(path.to_path_ref().unwrap()));
    root.try_claim(Kind::Xs).unwrap();
    let mut older = Acquisition::new(&inner, Kind::Xs);
    assert_eq!(older.step(), Step::Asleep);
    root.drop_claim(Kind::Xs);
    let mut younger = Acquisition::new(&root, Kind::Ss);
    assert_eq!(younger.step(), Step::Asleep, "the older one has been woken, and its gate is closed");
    older.cancel();
    assert!(younger.is_woken());
    assert_eq!(younger.cancel().path, inner.path);
}
