//! What keeps leases alive shares no lock and no queue with users' own requests.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mutextree::LockStore;

use super::{SLACK, connect, millis};
use crate::proxy::Proxy;
use crate::server::Server;

const MANY: usize = 40;

#[test]
fn a_lock_that_nobody_touches_is_renewed_while_others_are_refreshed() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let lease = millis(2000);
    let store = connect(&proxy.url(), |builder| builder.lease(lease));
    let lost = store.lost_locks();
    let guards: Vec<_> = (0..MANY).map(|at| store.lock(format!("busy/{at}")).unwrap()).collect();
    let untouched = store.lock("untouched").unwrap();
    proxy.delay_answers(millis(100));
    let (over, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for guard in &guards {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    failed.fetch_add(guard.refresh().is_err().into(), Ordering::Relaxed);
                }
            });
        }
        // Becoming a lease starts it anew, and so is a refresh as well.
        for at in 0..MANY / 4 {
            let (store, over, failed) = (&store, &over, &failed);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let lease = store.lock(format!("kept/{at}")).and_then(|guard| guard.into_lease());
                    failed.fetch_add(lease.and_then(|lease| lease.release()).is_err().into(), Ordering::Relaxed);
                }
            });
        }
        thread::sleep(2 * lease);
        over.store(true, Ordering::Relaxed);
    });
    assert!(untouched.is_held(), "{:?}", lost.try_recv());
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    untouched.unlock().unwrap();
}

#[test]
fn refreshes_run_side_by_side() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = connect(&proxy.url(), |builder| builder);
    let guards: Vec<_> = (0..MANY).map(|at| store.lock(format!("{at}")).unwrap()).collect();
    proxy.delay_answers(millis(100));
    let barrier = Barrier::new(MANY);
    let began = Instant::now();
    thread::scope(|scope| {
        for guard in &guards {
            scope.spawn(|| {
                barrier.wait();
                guard.refresh().unwrap();
            });
        }
    });
    // One after the other they take four seconds.
    assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
    proxy.delay_answers(millis(0));
}
