//! [`Task`]: a lock that a task waits for, and [`Acquiring`], its future (`task/acquiring.rs`).
//!
//! The work is done by others: the [driver](super::driver) asks, the keeper sends heartbeats, the
//! listener brings the grant. Between them and the future there is one [`Stage`], under one lock:
//!
//! | stage | the next one | by |
//! |---|---|---|
//! | `Queued`, to be asked for | `Sent` | the driver |
//! | `Sent`, a request is under way | `Waits`; `Queued`, to ask again; `Done`, or `Confirms` | the driver |
//! | `Waits`, in the server's queue | `Done`, or `Confirms`; `Queued`, to ask again | the bringer of news |
//! | `Confirms`, granted, and replicas are asked | `Done` | who asked them (`confirm.rs`) |
//! | `Done`, granted or failed, to be collected | `Over`; `Lapsed` if it is not collected in time | the future; the driver |
//! | `Lapsed`, and given back | `Queued`, from the beginning | the future, polled |
//! | `Dropped`, was `Sent` and the future is gone | `Over`, when the answer has come | the driver |
//! | `Over` | | |
//!
//! The future, dropped, makes `Dropped` of `Sent`, and `Over` of all others. Invariants:
//!
//! * **T1, no wake-up is lost.** News is left in the [inbox](super::inbox) first, and then the
//!   stage is looked at, under the lock. Becoming `Waits` and taking what news there is are one
//!   step under that lock. *If that step comes first*, the bringer sees `Waits`, and goes on with
//!   it. *If the bringer's look comes first*, the news is there when the step takes it. News that
//!   came before a request was sent is told by its answer, and dropped.
//! * **T2, the task is woken.** `Done` is set, and the waker of the latest poll taken, in one step
//!   under the lock; the waker is called after it. A poll that comes before leaves its waker to be
//!   taken. A poll that comes after sees `Done`.
//! * **T3, nothing is left behind.** The acquisition, and then the grant, is in the stage. Only one
//!   can take it out, and hands it on or gives it back. If a request is under way the driver gives
//!   back what comes of it.
//! * **T4, nobody is held up.** `Done` with a grant lasts for [`UNPOLLED`], twice as long after
//!   each lapse. So a slow executor gets the lock at last. A future that nobody polls holds up the
//!   others once, as it does not come back from `Lapsed`.
//! * **T5, lock order.** Under a task's lock one may take the agenda's, the inbox's, the driver's
//!   one of `agents.rs`, those of what is kept, or those of who works where the tree is. Under one
//!   of those one may take none of the others, but for what `keep/parts.rs` says. So news is
//!   brought under none of them. No code of users runs under a task's lock.
//!
//! A grant that nobody collects is also given back by `backend/offload.rs` (a store without tasks
//! of its own) and by `memory/wait.rs` (in memory). They differ in what a lapse costs: here the
//! place in the queue, and a round trip.

use std::fmt;
use std::mem;
use std::panic::Location;
use std::task::Waker;

use super::agents::Waits as Watched;
use super::caller;
use super::client::Client;
use super::driver::Asks;
use super::engine::Engine;
use super::inbox::{Hears, Inbox, wake};
use super::keeping::grow;

use crate::deadlock;
use crate::error::LockError;
use crate::observe::meters::retried;
use crate::observe::{News as Waits, SEES_WAITS};
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::{Arc, Mutex, MutexGuard, Weak};
use crate::redis::protocol::acquisition::{Acquisition, MayWait, Step};
use crate::redis::protocol::calls::Reply;
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::release::Release;
use crate::redis::protocol::script::Call;
use crate::redis::protocol::timing::NEVER;
use crate::redis::value::Value;
use crate::request::Request;

pub(in crate::redis) use self::acquiring::Acquiring;

mod acquiring;
mod grants;

/// How long a lock is kept for a future that is not polled, at first, in microseconds. Longer than
/// in memory: a lapse costs the place in the queue, too, and a busy machine can take some tens of
/// milliseconds to poll.
const UNPOLLED: u64 = 100_000;
/// It is doubled so many times at the most.
const MOST_DOUBLED: u32 = 6;

type Machine = Box<Acquisition<Arc<Inbox>>>;

/// What a task wants: one lock, or several as one.
pub(in crate::redis) type Wanted = Vec<(Target, Request)>;

