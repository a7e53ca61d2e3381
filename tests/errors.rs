//! What errors say: each thing once, and all of it along the chain of sources.

use std::error::Error;

use mutextree::{LockError, LockStore, MemoryStore};

fn chain(error: &dyn Error) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

#[test]
fn a_reporter_prints_nothing_twice() {
    let store = MemoryStore::new();
    let _held = store.lock("a").unwrap();
    let errors = [
        store.try_lock("a/b").unwrap_err(),
        store.try_lock_for("a/b", std::time::Duration::ZERO).unwrap_err(),
        store.lock("a//b").unwrap_err(),
        store.resume("a", &"no token".into()).unwrap_err(),
        LockError::Store("the disk is full".into()),
    ];
    for error in errors {
        let texts = chain(&error);
        for (at, text) in texts.iter().enumerate() {
            assert!(texts[at + 1..].iter().all(|source| !text.contains(source.as_str())), "{texts:?}");
        }
    }
}

#[test]
fn the_chain_tells_everything() {
    let failed = LockError::Store("the disk is full".into());
    assert_eq!(chain(&failed), ["the lock store failed", "the disk is full"]);
    let no_path = MemoryStore::new().lock("a//b").unwrap_err();
    assert_eq!(chain(&no_path), ["component 2 of the path `a//b` is empty"]);
}
