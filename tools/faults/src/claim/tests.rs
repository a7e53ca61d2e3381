use mutextree::{MemoryStore, TreeMutex};
use mutextree_judge::Claim;

use super::{BELOW, BRANCHES, KEPT, Locked};

fn all() -> Vec<Locked> {
    let mut paths = vec!["/".to_owned()];
    paths.extend(BRANCHES.iter().flat_map(|branch| BELOW.map(|below| format!("{branch}{below}"))));
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let each = |path: String| kinds.map(|(is_shared, is_subtree)| Locked { path: path.clone(), is_shared, is_subtree });
    paths.into_iter().flat_map(each).collect()
}

#[test]
fn what_conflicts_is_what_the_store_in_memory_refuses() {
    let store = MemoryStore::new();
    let mutex = |locked: &Locked| {
        let mutex = TreeMutex::new(&store, &locked.path).unwrap();
        let mutex = if locked.is_shared { mutex.shared() } else { mutex };
        if locked.is_subtree { mutex } else { mutex.node_only() }
    };
    for one in all() {
        let one_mutex = mutex(&one);
        let guard = one_mutex.lock().unwrap();
        for other in all() {
            let refused = mutex(&other).try_lock().is_err();
            assert_eq!(one.conflicts_with(&other), refused, "{one} and {other}");
            assert_eq!(other.conflicts_with(&one), refused, "{other} and {one}");
        }
        drop(guard);
    }
}

#[test]
fn what_is_kept_is_in_another_tree() {
    let kept = || Locked { path: KEPT[0].into(), is_shared: false, is_subtree: true };
    assert!(kept().conflicts_with(&kept()));
    assert!(all().iter().all(|locked| !locked.conflicts_with(&kept()) && !kept().conflicts_with(locked)));
}

#[test]
fn it_is_read_as_it_is_written() {
    for locked in all() {
        assert_eq!(locked.to_string().parse(), Ok(locked));
    }
}
