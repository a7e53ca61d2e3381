//! Random programs of one thread in which nothing waits. Each runs side by side on the store and on
//! the naive one, and every step has to end the same way on both.

mod common;

use common::asking::in_time;
use common::choices::{any_lock, any_path};
use common::side_by_side::{Step, side_by_side};
use mutextree::MemoryStore;
use proptest::prelude::*;

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_lock().prop_map(Step::Try),
        1 => any_lock().prop_map(Step::TryForNoTime),
        2 => any_path().prop_map(Step::LockByPath),
        4 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Unlock),
        2 => any::<usize>().prop_map(Step::Downgrade),
        1 => any::<usize>().prop_map(Step::AskToken),
        2 => (any::<usize>(), prop::collection::vec(any_path(), 0..4)).prop_map(|(which, paths)| Step::Narrow(which, paths)),
        2 => (any::<usize>(), any_path()).prop_map(|(which, path)| Step::Widen(which, path)),
        2 => any::<usize>().prop_map(Step::Upgrade),
        4 => any_lock().prop_map(Step::IsLocked),
        1 => Just(Step::DropHandles),
        1 => Just(Step::Shrink),
    ]
}

#[test]
fn the_memory_store_does_as_the_naive_one() {
    in_time(|| {
        let config = ProptestConfig { cases: 400, source_file: Some(file!()), ..ProptestConfig::default() };
        proptest!(config, |(steps in prop::collection::vec(any_step(), 1..150))| {
            let store = MemoryStore::new();
            side_by_side(store.clone(), &steps, MemoryStore::shrink_to_fit);
            store.shrink_to_fit();
            prop_assert_eq!(store.node_count(), 1, "the root is all that is left");
        });
    });
}
