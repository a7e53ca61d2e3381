//! A crowd of tasks that want one node: the lock goes from one to the next.

use mutextree::{LockError, LockStore, MemoryStore, OwnedTreeMutexGuard};

use crate::common::asking::AT_MOST;
use crate::common::hand::Hand;
use crate::stores::Tested;

const PATH: &str = "org/team";

/// A task that waits for the node, one in three with an owner.
fn task(store: &MemoryStore, at: usize) -> Hand<Result<OwnedTreeMutexGuard, LockError>> {
    let mutex = store.mutex(PATH).unwrap();
    let mutex = if at % 3 == 2 { mutex.owner(format!("task {at}")) } else { mutex };
    let mut task = Hand::new(async move { mutex.lock_owned_async().await });
    assert!(task.poll().is_none(), "it is held");
    task
}

/// Each in turn, by age, and no newcomer in between, nor one that tries. Every fifth task gives up:
/// with the lock, by then.
#[test]
fn one_after_the_other() {
    let store = MemoryStore::strict();
    let mut guard = store.lock(PATH).unwrap();
    let mut last_token = guard.fencing_token();
    let tasks: Vec<_> = (0..20).map(|at| task(&store, at)).collect();
    for (at, mut task) in tasks.into_iter().enumerate() {
        drop(guard);
        assert!(task.is_woken_within(AT_MOST), "task {at} is next");
        let error = store.try_lock("org").unwrap_err();
        assert_eq!(error.blocking_path().unwrap().to_string(), PATH, "{error}");
        if at % 5 == 4 {
            drop(task); // and with it the lock
            guard = store.try_lock("elsewhere").unwrap();
            continue;
        }
        guard = task.poll().expect("it has its turn").unwrap();
        let token = guard.fencing_token();
        assert!(token > last_token, "{token} after {last_token}");
        last_token = token;
    }
    drop(guard);
    store.assert_as_new();
}
