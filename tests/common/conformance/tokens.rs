//! Fencing tokens.

use std::sync::{Arc, Mutex};

use mutextree::LockStore;

use super::hold;
use crate::common::asking::asking;
use crate::common::kinds::{EXCLUSIVE, EXCLUSIVE_NODE, KINDS, SHARED, SHARED_NODE, mutex};

pub(crate) fn a_token_stays_and_is_never_0<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    for kind in KINDS {
        let mut guard = hold(&store, "a", kind);
        let token = guard.fencing_token();
        assert_ne!(token, 0);
        let _other = hold(&store, "b", EXCLUSIVE).fencing_token();
        assert_eq!(guard.fencing_token(), token);
        guard.downgrade().unwrap();
        assert_eq!(guard.fencing_token(), token);
    }
}

pub(crate) fn tokens_order_conflicting_holders<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let mut last = 0;
    // Each conflicts with the one before it.
    for (path, kind) in [
        ("a", EXCLUSIVE),
        ("a/b", SHARED),
        ("/", EXCLUSIVE),
        ("a/b/c", SHARED_NODE),
        ("a/b/c", EXCLUSIVE_NODE),
        ("a", SHARED),
        ("a/b/c/d", EXCLUSIVE),
        ("/", SHARED),
    ] {
        let token = hold(&store, path, kind).fencing_token();
        assert!(token > last, "{kind:?} on `{path}` has token {token}, the one before had {last}");
        last = token;
    }
    // Readers that hold it together need no order among each other, but both come before the
    // writer.
    let readers = [hold(&store, "a", SHARED), hold(&store, "a/b", SHARED)];
    let tokens = readers.map(|reader| reader.fencing_token());
    let writer = hold(&store, "a", EXCLUSIVE);
    assert!(tokens.iter().all(|token| *token > last && *token < writer.fencing_token()));
}

pub(crate) fn tokens_order_across_threads<S: LockStore>(make: impl Fn() -> S) {
    let store = make();
    let last = Arc::new(Mutex::new(0));
    let threads = ["/", "a", "a/b", "a/b"].map(|path| {
        let (mutex, last) = (mutex(&store, path, EXCLUSIVE), last.clone());
        asking(move || {
            for _ in 0..50 {
                let guard = mutex.lock().unwrap();
                let mut last = last.lock().unwrap();
                assert!(guard.fencing_token() > *last);
                *last = guard.fencing_token();
            }
        })
    });
    for thread in threads {
        thread.ends();
    }
}
