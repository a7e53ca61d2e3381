use mutextree::{Scope, TreePath};

use super::without_covered;

fn paths(texts: &[&str]) -> Vec<TreePath> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn covered_paths_are_absorbed() {
    let all = ["b/x", "a/y/z", "b", "a/y", "a/x", "b", "b-c"];
    assert_eq!(without_covered(paths(&all), Scope::Subtree), paths(&["a/x", "a/y", "b", "b-c"]));
    // A lock of the node alone covers nothing else.
    assert_eq!(without_covered(paths(&["b/x", "b", "b"]), Scope::Node), paths(&["b", "b/x"]));
    assert_eq!(without_covered(paths(&["/", "a"]), Scope::Subtree), paths(&["/"]));
}