struct Task {
    engine: Arc<Engine>,
    wanted: Wanted,
    place: Place,
    state: Mutex<State>,
}

/// Where in the code it was asked for.
type Place = &'static Location<'static>;

struct State {
    stage: Stage,
    /// The latest poll's, until it is called.
    waker: Option<Waker>,
    /// Where the news of the present acquisition is left.
    inbox: Arc<Inbox>,
    /// How often it has lapsed.
    lapses: u32,
    /// Whether it has to wait, for the future to say so.
    waits: Waits,
    /// While it waits, where deadlocks are looked for.
    watched: Option<Arc<Watched>>,
}

enum Stage {
    Queued(Machine),
    Sent(Machine),
    Waits(Machine),
    Confirms(Arc<Lock>),
    Done(Result<Arc<Lock>, LockError>),
    Lapsed,
    Dropped(Machine),
    Over,
}

impl Task {
    fn new(engine: &Arc<Engine>, wanted: Wanted, place: Place) -> Arc<Self> {
        let state = State {
            stage: Stage::Over,
            waker: None,
            inbox: Arc::new(Inbox::of_thread()),
            lapses: 0,
            waits: Waits::default(),
            watched: None,
        };
        Arc::new(Self { engine: engine.clone(), wanted, place, state: Mutex::new(state) })
    }

    /// From the beginning, with a new token.
    fn start(self: &Arc<Self>, mut state: MutexGuard<'_, State>, waker: Waker) {
        let client = &self.engine.client;
        let hears: Weak<dyn Hears> = Arc::<Self>::downgrade(self);
        let inbox = Arc::new(Inbox::of_task(hears));
        let members: Vec<_> = self.wanted.iter().map(|(target, request)| (target, request)).collect();
        let lock = client.new_set(&members);
        if let Some(agents) = &client.agents {
            agents.asks(&lock, members.iter().map(|it| it.1), &deadlock::Asks::task(self.place));
        }
        let all = members.into_iter().map(|(target, request)| (target.clone(), request));
        let may_wait = MayWait::Until(NEVER);
        let machine = Acquisition::of_set(all, lock, may_wait, inbox.clone(), &client.name, &client.timing);
        state.inbox = inbox;
        let old = state.waker.replace(waker);
        self.queue(state, Box::new(machine));
        drop(old); // T5
    }

    fn queue(self: &Arc<Self>, mut state: MutexGuard<'_, State>, machine: Machine) {
        state.stage = Stage::Queued(machine);
        drop(state);
        self.engine.driver.ask(self.clone());
    }

    /// Waits, unless there is news (T1).
    fn go_on(self: &Arc<Self>, mut state: MutexGuard<'_, State>, mut machine: Machine) {
        let news = state.inbox.take();
        if news == News::Nothing {
            state.stage = Stage::Waits(machine);
            return;
        }
        let client = &self.engine.client;
        if let Some(deadlock) = state.watched.as_ref().and_then(|watched| watched.verdict(news)) {
            let unwanted = client.agenda(|agenda| machine.give_up(agenda));
            self.done(state, Err(LockError::Deadlock(deadlock)));
            return unwanted.into_iter().for_each(|unwanted| self.engine.driver.give_back(unwanted));
        }
        if client.agenda(|agenda| machine.told(news, clock(), &client.timing, agenda)) {
            // The news is the grant: nothing is left to ask.
            let lock = machine.lock().clone();
            self.granted(state, lock);
        } else {
            // The server has to say what it means.
            self.queue(state, machine);
        }
    }

    /// T2.
    fn done(self: &Arc<Self>, mut state: MutexGuard<'_, State>, outcome: Result<Arc<Lock>, LockError>) {
        let granted = outcome.is_ok();
        state.stage = Stage::Done(outcome);
        let (waker, lapses) = (state.waker.take(), state.lapses);
        state.watched = None;
        drop(state);
        if granted {
            let task: Weak<dyn Asks> = Arc::<Self>::downgrade(self);
            self.engine.driver.look_after_later(task, lapses, UNPOLLED << lapses.min(MOST_DOUBLED));
        }
        wake(waker);
    }
}

impl Hears for Task {
    fn hears(self: Arc<Self>) {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Waits(machine) => self.go_on(state, machine),
            // A request is under way, or about to be: its answer tells. Or nobody waits any more.
            other => state.stage = other,
        }
    }
}

