//! Those who hold, wait and try, as threads and as tasks, and what they believed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore, RedisStoreBuilder};

use crate::verdict::{Life, Loss, Path, judge};
use crate::{SOON, wait_until};

/// Microseconds since some time.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    1 + START.elapsed().as_micros() as u64
}

pub(crate) const LEASE: Duration = Duration::from_secs(8);
const PATHS: [&str; 4] = ["a", "a/b", "a/c", "a/b/d"];
/// Nodes that one store has again and again, and the other one now and then.
const AGAIN: [&str; 8] = ["k/0", "k/1", "k/2", "k/3", "k/4", "k/5", "k/6", "k/7"];
/// For how long the first store keeps what nobody uses.
const KEEP: Duration = Duration::from_secs(2);

pub(crate) struct Load {
    shared: Arc<Shared>,
    users: Vec<JoinHandle<()>>,
    keeps: RedisStore,
    losses: Vec<Loss>,
}

struct Shared {
    is_over: AtomicBool,
    lives: Mutex<Vec<Life>>,
    /// What users were told that they may not be told.
    told: Mutex<Vec<String>>,
    lost: AtomicU64,
    /// By user: how often it had what it asked for.
    done: Vec<AtomicU64>,
}

/// How a user asks.
#[derive(Clone, Copy, Debug)]
enum How {
    Waits,
    InATask,
    Tries,
    /// The nodes that are kept.
    Again,
}

impl Load {
    /// Over each of two stores of this tree: two threads and two tasks that wait, one that tries,
    /// and one on the nodes that the first store keeps.
    pub(crate) fn start(
        tree: &str,
        connect: impl Fn(&dyn Fn(RedisStoreBuilder) -> RedisStoreBuilder) -> RedisStore,
    ) -> Self {
        let stores = [KEEP, Duration::ZERO].map(|keep| connect(&move |builder| builder.tree(tree).keep(keep)));
        let hows = [How::Waits, How::Waits, How::InATask, How::InATask, How::Tries, How::Again];
        let count = stores.len() * hows.len();
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            lives: Mutex::default(),
            told: Mutex::default(),
            lost: AtomicU64::new(0),
            done: (0..count).map(|_| AtomicU64::new(0)).collect(),
        });
        let users = (0..count).map(|number| {
            let (store, shared) = (stores[number / hows.len()].clone(), shared.clone());
            thread::spawn(move || shared.user(&store, number, hows[number % hows.len()], number < hows.len()))
        });
        let users = users.collect();
        Self { shared, users, keeps: stores[0].clone(), losses: Vec::new() }
    }

    /// Data may be lost by this.
    pub(crate) fn losing<T>(&mut self, fault: impl FnOnce() -> T) -> T {
        let from = now();
        let result = fault();
        self.losses.push(Loss { from, until: now() });
        result
    }

    /// Everybody has what it asks for, twice from now on.
    #[track_caller]
    pub(crate) fn gets_through(&self, what: &str) {
        let began = Instant::now();
        let before: Vec<u64> = self.shared.done.iter().map(|done| done.load(Ordering::Relaxed)).collect();
        wait_until(&format!("{what}: somebody waits for ever"), || {
            self.shared.done.iter().zip(&before).all(|(done, before)| done.load(Ordering::Relaxed) >= before + 2)
        });
        println!("{what}: all are through after {:.1?}", began.elapsed());
    }

    /// What users were told since the last time: errors, and losses.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.told.lock().unwrap())
    }

    #[track_caller]
    pub(crate) fn nobody_was_told(&self, what: &str) {
        let told = self.told();
        assert!(told.is_empty(), "{what}: {told:#?}");
    }

    /// Ends it, and judges.
    pub(crate) fn end(self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let began = Instant::now();
        for user in self.users {
            wait_until("a user never comes back", || user.is_finished());
            user.join().unwrap();
        }
        assert!(began.elapsed() < SOON);
        let lives = self.shared.lives.lock().unwrap();
        let (grants, losses) = judge(&lives, &self.losses, LEASE.as_micros() as u64);
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let hits = self.keeps.kept_locks().hits;
        println!("{grants} grants, {hits} of them kept, {lost} found lost, {losses} overlaps after a loss of data");
        assert!(hits > 0, "nothing was kept");
    }
}

impl Shared {
    fn user(&self, store: &RedisStore, number: usize, how: How, keeps: bool) {
        let mut random = fastrand::Rng::with_seed(number as u64);
        while !self.is_over.load(Ordering::Relaxed) {
            let path = match how {
                How::Again => AGAIN[random.usize(..AGAIN.len())],
                _ => PATHS[random.usize(..PATHS.len())],
            };
            let mutex = store.mutex(path).unwrap();
            // What was kept rests on a request of before it was asked for.
            let before = now().saturating_sub(if keeps { LEASE.as_micros() as u64 } else { 0 });
            let result = match how {
                How::Waits | How::Again => mutex.try_lock_owned_for(SOON),
                How::InATask => smol::block_on(mutex.lock_owned_async()),
                How::Tries => mutex.try_lock_owned(),
            };
            match result {
                Ok(guard) => self.hold(guard, Path(path), before, random.u64(..15)),
                Err(LockError::WouldBlock { .. }) => thread::sleep(Duration::from_millis(2)),
                Err(error) => self.tell(how, "was refused", &error),
            }
            self.done[number].fetch_add(1, Ordering::Relaxed);
            if matches!(how, How::Again) {
                thread::sleep(Duration::from_millis(if keeps { 1 } else { 100 }));
            }
        }
    }

    fn hold(&self, guard: OwnedTreeMutexGuard<RedisStore>, path: Path, before: u64, milliseconds: u64) {
        let from = now();
        let mut life = Life { path, token: guard.fencing_token(), before, from, seen: from };
        for _ in 0..=milliseconds {
            let at = now();
            if !guard.is_held() {
                break;
            }
            life.seen = at;
            thread::sleep(Duration::from_millis(1));
        }
        self.lives.lock().unwrap().push(life);
        match guard.unlock() {
            Ok(()) => {}
            Err(LockError::NotHeld { .. }) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                self.told.lock().unwrap().push("lost".into());
            }
            Err(error) => self.tell(How::Waits, "could not give back", &error),
        }
    }

    fn tell(&self, how: How, what: &str, error: &LockError) {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        self.told.lock().unwrap().push(format!("{} {how:?} {what}: {error}: {source}", now()));
        thread::sleep(Duration::from_millis(10));
    }
}
