//! What a program keeps of a store that is gone, as after a restart: lease tokens open nothing in
//! the next one, and fencing tokens go on rising.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mutextree::{Lease, LockError, LockStore, MemoryStore};

const LONG: Duration = Duration::from_secs(600);
const PATH: &str = "docs/report";

fn leased(store: &MemoryStore) -> Lease {
    store.mutex(PATH).unwrap().lease(LONG).lock_owned().unwrap().into_lease().unwrap()
}

#[test]
fn a_lease_token_of_an_earlier_store_opens_nothing() {
    // Many, so that some are made in the same microsecond.
    let mut seen = HashSet::new();
    let mut before = None;
    for _ in 0..500 {
        let store = MemoryStore::new();
        let lease = leased(&store);
        if let Some(before) = before.replace(lease.token().clone()) {
            assert!(matches!(store.resume(PATH, &before), Err(LockError::NotHeld { .. })), "{before}");
        }
        assert!(lease.is_held() && store.resume(PATH, lease.token()).is_ok());
        assert!(seen.insert(lease.token().clone()), "{} was given out before", lease.token());
    }
}

/// Text that is nearly a token is none.
#[test]
fn a_lease_token_is_one_text() {
    let store = MemoryStore::new();
    let lease = leased(&store);
    let token = lease.token().as_str();
    for other in [format!("+{token}"), format!("0{token}"), token.to_uppercase() + " ", token.replace('-', "")] {
        assert!(matches!(store.resume(PATH, &other.as_str().into()), Err(LockError::NotHeld { .. })), "{other}");
    }
    let listed = store.locks().unwrap();
    assert_eq!(listed[0].token.as_ref(), Some(lease.token()));
}

fn micros_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

#[test]
fn fencing_tokens_rise_from_one_store_to_the_next() {
    let mut last = micros_now();
    for round in 0..20 {
        let store = MemoryStore::new();
        let plain = store.lock("a").unwrap();
        let owned = store.mutex("b").unwrap().owner("somebody").lock_owned().unwrap();
        let lease = leased(&store);
        for token in [lease.fencing_token(), owned.fencing_token(), plain.fencing_token()] {
            assert!(token > last, "round {round}: {token} after {last}");
        }
        last = plain.fencing_token();
        // The clock has the tokens drawn so far behind it.
        while micros_now() <= last {
            std::hint::spin_loop();
        }
    }
}
