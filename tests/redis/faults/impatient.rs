//! A caller's deadline is its own: it ends that caller's wait, and nobody else's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use mutextree::{LockError, LockStore, RedisStore};

use super::{BOTH, SOON, millis};
use crate::failures::{wait_until, waiters};
use crate::proxy::Proxy;
use crate::server::Server;

#[test]
fn patient_callers_get_their_answers() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let store = RedisStore::connect(&proxy.url()).unwrap();
    let in_the_way = RedisStore::connect(&server.url()).unwrap().lock("held").unwrap();
    for (_, lock) in BOTH {
        // What it starts, and the scripts, are there.
        drop(lock(store.mutex("warm").unwrap()).unwrap());
    }
    proxy.delay_answers(millis(100));
    let (over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (over, rounds, store) = (&over, &rounds, &store);
        for _ in 0..12 {
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // No answer comes within the time; what it is told is not what this is about.
                    let _ = store.mutex("held").unwrap().try_lock_for(millis(1)).map(drop);
                }
            });
        }
        let mut patient = Vec::new();
        for (who, lock) in BOTH {
            for at in 0..2 {
                patient.push(scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let guard = lock(store.mutex([who, &at.to_string()]).unwrap())?;
                        guard.refresh()?;
                        guard.unlock()?;
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), LockError>(())
                }));
            }
        }
        thread::sleep(millis(3000));
        over.store(true, Ordering::Relaxed);
        for each in patient {
            each.join().unwrap().unwrap_or_else(|error| panic!("a patient one: {error}"));
        }
    });
    assert!(rounds.load(Ordering::Relaxed) >= 8);
    proxy.delay_answers(millis(0));
    drop(in_the_way);
    // What the impatient ones left under way is taken back.
    wait_until("something waits", || waiters(&server) == 0);
    drop(store.mutex("/").unwrap().try_lock_for(SOON).unwrap());
}
