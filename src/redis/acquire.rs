//! [`Acquisition`]: one lock on its way, from the first request to a grant or an error, on the thread that wants it.

use std::time::{Duration, Instant};

use redis::Cmd;

use super::core::{Core, Over};
use super::entry::{Entry, News};
use super::error::{Failure, RedisStoreError};
use super::key;
use super::mailbox;
use super::node::{RedisGrant, RedisNode, store};
use super::script::Reply;
use super::sync::{Arc, Ordering, as_micros, clock, now};
use crate::error::{Blocker, LockError};
use crate::request::{Request, Wait};

/// A call whose deadline is about to pass, or has passed, gets this much all the same: an answer may be there at once.
const GRACE: u64 = 50_000;
/// After an error: the pause before the next try, which doubles up to the second one.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

fn nonsense() -> Failure {
    Failure::Refused(RedisStoreError::Protocol("a script's answer is not what it should be".into()))
}

/// One acquisition on its way: from the first request to a grant or an error.
pub(crate) struct Acquisition<'a> {
    node: &'a RedisNode,
    core: &'a Arc<Core>,
    entry: Arc<Entry>,
    request: &'a Request,
    /// Whether it may queue at all, and until when.
    queues: bool,
    deadline: Option<Instant>,
    /// When it began, on the [`clock`].
    began: u64,
    /// The rest of the record that the scripts keep: see `common.lua`.
    about: Vec<u8>,
    /// What stood in the way when last heard of.
    blocker: Option<Blocker>,
    /// Whether the server has had it in its queue.
    waits: bool,
    /// Errors in a row, and when the first of them was.
    failures: u32,
    down_since: u64,
}

impl<'a> Acquisition<'a> {
    pub(crate) fn new(node: &'a RedisNode, entry: Arc<Entry>, request: &'a Request, wait: Wait) -> Self {
        let core = node.core();
        let owner = request.owner.as_ref().map_or("", |owner| owner.as_str());
        let mut about =
            format!("{},{},{},{},{owner}", entry.lease, core.claim(), core.client, owner.len()).into_bytes();
        about.extend_from_slice(node.text());
        let deadline = match wait {
            Wait::Until(deadline) => Some(deadline),
            Wait::Never | Wait::Forever => None,
        };
        let queues = wait != Wait::Never;
        let began = clock();
        Self {
            node,
            core,
            entry,
            request,
            queues,
            deadline,
            began,
            about,
            blocker: None,
            waits: false,
            failures: 0,
            down_since: 0,
        }
    }

    pub(crate) fn run(mut self) -> Result<RedisGrant, LockError> {
        if self.queues {
            self.core.keeper.asks(&self.entry);
        }
        loop {
            let expired = self.deadline.is_some_and(|deadline| deadline <= now());
            let sent = clock();
            match self.ask(self.queues && !expired, sent) {
                Ok(mut reply) => {
                    self.failures = 0;
                    match reply.int() {
                        Some(1) => return self.granted(&mut reply, sent),
                        Some(code @ (0 | 2)) => match self.blocked(&mut reply) {
                            Some(left) if code == 2 => {
                                if let Some(grant) = self.wait(left, sent) {
                                    return Ok(grant);
                                }
                            }
                            Some(_) => return Err(self.refused()),
                            None => return Err(self.failed(nonsense())),
                        },
                        Some(3) => self.core.finish(reply.more()),
                        _ => return Err(self.failed(nonsense())),
                    }
                }
                Err(failure) => {
                    if matches!(failure, Failure::Unsure(_)) {
                        self.entry.unsure.store(true, Ordering::Relaxed);
                    }
                    if expired || self.gives_up(&failure, sent) {
                        return Err(self.failed(failure));
                    }
                    self.pause();
                }
            }
        }
    }

    fn ask(&self, queue: bool, sent: u64) -> Result<Reply, Failure> {
        let (core, entry) = (self.core, &self.entry);
        let left = self.deadline.map(|deadline| as_micros(deadline.saturating_duration_since(now())).max(GRACE));
        let fill = |command: &mut Cmd| {
            let kind = key::kind(self.request.mode, self.request.scope);
            command
                .arg(&entry.token)
                .arg(kind)
                .arg(self.node.text())
                .arg(entry.lease)
                .arg(&*self.about)
                .arg(u8::from(queue));
            self.node.add_fields(command, &entry.token);
        };
        let deadline = left.map_or(core.patience(), |left| core.patience().min(sent + left));
        core.run(&core.scripts.acquire, fill, Over::Any, deadline)
    }

