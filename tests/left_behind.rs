//! What is left in memory of locks that are held no more: nothing that grows with their number. One
//! test in a program of its own, as it measures the whole process.

#![cfg(target_os = "linux")]

use std::time::Duration;

use mutextree::{LockStore, MemoryStore};

const HOUR: Duration = Duration::from_secs(3600);
const PATHS: usize = 100_000;

/// The memory that the process has in use, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[track_caller]
fn leaves_nothing(what: &str, mut scenario: impl FnMut(usize)) {
    (0..PATHS / 10).for_each(&mut scenario); // what is allocated once
    let before = resident();
    (PATHS / 10..PATHS).for_each(&mut scenario);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4096, "{what}: {grown} KiB are left of {PATHS} locks");
}

#[test]
fn leases_that_ran_while_somebody_listened() {
    let store = MemoryStore::new();
    let _listener = store.lost_locks();
    leaves_nothing("fresh paths", |at| {
        drop(store.mutex(["fresh", &at.to_string()]).unwrap().lease(HOUR).lock_owned().unwrap());
    });

    let handles: Vec<_> = (0..PATHS).map(|at| store.mutex(["kept", &at.to_string()]).unwrap().lease(HOUR)).collect();
    // With all that a node gets at its first lock with a lease.
    let quiet = MemoryStore::new();
    handles.iter().for_each(|handle| drop(quiet.mutex(handle.path()).unwrap().lease(HOUR).lock_owned().unwrap()));
    let per_node = {
        let before = resident();
        let quiet: Vec<_> = handles.iter().map(|handle| quiet.mutex(handle.path()).unwrap().lease(HOUR)).collect();
        quiet.iter().for_each(|handle| drop(handle.lock().unwrap()));
        resident().saturating_sub(before)
    };
    let before = resident();
    handles.iter().for_each(|handle| drop(handle.lock().unwrap()));
    let grown = resident().saturating_sub(before);
    assert!(grown < per_node + 4096, "kept handles: {grown} KiB, {per_node} without a listener");

    let guard = store.mutex("one").unwrap().lease(HOUR).lock_owned().unwrap();
    leaves_nothing("a lease that is shortened again and again", |at| {
        guard.refresh_for(HOUR - Duration::from_millis(at as u64)).unwrap();
    });
}
