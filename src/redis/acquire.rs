//! [`Acquisition`]: one lock on its way, from the first request to a grant or an error, as a state
//! machine.
//!
//! It says what to do next ([`Step`]), and takes what came of it; it neither sends nor sleeps. For
//! a thread that waits [`run`](Acquisition::run) does both, on that thread; for a task the driver
//! does (`driver.rs`), which has thousands of these.
//!
//! | what it says | what is done | what it is told |
//! |---|---|---|
//! | `Ask` | the script is called, with what [`fill`](Acquisition::fill) gives | [`answered`](Acquisition::answered) |
//! | `Pause` | time passes; news cuts it short | nothing: then it asks |
//! | `Wait` | nothing, until there is news: a message, or a heartbeat that found something | [`news`](Acquisition::news) |
//! | `Over` | the caller gets it | |

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use redis::Cmd;

use super::core::{Core, Over};
use super::driver::Return;
use super::entry::{Entry, News};
use super::error::{Failure, RedisStoreError};
use super::key;
use super::mailbox;
use super::node::{RedisGrant, RedisNode, store};
use super::script::Reply;
use super::sync::{Arc, Ordering, as_micros, clock, now};
use crate::error::{Blocker, LockError};
use crate::request::{Request, Wait};

/// A call whose deadline is about to pass, or has passed, gets this much all the same: an answer
/// may be there at once.
const GRACE: u64 = 50_000;
/// After an error: the pause before the next try, which doubles up to the second one.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

fn nonsense() -> Failure {
    Failure::Refused(RedisStoreError::Protocol("a script's answer is not what it should be".into()))
}

/// What an acquisition wants done next.
pub(crate) enum Step {
    Ask,
    /// Ask again after this time.
    Pause(Duration),
    /// The server has it in its queue.
    Wait,
    Over(Result<RedisGrant, LockError>),
}

/// One acquisition on its way: from the first request to a grant or an error. A thread lends it the
/// node and the request; a task gives it its own.
pub(crate) struct Acquisition<N, R> {
    node: N,
    entry: Arc<Entry>,
    request: R,
    /// Whether it may queue at all, and until when.
    queues: bool,
    deadline: Option<Instant>,
    /// When it began, on the [`clock`]; 0 before it has.
    began: u64,
    /// Whether something given back by a task may be in its way, and the server not know.
    owed: bool,
    /// The rest of the record that the scripts keep: see `lua/tree.lua`.
    about: Vec<u8>,
    /// What stood in the way when last heard of.
    blocker: Option<Blocker>,
    /// Whether the server has had it in its queue.
    waits: bool,
    /// Errors in a row, and when the first of them was.
    failures: u32,
    down_since: u64,
}

