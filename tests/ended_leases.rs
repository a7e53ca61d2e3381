//! What becomes of locks that outlived their guards, and whose lease has ended, when nobody asks
//! for them again.

use std::time::{Duration, Instant};

use mutextree::{LockStore, MemoryStore};

#[test]
fn their_nodes_are_reclaimed() {
    const MANY: usize = 10_000;
    let store = MemoryStore::new();
    let handles: Vec<_> = (0..MANY).map(|at| store.mutex(["a", &at.to_string()]).unwrap()).collect();
    store.shrink_to_fit();
    assert_eq!(store.node_count(), MANY + 2);
    for handle in handles {
        let lease = handle.lock_owned().unwrap().into_lease().unwrap();
        lease.refresh_for(Duration::from_millis(1)).unwrap();
    }
    let start = Instant::now();
    while store.node_count() > MANY / 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} nodes are left", store.node_count());
        std::thread::yield_now();
    }
}
