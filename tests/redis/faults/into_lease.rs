//! The connection is cut while a lock becomes a lease. Then there is a lease, or the lock is given
//! back: never a lock whose token nobody knows.

use mutextree::{LockStore, RedisStore};

use super::{BOTH, SOON, connect, millis};
use crate::failures::wait_until;
use crate::proxy::Proxy;
use crate::server::Server;

#[test]
fn into_lease_is_done_or_undone() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder.timeout(millis(500)));
    let other = RedisStore::connect(&server.url()).unwrap();
    for (who, lock) in BOTH {
        for answers in 0..3 {
            let guard = lock(store.mutex("a").unwrap()).unwrap();
            wait_until("it is never there", || proxy.is_quiet());
            proxy.cut_after(answers);
            let lease = guard.into_lease();
            proxy.cut();
            proxy.mend();
            let what = format!("a {who}'s, cut after {answers} answers, is {lease:?}");
            if let Ok(lease) = lease {
                assert!(lease.is_held(), "{what}");
                lease.release().unwrap();
            }
            drop(other.mutex("a").unwrap().try_lock_for(SOON / 4).unwrap_or_else(|error| panic!("{what}: {error}")));
        }
        for lost in 1..4 {
            let guard = lock(store.mutex("a").unwrap()).unwrap();
            proxy.lose_answers(lost);
            let lease = guard.into_lease();
            proxy.lose_answers(0);
            let what = format!("a {who}'s, with {lost} answers lost, is {lease:?}");
            if let Ok(lease) = lease {
                lease.release().unwrap();
            }
            drop(other.mutex("a").unwrap().try_lock_for(SOON / 4).unwrap_or_else(|error| panic!("{what}: {error}")));
        }
    }
}
