//! Who waits for whom, for [deadlock detection](crate::deadlock): [`Agents`], what this process
//! knows of its own locks; and a look at the tree by a listing.
//!
//! # The edges
//! * A waiter stands behind each lock that conflicts with it, and behind each waiter that conflicts
//!   and came earlier: I4 of `docs/redis.md`. It is not granted before those have gone. That is D1.
//! * A set waits for all of its members: it stands behind what each of them stands behind.
//! * A lock that is to become exclusive stands behind the other locks alone. It goes first.
//! * Of several earlier waiters for the same node those up to one that shuts out all before it are
//!   enough.
//!
//! # Whose a lock is
//! The server knows the client and the owner. What thread a lock of this process belongs to, and
//! where it was asked for, is known here, by its token. So a lock of another process is that
//! process' and that owner's: D2.
//!
//! What is noted of a lock is dropped some time after the lock itself is.

use std::collections::HashMap;
use std::panic::Location;

use super::engine::Engine;
use super::inbox::Inbox;
use super::look::{self, of_upgrade, upgrade_of};
use crate::backend::{HeldLock, LeaseToken, WaitingLock};
use crate::deadlock::{Agent, Asks, Behind, Deadlock, Looks, Rest, Scene, Stuck, Wait, Watch};
use crate::path::TreePath;
use crate::redis::clock::clock;
use crate::redis::primitives::{Arc, Mutex, Weak};
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::request::{Mode, Request, Scope, conflicts};

/// More pairs than this are not compared in one look (D8).
const MOST_PAIRS: usize = 1_000_000;

/// What is known of this process' locks.
pub(in crate::redis) struct Agents {
    known: Mutex<Locks>,
    watch: Watch,
}

#[derive(Default)]
struct Locks {
    /// By token.
    all: HashMap<String, Known>,
    /// When there are as many as this, those that are gone are dropped.
    due: usize,
}

struct Known {
    lock: Weak<Lock>,
    /// `None` once its guard was handed over.
    agent: Option<Agent>,
    place: &'static Location<'static>,
    /// Whether its lease ends by itself.
    ends: bool,
    /// While it waits.
    waits: Weak<Waits>,
}

/// A wait that may be ended: for as long as this lives.
pub(in crate::redis) struct Waits {
    inbox: Arc<Inbox>,
    verdict: Mutex<Option<Deadlock>>,
    _rest: Rest,
}

impl Waits {
    /// Why it would never end, if that is known. `news` is what its inbox had: a grant wins (D7).
    pub(super) fn verdict(&self, news: News) -> Option<Deadlock> {
        if matches!(news, News::Granted(_)) { None } else { self.verdict.lock().take() }
    }
}

impl Locks {
    fn tidy(&mut self) {
        if self.all.len() >= self.due {
            self.all.retain(|_, known| known.lock.strong_count() > 0);
            self.due = self.all.len() * 2 + 64;
        }
    }

    /// Whether one who waits for these holds another lock near one of them.
    fn any_near<'a>(&self, wanted: impl IntoIterator<Item = &'a Lock>, agent: Option<&Agent>) -> bool {
        let wanted: Vec<_> = wanted.into_iter().collect();
        let agent = agent.filter(|agent| !agent.is_task());
        self.all.values().any(|known| {
            let same_thread = agent.is_some() && known.agent.as_ref() == agent;
            let Some(other) = known.lock.upgrade().filter(|other| other.is_held(clock())) else { return false };
            let is_own = wanted.iter().any(|lock| lock.owner.is_some() && lock.owner == other.owner);
            (same_thread || is_own)
                && wanted.iter().any(|lock| {
                    let is_near = other.path.starts_with(&lock.path) || lock.path.starts_with(&other.path);
                    is_near && lock.token != other.token
                })
        })
    }
}

impl Agents {
    pub(super) fn new() -> Self {
        Self { known: Mutex::default(), watch: Watch::new() }
    }

