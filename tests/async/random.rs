//! Tasks that give up at random and threads that time out at random, on a whole tree. A witness
//! knows who holds what, and sees two conflicting locks that are held at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;

use crate::common::asking::{Asking, asking};
use crate::common::kinds::{Ask, KINDS, TREE};
use crate::running::yield_now;
use crate::runtimes::Runtime;
use crate::stores::Tested;

const ROUNDS: usize = 150;
const EACH: usize = 5;

/// Knows who is in, and that no two of them conflict.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Ask>>>);

impl Witness {
    fn enter(&self, ask: &Ask) {
        let mut inside = self.0.lock().unwrap();
        let other = inside.iter().find(|other| other.conflicts(ask)).cloned();
        inside.push(ask.clone());
        drop(inside);
        assert!(other.is_none(), "{ask:?} and {other:?} are held at once");
    }

    fn leave(&self, ask: &Ask) {
        let mut inside = self.0.lock().unwrap();
        let at = inside.iter().position(|other| other == ask).expect("it has entered");
        inside.swap_remove(at);
    }
}

fn any_ask(rng: &mut Rng) -> Ask {
    Ask::new(TREE[rng.usize(..TREE.len())], KINDS[rng.usize(..KINDS.len())])
}

pub(crate) fn tasks_and_threads_at_random<S: Tested, R: Runtime>() {
    for seed in 0..3 {
        let make = if seed % 2 == 0 { S::make } else { S::strict };
        let (store, runtime, witness) = (make(), R::start(), Witness::default());
        let tasks = (0..EACH as u64).map(|number| {
            let (store, witness) = (store.clone(), witness.clone());
            let mut rng = Rng::with_seed(100 * seed + number);
            runtime.task(async move {
                for _ in 0..ROUNDS {
                    let ask = any_ask(&mut rng);
                    let lock = ask.mutex(&store);
                    let lock = async move { lock.lock_owned_async().await.unwrap() };
                    // So many polls it may take, or as many as it needs.
                    let polls = rng.bool().then(|| rng.usize(..4));
                    let Some(guard) = give_up_after(polls, lock).await else { continue };
                    witness.enter(&ask);
                    if rng.bool() {
                        yield_now().await;
                    }
                    witness.leave(&ask);
                    drop(guard);
                }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let threads = (0..EACH as u64).map(|number| {
            let (store, witness) = (store.clone(), witness.clone());
            let mut rng = Rng::with_seed(100 * seed + 50 + number);
            asking(move || {
                for _ in 0..ROUNDS {
                    let ask = any_ask(&mut rng);
                    let mutex = ask.mutex(&store);
                    let guard = match rng.u8(..3) {
                        0 => mutex.try_lock_owned().ok(),
                        1 => mutex.try_lock_owned_for(Duration::from_micros(rng.u64(..500))).ok(),
                        _ => Some(mutex.lock_owned().unwrap()),
                    };
                    if let Some(guard) = guard {
                        witness.enter(&ask);
                        witness.leave(&ask);
                        drop(guard);
                    }
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        tasks.into_iter().chain(threads).for_each(Asking::ends);
        store.assert_as_new();
    }
}

/// Polls at most so many times, each time after others could run, and then drops it: whether it has
/// been woken or not.
async fn give_up_after<T>(polls: Option<usize>, future: impl Future<Output = T>) -> Option<T> {
    let Some(polls) = polls else { return Some(future.await) };
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if let Some(answer) = smol::future::poll_once(&mut future).await {
            return Some(answer);
        }
        yield_now().await;
    }
    None
}
