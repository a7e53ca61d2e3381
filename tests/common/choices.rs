//! Random locks, for proptest.

use mutextree::{ToTreePath, TreePath};
use proptest::prelude::*;

use super::kinds::{Ask, KINDS, Kind, TREE};

pub fn any_kind() -> impl Strategy<Value = Kind> + Clone {
    prop::sample::select(&KINDS[..])
}

pub fn any_path() -> impl Strategy<Value = TreePath> + Clone {
    prop::sample::select(&TREE[..]).prop_map(|names| names.to_tree_path().expect("a sound path"))
}

pub fn any_lock() -> impl Strategy<Value = Ask> + Clone {
    (any_path(), any_kind()).prop_map(|(path, kind)| Ask { path, kind })
}