    /// If the answer took longer than the lease lasts the guard is one whose lock is lost, and says so.
    fn granted(&mut self, reply: &mut Reply, sent: u64) -> Result<RedisGrant, LockError> {
        let Some(fence) = reply.int().and_then(|fence| u64::try_from(fence).ok()) else {
            return Err(self.failed(nonsense()));
        };
        let ends = self.request.lease.is_some();
        self.entry.renews.store(!ends, Ordering::Relaxed);
        self.entry.granted(fence, sent + self.entry.lease);
        self.core.keeper.held(&self.entry);
        self.core.finish(reply.more());
        Ok(self.grant(ends))
    }

    /// Takes down what stands in the way. Returns for how long that lasts at the most, if it is known.
    fn blocked(&mut self, reply: &mut Reply) -> Option<Option<u64>> {
        let path = key::decode(&reply.bytes()?)?;
        let owner = String::from_utf8(reply.bytes()?).ok().filter(|owner| !owner.is_empty());
        let left = u64::try_from(reply.int()?).ok();
        self.blocker = Some(Blocker::new(self.node.path().clone(), path, owner.map(Into::into)));
        self.core.finish(reply.more());
        if let Some(arrival) = reply.int() {
            self.entry.arrival.store(arrival.unsigned_abs(), Ordering::Relaxed);
        }
        Some(left)
    }

    /// Waits for news. If the news is the grant itself there is nothing left to ask, unless a lease was asked for, which begins with
    /// the claim.
    fn wait(&mut self, left: Option<u64>, sent: u64) -> Option<RedisGrant> {
        if !self.core.listening.swap(true, Ordering::Relaxed) {
            let core = self.core.clone();
            let listener = std::thread::Builder::new().name("mutextree-mail".into()).spawn(move || mailbox::run(&core));
            if listener.is_err() {
                self.core.listening.store(false, Ordering::Relaxed); // heartbeats have to do until there is a thread to be had
            }
        }
        self.waits = true;
        self.entry.waited_at.store(sent, Ordering::Relaxed);
        self.core
            .keeper
            .waits(&self.entry, clock() + left.map_or(self.core.heartbeat, |left| left.min(self.core.heartbeat)));
        match self.entry.waker.sleep(self.deadline) {
            News::Granted(fence) if self.request.lease.is_none() => self.handed(fence),
            _ => None,
        }
    }

    /// Handed over: the server keeps it for us from some time after the last answer that said we wait, for the time of a claim. `None` if
    /// not much of that is left.
    fn handed(&self, fence: u64) -> Option<RedisGrant> {
        let deadline = self.entry.waited_at.load(Ordering::Relaxed) + self.core.claim();
        let stale = fence <= self.entry.arrival.load(Ordering::Relaxed);
        if stale || deadline < clock() + self.core.claim() / 4 {
            return None;
        }
        self.entry.granted(fence, deadline);
        self.core.keeper.handed(&self.entry);
        Some(self.grant(false))
    }

    fn grant(&self, ends: bool) -> RedisGrant {
        RedisGrant::new(self.entry.clone(), self.request, ends)
    }

    /// Somebody who waits sits out the outage of a server for as long as a lease lasts; others want to know.
    fn gives_up(&mut self, failure: &Failure, sent: u64) -> bool {
        if self.failures == 0 {
            self.down_since = sent;
        }
        self.failures += 1;
        let now = clock();
        match failure {
            Failure::Refused(_) => true,
            _ if self.waits => now > self.down_since + self.core.lease,
            Failure::Later(_) | Failure::NoScript => now > self.began + as_micros(self.core.link.timeout()),
            Failure::Down(_) | Failure::Unsure(_) => self.failures > 1,
        }
    }

    /// The first try after an error is at once: most often only the connection was stale.
    fn pause(&self) {
        if self.failures > 1 {
            let pause = (PAUSE * 2u32.pow(self.failures.min(10))).min(LONGEST_PAUSE);
            let until = now() + pause;
            self.entry.waker.sleep(Some(self.deadline.map_or(until, |deadline| deadline.min(until))));
        }
    }

    fn refused(&mut self) -> LockError {
        self.leave(false);
        let path = self.node.path();
        let blocker = self.blocker.take().unwrap_or_else(|| Blocker::new(path.clone(), path.clone(), None));
        if self.queues { LockError::TimedOut { blocker } } else { LockError::WouldBlock { blocker } }
    }

    /// If the time is up, and something was in the way when last heard of, that is what the caller is told.
    fn failed(&mut self, failure: Failure) -> LockError {
        self.leave(self.waits);
        let expired = self.deadline.is_some_and(|deadline| deadline <= now());
        if expired && self.blocker.is_some() && !matches!(failure, Failure::Refused(_)) {
            return self.refused();
        }
        store(failure)
    }

    /// Leaves nothing behind. If the server may still grant the token it is given back as soon as that can be done.
    fn leave(&self, known: bool) {
        if known || self.entry.unsure.load(Ordering::Relaxed) {
            self.core.keeper.abandon(&self.entry);
        } else {
            self.core.keeper.forget(&self.entry);
        }
    }
}
