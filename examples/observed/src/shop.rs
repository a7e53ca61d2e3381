//! What is done under the locks.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mutextree::{LockError, LockStore};

const THREADS: usize = 4;
const TASKS: usize = 4;
const ORDERS: u16 = 5;

/// All that works in the shop.
pub(crate) struct Shop {
    closed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), LockError>>>,
    tasks: Vec<tokio::task::JoinHandle<Result<(), LockError>>>,
}

impl Shop {
    pub(crate) fn open<S: LockStore>(store: S, tenants: u16) -> Self {
        let closed = Arc::new(AtomicBool::new(false));
        let worker = |work: fn(&S, u16) -> Result<(), LockError>| {
            let (store, closed) = (store.clone(), closed.clone());
            thread::spawn(move || {
                while !closed.load(Ordering::Relaxed) {
                    work(&store, fastrand::u16(..tenants))?;
                }
                Ok(())
            })
        };
        let mut threads: Vec<_> = (0..THREADS).map(|_| worker(change_an_order)).collect();
        threads.extend([worker(report), worker(import)]);
        let reader = |_| {
            let (store, closed) = (store.clone(), closed.clone());
            tokio::spawn(async move {
                while !closed.load(Ordering::Relaxed) {
                    read_the_orders(&store, fastrand::u16(..tenants)).await?;
                }
                Ok(())
            })
        };
        Self { tasks: (0..TASKS).map(reader).collect(), threads, closed }
    }

    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        self.closed.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        for thread in self.threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    }
}

fn change_an_order<S: LockStore>(store: &S, tenant: u16) -> Result<(), LockError> {
    let order = format!("shop/{tenant}/orders/{}", fastrand::u16(..ORDERS));
    let _guard = store.lock(order)?;
    thread::sleep(Duration::from_millis(1));
    Ok(())
}

async fn read_the_orders<S: LockStore>(store: &S, tenant: u16) -> Result<(), LockError> {
    let orders = store.mutex(format!("shop/{tenant}/orders"))?.shared();
    let guard = orders.lock_async().await?;
    tokio::time::sleep(Duration::from_millis(3)).await;
    drop(guard);
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(())
}

/// Goes without if others are busy there.
fn report<S: LockStore>(store: &S, tenant: u16) -> Result<(), LockError> {
    thread::sleep(Duration::from_millis(150));
    let tenant = store.mutex(format!("shop/{tenant}"))?.owner("the report");
    match tenant.try_lock_for(Duration::from_millis(2)) {
        Ok(_guard) => thread::sleep(Duration::from_millis(30)),
        Err(LockError::TimedOut { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Takes longer than it thought: another import begins meanwhile.
fn import<S: LockStore>(store: &S, tenant: u16) -> Result<(), LockError> {
    thread::sleep(Duration::from_millis(500));
    let path = format!("shop/{tenant}/import");
    let import = store.mutex(&path)?.owner("an import").lease(Duration::from_millis(50));
    let late = import.lock()?;
    let next = import.lock()?; // gets in when the lease is over
    drop((late, next));
    Ok(())
}
