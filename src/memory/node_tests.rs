//! The layout that the figures rest on.

use super::*;

#[test]
fn a_node_is_one_cache_line_of_its_own() {
    assert_eq!((size_of::<Node>(), align_of::<Node>()), (64, 64));
}