impl<N: Borrow<RedisNode>, R: Borrow<Request>> Acquisition<N, R> {
    pub(crate) fn new(node: N, entry: Arc<Entry>, request: R, wait: Wait) -> Self {
        let (at, asked): (&RedisNode, &Request) = (node.borrow(), request.borrow());
        let core = at.core();
        let owner = asked.owner.as_ref().map_or("", |owner| owner.as_str());
        let mut about =
            format!("{},{},{},{},{owner}", entry.lease, core.claim(), core.client, owner.len()).into_bytes();
        about.extend_from_slice(at.text());
        let deadline = match wait {
            Wait::Until(deadline) => Some(deadline),
            Wait::Never | Wait::Forever => None,
        };
        Self {
            node,
            entry,
            request,
            queues: wait != Wait::Never,
            deadline,
            began: 0,
            owed: false,
            about,
            blocker: None,
            waits: false,
            failures: 0,
            down_since: 0,
        }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(crate) fn node(&self) -> &RedisNode {
        self.node.borrow()
    }

    fn core(&self) -> &Arc<Core> {
        self.node().core()
    }

    /// Before the first request: from now on a message for it finds it.
    pub(crate) fn begin(&mut self) {
        if self.began == 0 {
            self.began = clock();
            if self.queues {
                self.core().keeper.asks(&self.entry);
            } else {
                self.owed = self.core().driver.owes();
            }
        }
    }

    /// All of it, on the calling thread.
    pub(crate) fn run(mut self) -> Result<RedisGrant, LockError> {
        self.begin();
        loop {
            let expired = self.deadline.is_some_and(|deadline| deadline <= now());
            let sent = clock();
            let answer = self.ask(self.queues && !expired, sent);
            match self.answered(answer, sent, expired) {
                Step::Ask => {}
                Step::Pause(pause) => {
                    let until = now() + pause;
                    self.entry.waker.sleep(Some(self.deadline.map_or(until, |deadline| deadline.min(until))));
                }
                Step::Wait => {
                    let news = self.entry.waker.sleep(self.deadline);
                    if let Some(grant) = self.news(news) {
                        return Ok(grant);
                    }
                }
                Step::Over(outcome) => return outcome,
            }
        }
    }

    fn ask(&self, queue: bool, sent: u64) -> Result<Reply, Failure> {
        let core = self.core();
        let left = self.deadline.map(|deadline| as_micros(deadline.saturating_duration_since(now())).max(GRACE));
        let deadline = left.map_or(core.patience(), |left| core.patience().min(sent + left));
        core.run(&core.scripts.acquire, |command| self.fill(command, queue), Over::Any, deadline)
    }

    /// What the script wants to know.
    pub(crate) fn fill(&self, command: &mut Cmd, queue: bool) {
        let (node, entry, request) = (self.node(), &self.entry, self.request.borrow());
        let kind = key::kind(request.mode, request.scope);
        command.arg(&entry.token).arg(kind).arg(node.text()).arg(entry.lease).arg(&*self.about).arg(u8::from(queue));
        node.add_fields(command, &entry.token);
    }

    /// What has come of the request that was sent at that time. `last`: it is not to be sent again,
    /// as the time is up.
    pub(crate) fn answered(&mut self, answer: Result<Reply, Failure>, sent: u64, last: bool) -> Step {
        let failure = match answer {
            Ok(mut reply) => {
                self.failures = 0;
                match reply.int() {
                    Some(1) => return Step::Over(self.granted(&mut reply, sent)),
                    Some(code @ (0 | 2)) => match self.blocked(&mut reply) {
                        Some(left) if code == 2 => {
                            self.queued(left, sent);
                            return Step::Wait;
                        }
                        Some(_) if std::mem::take(&mut self.owed) => {
                            self.core().driver.settle(self.core().patience());
                            return Step::Ask;
                        }
                        Some(_) => return Step::Over(Err(self.refused())),
                        None => nonsense(),
                    },
                    Some(3) => match self.blocked(&mut reply) {
                        Some(_) => return Step::Ask,
                        None => nonsense(),
                    },
                    _ => nonsense(),
                }
            }
            Err(failure) => failure,
        };
        if matches!(failure, Failure::Unsure(_)) {
            self.entry.unsure.store(true, Ordering::Relaxed);
        }
        if last || self.gives_up(&failure, sent) {
            return Step::Over(Err(self.failed(failure)));
        }
        // The first try after an error is at once: most often only the connection was stale.
        match self.failures {
            ..2 => Step::Ask,
            failures => Step::Pause((PAUSE * 2u32.pow(failures.min(10))).min(LONGEST_PAUSE)),
        }
    }

    /// If the answer took longer than the lease lasts the guard is one whose lock is lost, and says
    /// so.
    fn granted(&mut self, reply: &mut Reply, sent: u64) -> Result<RedisGrant, LockError> {
        let Some(fence) = reply.int().and_then(|fence| u64::try_from(fence).ok()) else {
            return Err(self.failed(nonsense()));
        };
        let ends = self.request.borrow().lease.is_some();
        self.entry.renews.store(!ends, Ordering::Relaxed);
        self.entry.granted(fence, sent + self.entry.lease);
        self.core().keeper.held(&self.entry);
        self.core().finish(reply.more());
        Ok(self.grant(ends))
    }

    /// Takes down what stands in the way. Returns for how long that lasts at the most, if it is
    /// known.
    fn blocked(&mut self, reply: &mut Reply) -> Option<Option<u64>> {
        let path = key::decode(&reply.bytes()?)?;
        let owner = String::from_utf8(reply.bytes()?).ok().filter(|owner| !owner.is_empty());
        let left = u64::try_from(reply.int()?).ok();
        self.blocker = Some(Blocker::new(self.node().path().clone(), path, owner.map(Into::into)));
        self.core().finish(reply.more());
        if let Some(arrival) = reply.int() {
            self.entry.arrival.store(arrival.unsigned_abs(), Ordering::Relaxed);
        }
        Some(left)
    }

    /// The server has it in its queue: it is kept alive there, and listened for.
    fn queued(&mut self, left: Option<u64>, sent: u64) {
        let core = self.core();
        if !core.listening.swap(true, Ordering::Relaxed) {
            let kept = core.clone();
            let listener = std::thread::Builder::new().name("mutextree-mail".into()).spawn(move || mailbox::run(&kept));
            if listener.is_err() {
                core.listening.store(false, Ordering::Relaxed); // heartbeats have to do until there is a thread to be had
            }
        }
        self.entry.waited_at.store(sent, Ordering::Relaxed);
        let beat = clock() + left.map_or(core.heartbeat, |left| left.min(core.heartbeat));
        core.keeper.waits(&self.entry, beat);
        self.waits = true;
    }

    /// There is news. If it is the grant itself there is nothing left to ask, unless a lease was
    /// asked for, which begins with the claim.
    pub(crate) fn news(&mut self, news: News) -> Option<RedisGrant> {
        match news {
            News::Granted(fence) if self.request.borrow().lease.is_none() => self.handed(fence),
            _ => None,
        }
    }

    /// Handed over: the server keeps it for us from some time after the last answer that said we
    /// wait, for the time of a claim. `None` if not much of that is left.
    fn handed(&self, fence: u64) -> Option<RedisGrant> {
        let deadline = self.entry.waited_at.load(Ordering::Relaxed) + self.core().claim();
        let stale = fence <= self.entry.arrival.load(Ordering::Relaxed);
        if stale || deadline < clock() + self.core().claim() / 4 {
            return None;
        }
        self.entry.granted(fence, deadline);
        self.core().keeper.handed(&self.entry);
        Some(self.grant(false))
    }

    fn grant(&self, ends: bool) -> RedisGrant {
        RedisGrant::new(self.entry.clone(), self.request.borrow(), ends)
    }

    /// Somebody who waits sits out the outage of a server for as long as a lease lasts; others want
    /// to know.
    fn gives_up(&mut self, failure: &Failure, sent: u64) -> bool {
        if self.failures == 0 {
            self.down_since = sent;
        }
        self.failures += 1;
        let now = clock();
        match failure {
            Failure::Refused(_) => true,
            _ if self.waits => now > self.down_since + self.core().lease,
            Failure::Later(_) | Failure::NoScript => now > self.began + as_micros(self.core().link.timeout()),
            Failure::Down(_) | Failure::Unsure(_) => self.failures > 1,
        }
    }

    fn refused(&mut self) -> LockError {
        self.leave(false);
        let blocker = self.blocker.take().unwrap_or_else(|| {
            let path = self.node().path();
            Blocker::new(path.clone(), path.clone(), None)
        });
        if self.queues { LockError::TimedOut { blocker } } else { LockError::WouldBlock { blocker } }
    }

    /// If the time is up, and something was in the way when last heard of, that is what the caller
    /// is told.
    fn failed(&mut self, failure: Failure) -> LockError {
        self.leave(self.waits);
        let expired = self.deadline.is_some_and(|deadline| deadline <= now());
        if expired && self.blocker.is_some() && !matches!(failure, Failure::Refused(_)) {
            return self.refused();
        }
        store(failure)
    }

    /// Leaves nothing behind. If the server may still grant the token it is given back as soon as
    /// that can be done.
    fn leave(&self, known: bool) {
        if known || self.entry.unsure.load(Ordering::Relaxed) {
            self.core().keeper.abandon(&self.entry);
        } else {
            self.core().keeper.forget(&self.entry);
        }
    }

    /// Nobody wants it any more, and none of its requests is under way. What the server may know of
    /// it the driver takes back.
    pub(crate) fn give_up(self) -> Option<Return> {
        if self.began == 0 {
            return None;
        }
        self.core().keeper.forget(&self.entry);
        let request = self.request.borrow();
        let known = self.waits || self.entry.unsure.load(Ordering::Relaxed);
        known.then(|| {
            Return::new(self.node().clone(), self.entry.clone(), key::kind(request.mode, request.scope), false)
        })
    }
}
