//! Which locks conflict, which paths are one lock, and which lock an error names.

use std::path::Path;
use std::time::Duration;

use mutextree::{LockError, LockStore, Owner, PathError, ToTreePath, TreePath};

use super::{assert_all_free, hold, take};
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, SHARED, SHARED_NODE, mutex};

/// Held on one node; asked above it, on it, and below it, in the order exclusive, shared, exclusive
/// node only, shared node only. `X` is refused. Written by hand from the documentation, not from
/// `conflicts()`.
const TABLE: [[&str; 3]; 4] = [
    ["XX..", "XXXX", "XXXX"], // exclusive
    ["X...", "X.X.", "X.X."], // shared
    ["XX..", "XXXX", "...."], // exclusive, node only
    ["X...", "X.X.", "...."], // shared, node only
];

pub(crate) fn every_row_of_the_table<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for (held, row) in KINDS.into_iter().zip(TABLE) {
        let guard = hold(&store, "a/b", held);
        for (paths, column) in [["/", "a"], ["a/b", "/a/b/"], ["a/b/c", "a/b/c/d"]].into_iter().zip(row) {
            for (asked, cell) in KINDS.into_iter().zip(column.chars()) {
                for path in paths {
                    let refused = take(&store, path, asked).is_err();
                    assert_eq!(refused, cell == 'X', "{asked:?} on `{path}` while {held:?} on `a/b`");
                }
            }
        }
        drop(guard);
        assert_all_free(&store);
    }
}

pub(crate) fn siblings_never_touch<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in KINDS {
        let _guard = hold(&store, "a/b", held);
        for path in ["a/c", "a/bb", "a/b.", "aa/b", "b", "b/b", "b/a/b"] {
            for asked in KINDS {
                drop(hold(&store, path, asked));
            }
        }
    }
}

pub(crate) fn the_root_covers_everything<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in KINDS {
        let guard = hold(&store, TreePath::root(), held);
        for path in ["x", "x/y/z"] {
            let refused = KINDS.map(|asked| take(&store, path, asked).is_err());
            let expected = match held {
                EXCLUSIVE => [true; 4],
                SHARED => [true, false, true, false],
                _ => [false; 4],
            };
            assert_eq!(refused, expected, "`{path}` under {held:?} on the root");
        }
        drop(guard);
        let leaf = hold(&store, "x/y/z", held);
        assert!(take(&store, "/", EXCLUSIVE).is_err());
        drop(leaf);
        assert_all_free(&store);
    }
}

pub(crate) fn depth_makes_no_difference<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let names = vec!["n"; 128];
    let sibling = [&names[..127], &["m"]].concat();
    for depth in [0, 1, 2, 64, 127, 128] {
        let above = hold(&store, &names[..depth], EXCLUSIVE);
        let error = take(&store, &names, SHARED_NODE).unwrap_err();
        assert_eq!(error.blocking_path(), Some(above.path()), "depth {depth}");
        assert_eq!(take(&store, &sibling, SHARED_NODE).is_err(), depth < 128, "depth {depth}");
        drop(above);

        let leaf = hold(&store, &names, SHARED_NODE);
        let error = take(&store, &names[..depth], EXCLUSIVE).unwrap_err();
        assert_eq!(error.blocking_path(), Some(leaf.path()), "depth {depth}");
    }
    assert_all_free(&store);
}

pub(crate) fn equal_paths_are_one_lock<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let names = ["a", "b"];
    let _guard = hold(&store, "a/b", EXCLUSIVE);
    let paths = ["a/b/", "/a/b", "/a/b/"].map(|text| text.to_tree_path().unwrap());
    let others = [names.to_tree_path(), names.to_vec().to_tree_path(), Path::new("/a/./b/").to_tree_path()];
    for path in paths.into_iter().chain(others.map(Result::unwrap)) {
        assert!(take(&store, path, EXCLUSIVE).is_err());
    }
    assert!(store.mutex(String::from("a/b")).unwrap().is_locked());
}

pub(crate) fn different_paths_are_not<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    // All of these are children of the root, whatever they look like.
    let names = ["a/b", "a", "a/", "/a", "a;b", "a,b", "*", "?", "a\0b", "A", "ä", "1,1/a/b", "{a}", "\u{1}"];
    let guards = names.map(|name| hold(&store, [name], EXCLUSIVE));
    for (name, guard) in names.iter().zip(&guards) {
        assert_eq!(guard.path(), &[name].to_tree_path().unwrap());
        let error = take(&store, [name, "below"], EXCLUSIVE).unwrap_err();
        assert_eq!(error.blocking_path(), Some(guard.path()));
    }
    drop(guards);
    assert_all_free(&store);
}

pub(crate) fn clones_share_and_stores_do_not<S: LockStore>(make: impl Fn() -> S) {
    let (store, other) = (make(), make());
    let clone = store.clone();
    let mutex = mutex(&store, "a", EXCLUSIVE);
    let _guard = mutex.lock().unwrap();
    assert!(take(&clone, "a/b", EXCLUSIVE).is_err());
    assert!(mutex.clone().try_lock().is_err());
    drop(hold(&other, "/", EXCLUSIVE));
}