    /// A lock, or a set with these requests, is about to be asked for.
    pub(super) fn asks<'a>(&self, lock: &Arc<Lock>, requests: impl IntoIterator<Item = &'a Request>, asks: &Asks) {
        let mut locks = self.known.lock();
        locks.tidy();
        for (lock, request) in lock.all().zip(requests) {
            let known = Known {
                lock: Arc::downgrade(lock),
                agent: Some(asks.agent.clone()),
                place: asks.place,
                ends: request.lease.is_some(),
                waits: Weak::new(),
            };
            locks.all.insert(lock.token.clone(), known);
        }
    }

    /// A lock that is held is to become exclusive: whoever asks for that may wait for it.
    pub(super) fn upgrades(&self, lock: &Arc<Lock>, asks: Asks) {
        let mut locks = self.known.lock();
        let ends = locks.all.get(&lock.token).is_some_and(|known| known.ends);
        let (lock_, agent, waits) = (Arc::downgrade(lock), Some(asks.agent), Weak::new());
        let known = Known { lock: lock_, agent, place: asks.place, ends, waits };
        locks.all.insert(upgrade_of(&lock.token), known);
    }

    /// A lock has become these. Whoever held it holds them.
    pub(super) fn becomes(&self, lock: &Lock, kept: &[Arc<Lock>]) {
        let mut locks = self.known.lock();
        let Some(known) = locks.all.remove(&lock.token) else { return };
        for lock in kept {
            let (agent, waits) = (known.agent.clone(), Weak::new());
            let part = Known { lock: Arc::downgrade(lock), agent, place: known.place, ends: known.ends, waits };
            locks.all.insert(lock.token.clone(), part);
        }
    }

    /// It has to wait.
    pub(super) fn waits_for_upgrade(&self, engine: &Arc<Engine>, lock: &Lock, inbox: &Arc<Inbox>) -> Arc<Waits> {
        let waits = self.begin(engine, inbox);
        let mut locks = self.known.lock();
        let Some(known) = locks.all.get_mut(&upgrade_of(&lock.token)) else { return waits };
        known.waits = Arc::downgrade(&waits);
        let agent = known.agent.clone();
        if locks.any_near([lock], agent.as_ref()) {
            self.watch.hurry();
        }
        waits
    }

    fn begin(&self, engine: &Arc<Engine>, inbox: &Arc<Inbox>) -> Arc<Waits> {
        let _rest = self.watch.begin(Arc::downgrade(engine));
        Arc::new(Waits { inbox: inbox.clone(), verdict: Mutex::new(None), _rest })
    }

    /// It has to wait. If a lock near it is its own, that is looked at now.
    pub(super) fn waits(&self, engine: &Arc<Engine>, lock: &Arc<Lock>, inbox: &Arc<Inbox>) -> Arc<Waits> {
        let waits = self.begin(engine, inbox);
        let mut locks = self.known.lock();
        let mut agent = None;
        for lock in lock.all() {
            let Some(known) = locks.all.get_mut(&lock.token) else { return waits };
            known.waits = Arc::downgrade(&waits);
            agent = known.agent.clone();
        }
        // None of its members is held, as it waits for all of them.
        if locks.any_near(lock.all().map(|lock| &**lock), agent.as_ref()) {
            self.watch.hurry();
        }
        waits
    }

    /// Who holds a lock from now on.
    pub(in crate::redis) fn attribute(&self, token: &str, agent: Option<Agent>) {
        let old = match self.known.lock().all.get_mut(token) {
            Some(known) => std::mem::replace(&mut known.agent, agent),
            None => None,
        };
        drop(old);
    }

    /// What is known here of the locks and waits of a listing. `false` for a lock that ends by
    /// itself, as far as is known.
    fn complete_lock(&self, lock: &mut HeldLock) -> bool {
        let locks = self.known.lock();
        let known = lock.name.as_ref().and_then(|name| locks.all.get(name.as_str()));
        if let Some(known) = known {
            (lock.agent, lock.taken_at) = (known.agent.clone(), Some(known.place));
        }
        // If it may be kept without a user, whoever waits for it has it recalled. If it is in use
        // its client says so, and then it may not be kept any more.
        !lock.is_detached() && !lock.may_be_kept && known.is_none_or(|known| !known.ends)
    }

    /// The same of a wait: whether it waits in this process.
    fn complete_wait(&self, token: &str, wait: &mut WaitingLock) -> bool {
        let locks = self.known.lock();
        let Some(known) = locks.all.get(token) else { return false };
        (wait.agent, wait.asked_at) = (known.agent.clone(), Some(known.place));
        known.waits.strong_count() > 0
    }

    /// What is known here of what a listing shows.
    pub(super) fn complete(&self, held: &mut [HeldLock], waiting: &mut [look::Waiter]) {
        held.iter_mut().for_each(|lock| _ = self.complete_lock(lock));
        waiting.iter_mut().for_each(|waiter| _ = self.complete_wait(&waiter.token, &mut waiter.line));
    }

    fn anybody_waits(&self) -> bool {
        self.known.lock().all.values().any(|known| known.waits.strong_count() > 0)
    }
}

