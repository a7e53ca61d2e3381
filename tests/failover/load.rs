//! Those who hold, wait and try, as threads and as tasks, and what they believed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, RedisStore};

use crate::verdict::{Life, Loss, Path, judge};
use crate::{SOON, wait_until};

/// Microseconds since some time.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    1 + START.elapsed().as_micros() as u64
}

pub(crate) const LEASE: Duration = Duration::from_secs(8);
const PATHS: [&str; 4] = ["a", "a/b", "a/c", "a/b/d"];

pub(crate) struct Load {
    shared: Arc<Shared>,
    users: Vec<JoinHandle<()>>,
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
}

impl Load {
    /// Two threads and two tasks that wait, and one that tries, over each of the stores.
    pub(crate) fn start(stores: &[RedisStore]) -> Self {
        let hows = [How::Waits, How::Waits, How::InATask, How::InATask, How::Tries];
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
            thread::spawn(move || shared.user(&store, number, hows[number % hows.len()]))
        });
        let users = users.collect();
        Self { shared, users, losses: Vec::new() }
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
        println!("{grants} grants, {lost} found lost, {losses} overlaps after a loss of data");
    }
}

impl Shared {
    fn user(&self, store: &RedisStore, number: usize, how: How) {
        let mut random = fastrand::Rng::with_seed(number as u64);
        while !self.is_over.load(Ordering::Relaxed) {
            let path = PATHS[random.usize(..PATHS.len())];
            let mutex = store.mutex(path).unwrap();
            let before = now();
            let result = match how {
                How::Waits => mutex.try_lock_owned_for(SOON),
                How::InATask => smol::block_on(mutex.lock_owned_async()),
                How::Tries => mutex.try_lock_owned(),
            };
            match result {
                Ok(guard) => self.hold(guard, Path(path), before, random.u64(..15)),
                Err(LockError::WouldBlock { .. }) => thread::sleep(Duration::from_millis(2)),
                Err(error) => self.tell(how, "was refused", &error),
            }
            self.done[number].fetch_add(1, Ordering::Relaxed);
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
