//! [`Core`]: what the store's handles, its keeper and its listener share, and one call of a script.

use crossbeam_channel::Sender;
use redis::Cmd;

use super::driver::Driver;
use super::error::Failure;
use super::keeper::Keeper;
use super::key::Keys;
use super::link::{Line, Link};
use super::script::{More, Reply, Script, Scripts};
use super::sync::{AtomicBool, AtomicU64, Mutex, as_micros, clock};
use crate::backend::LostLock;

pub(crate) struct Core {
    pub(crate) link: Link,
    pub(crate) keys: Keys,
    pub(crate) scripts: Scripts,
    pub(crate) keeper: Keeper,
    pub(crate) driver: Driver,
    /// Names this process, and this store in it, among all that share the tree.
    pub(crate) client: String,
    /// How long a lock is held without news from its holder, in microseconds.
    pub(crate) lease: u64,
    /// How often a waiter shows that it lives.
    pub(crate) heartbeat: u64,
    pub(crate) last_number: AtomicU64,
    pub(crate) listening: AtomicBool,
    pub(crate) stopped: AtomicBool,
    pub(crate) watchers: Mutex<Vec<Sender<LostLock>>>,
    /// Held while deadlines are set anew, so that a renewal does not undo a `refresh_for`.
    pub(crate) refreshing: Mutex<()>,
}

/// Whose connection a call goes over.
pub(crate) enum Over<'a> {
    /// Any that is idle.
    Any,
    /// The caller's own, opened when needed and dropped after an error.
    Own(&'a mut Option<Line>),
}

impl Core {
    /// A waiter without a heartbeat for this long counts as dead; a lock handed to a waiter must be
    /// claimed within it.
    pub(crate) fn claim(&self) -> u64 {
        self.heartbeat * 7 / 2
    }

    /// The deadline of a call that has all the time a call may have.
    pub(crate) fn patience(&self) -> u64 {
        clock() + as_micros(self.link.timeout())
    }

    /// The call of a script.
    pub(crate) fn command(&self, script: &Script, by_text: bool, fill: impl FnOnce(&mut Cmd)) -> Cmd {
        let mut command = script.call(&self.keys, by_text);
        command.arg(self.claim());
        fill(&mut command);
        command
    }

    /// Runs a script once: by its hash, and by its text where the server does not know it.
    pub(crate) fn run(
        &self,
        script: &Script,
        fill: impl Fn(&mut Cmd),
        over: Over<'_>,
        deadline: u64,
    ) -> Result<Reply, Failure> {
        let command = |by_text| self.command(script, by_text, &fill);
        let answer = match over {
            Over::Any => match self.link.call(&command(false), deadline) {
                Err(Failure::NoScript) => self.link.call(&command(true), deadline),
                answer => answer,
            },
            Over::Own(line) => match self.call_over(line, &command(false), deadline) {
                Err(Failure::NoScript) => self.call_over(line, &command(true), deadline),
                answer => answer,
            },
        };
        Reply::of(answer)
    }

    /// Sends a command over a line of one's own.
    pub(crate) fn call_over(
        &self,
        own: &mut Option<Line>,
        command: &Cmd,
        deadline: u64,
    ) -> Result<redis::Value, Failure> {
        let timeout = super::sync::until(deadline);
        let mut line = match own.take() {
            Some(line) => line,
            None => self.link.open(timeout)?,
        };
        let answer = self.link.on(&mut line, command, timeout);
        if !matches!(answer, Err(Failure::Down(_) | Failure::Unsure(_))) {
            *own = Some(line);
        }
        answer
    }

    /// Goes on handing over where a call stopped. If that fails the waiters' heartbeats do it.
    pub(crate) fn finish(&self, mut more: Option<More>) {
        while let Some(at) = more {
            if self.driver.is_here() {
                return self.driver.hand_over(at, self.patience());
            }
            let fill = |command: &mut Cmd| at.fill(command);
            more = match self.run(&self.scripts.handover, fill, Over::Any, self.patience()) {
                Ok(mut reply) => reply.more(),
                Err(_) => None,
            };
        }
    }

    /// Tells those who watch that a lock was lost.
    pub(crate) fn tell(&self, lost: &LostLock) {
        self.watchers.lock().retain(|watcher| watcher.send(lost.clone()).is_ok());
    }
}