/// By the token of the wait; of a set, by that of the member that is listed first.
impl Looks for Engine {
    type Key = String;

    fn look(self: &Arc<Self>) -> Option<Scene<String>> {
        let agents = self.client.agents.as_ref()?;
        let mut scene = Scene::default();
        if !agents.anybody_waits() {
            return Some(scene);
        }
        let (held, waiting) = look::listed(self, &Target::new(TreePath::root()), true).ok()?;
        // A set is one wait. Its members are listed one by one, and have one arrival number.
        let mut sets: HashMap<u64, String> = HashMap::new();
        let mut upgrades = Vec::new();
        for look::Waiter { arrival, token, mut line } in waiting {
            let ours = agents.complete_wait(&token, &mut line);
            let own = of_upgrade(&token).map(str::to_owned);
            let key = match own {
                Some(_) => token,
                None => sets.entry(arrival).or_insert(token).clone(),
            };
            upgrades.push(own);
            scene.waits.push(Wait {
                key,
                line,
                owners: Vec::new(),
                members: Vec::new(),
                order: arrival,
                ours,
                behind: Vec::new(),
            });
        }
        let stuck = Stuck::new(&scene.waits);
        for mut lock in held {
            // Of the others no edge leads on.
            if agents.complete_lock(&mut lock) && !stuck.of(&lock).is_empty() {
                scene.locks.push(lock);
            }
        }
        let mut pairs = 0;
        for (at, own) in upgrades.iter().enumerate() {
            let mut behind = Vec::new();
            let line = &scene.waits[at].line;
            let wants = (&line.path, line.kind);
            pairs += scene.locks.len();
            for (number, lock) in scene.locks.iter().enumerate() {
                let is_own = own.is_some() && lock.name.as_ref().map(LeaseToken::as_str) == own.as_deref();
                if !is_own && conflicts(wants, (&lock.path, lock.kind)) {
                    behind.push(Behind::Lock(number));
                }
            }
            // A lock that is to become exclusive goes before all others.
            let earlier = if own.is_some() { 0..0 } else { 0..at };
            for earlier in earlier.rev() {
                pairs += 1;
                let other = &scene.waits[earlier].line;
                if conflicts(wants, (&other.path, other.kind)) {
                    behind.push(Behind::Wait(earlier));
                    let reaches_as_far = other.kind.scope == Scope::Subtree || line.kind.scope == Scope::Node;
                    if other.path == line.path && other.kind.mode == Mode::Exclusive && reaches_as_far {
                        break;
                    }
                }
            }
            if pairs > MOST_PAIRS {
                return None;
            }
            scene.waits[at].behind = behind;
        }
        Some(scene)
    }

    fn condemn(self: &Arc<Self>, wait: &String, deadlock: Deadlock) {
        let Some(agents) = &self.client.agents else { return };
        let waits = agents.known.lock().all.get(wait).and_then(|known| known.waits.upgrade());
        if let Some(waits) = waits {
            *waits.verdict.lock() = Some(deadlock);
            waits.inbox.tell(News::Ask); // under no lock
        }
    }
}