/// It is the same lock, and asks for it in the same way.
pub(crate) fn a_clone_of_a_mutex_asks_as_it_does<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let original = mutex(&store, "a", kind).owner("me").lease(Duration::from_secs(3600));
        let clone = original.clone();
        assert_eq!(format!("{clone:?}"), format!("{original:?}"));
        let guard = clone.lock().unwrap();
        assert_eq!(guard.mode(), kind.mode);
        let error = take(&store, "/", EXCLUSIVE).unwrap_err();
        let LockError::WouldBlock { blocker } = &error else { panic!("{error}") };
        assert_eq!((blocker.path(), blocker.owner().map(Owner::as_str)), (original.path(), Some("me")));
    }
}

pub(crate) fn a_mutex_outlives_its_store<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let (inner, leaf) = (mutex(&store, "a", EXCLUSIVE), mutex(&store, "a/b", EXCLUSIVE));
    drop(store);
    let guard = leaf.lock_owned().unwrap();
    drop(leaf);
    assert!(inner.try_lock().is_err());
    drop(guard);
    drop(inner.try_lock().unwrap());
}

pub(crate) fn an_error_names_what_is_in_the_way<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let _beside = hold(&store, "a/c", SHARED);
    let above = hold(&store, "a", SHARED_NODE);
    let below = hold(&store, "a/b/x/y", EXCLUSIVE);
    let _elsewhere = hold(&store, "z", EXCLUSIVE);

    for (path, kind, culprits) in [
        ("a", EXCLUSIVE, &["a", "a/c", "a/b/x/y"][..]),
        ("a", SHARED, &["a/b/x/y"]),
        ("a", EXCLUSIVE_NODE, &["a"]),
        ("a/b", EXCLUSIVE, &["a/b/x/y"]),
        ("a/b/x/y/z", SHARED_NODE, &["a/b/x/y"]),
        ("a/c/d", EXCLUSIVE, &["a/c"]),
        ("/", SHARED, &["a/b/x/y", "z"]),
    ] {
        let asked = mutex(&store, path, kind);
        let (at_once, in_time) = (asked.try_lock().unwrap_err(), asked.try_lock_for(std::time::Duration::ZERO));
        for error in [at_once, in_time.unwrap_err()] {
            let named = error.blocking_path().expect("a path is named").to_string();
            assert!(culprits.contains(&&*named), "`{named}` is not in the way of {kind:?} on `{path}`");
            assert_eq!(error.path(), Some(asked.path()));
            assert!(error.to_string().contains(&format!("`{path}`")) && error.to_string().contains(&named), "{error}");
        }
    }
    drop(below);
    assert_eq!(take(&store, "a", EXCLUSIVE_NODE).unwrap_err().blocking_path(), Some(above.path()));
}

pub(crate) fn an_error_names_the_owner<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let _guard = mutex(&store, "a/b", EXCLUSIVE).owner("nightly backup").lock_owned().unwrap();
    for path in ["a", "a/b", "a/b/c"] {
        let LockError::WouldBlock { blocker, .. } = take(&store, path, EXCLUSIVE).unwrap_err() else {
            panic!("a try is refused with WouldBlock")
        };
        assert_eq!(blocker.owner().map(|owner| owner.as_str()), Some("nightly backup"));
    }
    // Of two who share a node, the one that is in the way; whatever the order in which they came.
    for owners in [["alone", "whole"], ["whole", "alone"]] {
        let _both = owners.map(|owner| {
            let kind = if owner == "whole" { SHARED } else { SHARED_NODE };
            mutex(&store, "y", kind).owner(owner).lock_owned().unwrap()
        });
        let error = take(&store, "y/z", EXCLUSIVE).unwrap_err().to_string();
        assert!(error.contains("whole") && !error.contains("alone"), "{error}");
    }
    let _nobody = hold(&store, "x", EXCLUSIVE);
    let error = mutex(&store, "x", EXCLUSIVE).owner("me").try_lock().unwrap_err();
    assert_eq!(error.to_string(), "`x` is blocked by a lock on `x`");
}

pub(crate) fn what_is_no_path_is_an_error<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    assert_eq!(store.mutex("").unwrap_err(), PathError::Empty);
    assert_eq!(store.mutex(vec!["x"; 129]).unwrap_err(), PathError::TooDeep { depth: 129 });
    assert!(matches!(store.lock("a//b"), Err(LockError::Path(PathError::EmptyComponent { index: 1, .. }))));
    assert!(matches!(store.lock("a/.."), Err(LockError::Path(PathError::Relative { index: 1, .. }))));
    assert!(matches!(store.lock(["x".repeat(256)]), Err(LockError::Path(PathError::ComponentTooLong { .. }))));
    assert_all_free(&store);
}

pub(crate) fn is_locked_says_what_a_try_would<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for held in KINDS {
        let _guard = hold(&store, "a/b", held);
        for path in ["/", "a", "a/b", "a/b/c", "a/c", "b"] {
            for asked in KINDS {
                let exclusive = mutex(&store, path, asked).exclusive();
                let said = mutex(&store, path, asked).is_locked(); // its mode does not matter
                assert_eq!(said, exclusive.try_lock().is_err(), "{asked:?} on `{path}` while {held:?} on `a/b`");
            }
        }
    }
}