impl Asks for Task {
    fn client(&self) -> &Arc<Client> {
        &self.engine.client
    }

    fn take_up(&self) -> Option<(Call, u64)> {
        let mut state = self.state.lock();
        match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Queued(mut machine) => {
                let (client, now) = (&self.engine.client, clock());
                let (target, request) = &self.wanted[0];
                grow::begin(&self.engine, &mut machine, (target, request));
                client.agenda(|agenda| machine.begin(now, false, agenda));
                state.inbox.take(); // T1: the answer will tell
                let call = machine.call(&client.timing, now);
                state.stage = Stage::Sent(machine);
                Some(call)
            }
            // Its future was dropped while it stood in the driver's queue.
            other => {
                state.stage = other;
                None
            }
        }
    }

    fn answered(self: Arc<Self>, answer: Result<Value, Failure>, sent: u64) {
        let (client, answer) = (&self.engine.client, Reply::from_answer(answer));
        let failed = Result::is_err(&answer);
        let mut state = self.state.lock();
        let (mut machine, dropped) = match mem::replace(&mut state.stage, Stage::Over) {
            Stage::Sent(machine) => (machine, false),
            Stage::Dropped(machine) => (machine, true),
            other => {
                state.stage = other;
                return;
            }
        };
        let step = client.agenda(|agenda| machine.answered(answer, sent, clock(), &client.timing, agenda));
        let again = failed && !matches!(step, Step::Over(_));
        let step = match step {
            Step::Grown(growth) if dropped => {
                grow::ended(client, *growth);
                Step::Ask
            }
            step => step,
        };
        if dropped {
            drop(state);
            let release = match step {
                // Granted to a future that is gone.
                Step::Over(Ok(())) => {
                    let lock = machine.lock();
                    let lost = lock.all().filter(|lock| !caller::forget(client, lock)).count();
                    match &*self.wanted {
                        [(target, it)] => Some(Release::of_held(lock.clone(), target.clone(), it.kind, lost == 0)),
                        _ => Some(Release::of_unwanted_set(lock)),
                    }
                }
                // An acquisition that fails has seen to what the server may know of it.
                Step::Over(Err(_)) => None,
                // The server may know it: in its queue, or by a request without an answer.
                Step::Ask | Step::Pause(_) | Step::Settle | Step::Wait | Step::Grown(_) => {
                    client.agenda(|agenda| machine.give_up(agenda))
                }
            };
            return self.engine.driver.settle_owed(release);
        }
        match step {
            Step::Ask | Step::Settle => self.queue(state, machine),
            Step::Pause(pause) => {
                state.stage = Stage::Queued(machine);
                drop(state);
                self.engine.driver.ask_later(self.clone(), pause);
            }
            Step::Wait => {
                // From now on the grant comes by message.
                self.engine.listener.start();
                if let (Some(agents), None) = (&client.agents, &state.watched) {
                    state.watched = Some(agents.waits(&self.engine, machine.lock(), &state.inbox));
                }
                // T2: if this takes the waker, it is called after what `go_on` may set.
                let waker = SEES_WAITS.then(|| {
                    state.waits.tell(machine.blocker().cloned());
                    state.waker.take()
                });
                self.go_on(state, machine);
                wake(waker.flatten());
            }
            Step::Grown(growth) => {
                let (target, request) = &self.wanted[0];
                match grow::take(client, *growth, &machine, (target, request)) {
                    Some(lock) => self.granted(state, lock),
                    None => self.queue(state, machine),
                }
            }
            Step::Over(Ok(())) => {
                let lock = machine.lock().clone();
                self.granted(state, lock);
            }
            Step::Over(Err(error)) => self.done(state, Err(error)),
        }
        retried(usize::from(again));
    }

    /// The grant that came after so many lapses had its time: if it is still there nobody polls the
    /// future.
    fn look_after(&self, lapses: u32) {
        let mut state = self.state.lock();
        if state.lapses != lapses || !matches!(state.stage, Stage::Done(Ok(_))) {
            return;
        }
        state.lapses += 1;
        if let Stage::Done(Ok(lock)) = mem::replace(&mut state.stage, Stage::Lapsed) {
            drop(state);
            self.hand_back(&lock);
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("path", &self.wanted[0].0.path).finish_non_exhaustive()
    }
}
