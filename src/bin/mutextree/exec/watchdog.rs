//! The watchdog: a process that stops the command if the process that holds the lock cannot do it:
//! because it was killed (`kill -9`), or does not go on (`kill -STOP`, Ctrl-Z).
//!
//! It is this program again, in a session of its own, so that no key of the terminal reaches it. It
//! is told by a pipe, a line each: the command's group, when the lock ends, that the command was
//! told to end, and that all is done. If the pipe ends without the last, the holder is gone.
//!
//! * W1: If the holder is gone the group gets SIGTERM at once, and SIGKILL after `kill_after` or
//!   half a margin before the lock ends, whichever is sooner.
//! * W2: If the holder is silent the group gets the same signals half a margin after the holder
//!   should have sent them.
//! * W3: It has the holder's file open for as long as the group may live. So a lock in files is
//!   held until then.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{self, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, setsid, test_kill_process_group};

use super::limits::{Limits, TICK};
use super::starter;
use crate::clock;
use crate::status::{Failure, SYSTEM, say};

/// The first argument that makes this program a watchdog. No user types it.
pub(crate) const NAME: &str = "--mutextree-watchdog";

/// The exit status of a watchdog that has signalled the group.
const HAS_ACTED: u8 = 1;

/// How long a group that was killed may take to go.
const GOING: Duration = Duration::from_secs(1);

/// The holder's end of the pipe.
#[derive(Debug)]
pub(super) struct Watchdog {
    process: process::Child,
    told: Option<Duration>,
}

impl Watchdog {
    /// `file` is what keeps the lock held.
    pub(super) fn start(limits: Limits, file: Option<OwnedFd>) -> Result<Self, Failure> {
        let failed = |error| Failure::system("cannot start the process that watches over the command", error);
        let mut command = Command::new(starter::this_program().map_err(failed)?);
        command.arg0("mutextree").arg(NAME);
        command.args([limits.kill_after, limits.margin].map(|time| time.as_micros().to_string()));
        command.stdin(Stdio::piped()).stdout(file.map_or_else(Stdio::null, Stdio::from));
        Ok(Self { process: starter::spawn(&mut command).map_err(failed)?, told: None })
    }

    pub(super) fn group(&mut self, group: Pid) {
        self.tell(&format!("group {}", group.as_raw_nonzero()));
    }

    /// When the lock ends, by the clock that all processes share.
    pub(super) fn deadline(&mut self, deadline: Option<Duration>) {
        // It is worked out anew at each look, so it varies by as long as that takes.
        const SAME: Duration = Duration::from_millis(5);
        let Some(deadline) = deadline else { return };
        if self.told.is_none_or(|told| told.abs_diff(deadline) > SAME) {
            self.told = Some(deadline);
            self.tell(&format!("until {}", deadline.as_micros()));
        }
    }

    /// The command was told to end: not to be told again.
    pub(super) fn stopping(&mut self) {
        self.tell("stopping");
    }

    /// The command has ended. Returns whether the watchdog has stopped it.
    pub(super) fn done(mut self) -> bool {
        self.tell("done");
        drop(self.process.stdin.take());
        self.process.wait().is_ok_and(|status| status.code() == Some(HAS_ACTED.into()))
    }

    /// If the watchdog was killed, this process still looks after the command.
    fn tell(&mut self, line: &str) {
        if let Some(pipe) = &mut self.process.stdin {
            let _ = pipe.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// A holder that does not start its command after all.
impl Drop for Watchdog {
    fn drop(&mut self) {
        if self.process.stdin.is_some() {
            self.tell("done");
            drop(self.process.stdin.take());
            let _ = self.process.wait();
        }
    }
}

/// What the watchdog knows.
#[derive(Debug)]
struct Watch {
    kill_after: Duration,
    slack: Duration,
    group: Option<Pid>,
    deadline: Option<Duration>,
    /// Whether SIGTERM was sent, by the holder or here.
    is_told: bool,
    has_acted: bool,
}

/// The watchdog itself.
pub(crate) fn run() -> ExitCode {
    let _ = setsid();
    let _ = std::env::set_current_dir("/");
    let mut times = std::env::args().skip(2).map_while(|text| text.parse().ok().map(Duration::from_micros));
    let (Some(kill_after), Some(margin)) = (times.next(), times.next()) else { return ExitCode::from(SYSTEM) };
    let Ok(stdin) = std::io::stdin().as_fd().try_clone_to_owned() else { return ExitCode::from(SYSTEM) };
    let watch = Watch { kill_after, slack: margin / 2, group: None, deadline: None, is_told: false, has_acted: false };
    if watch.run(&File::from(stdin)) { ExitCode::from(HAS_ACTED) } else { ExitCode::SUCCESS }
}

impl Watch {
    /// Returns whether it has signalled the group.
    fn run(mut self, mut pipe: &File) -> bool {
        let mut unread = String::new();
        loop {
            self.act(clock::now());
            match self.wait(pipe) {
                Ok(0) => {}
                Ok(_) => {
                    let mut bytes = [0; 512];
                    let Ok(count @ 1..) = pipe.read(&mut bytes) else { return self.holder_is_gone() };
                    unread.push_str(&String::from_utf8_lossy(&bytes[..count]));
                    while let Some((line, rest)) = unread.split_once('\n') {
                        if self.hear(line) {
                            return self.has_acted;
                        }
                        unread = rest.to_owned();
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return self.holder_is_gone(),
            }
        }
    }

    fn wait(&self, pipe: &File) -> rustix::io::Result<usize> {
        // Without a deadline there is nothing to do before the pipe says something.
        let pause = self.deadline.map(|deadline| {
            let now = clock::now();
            let kill_at = deadline.saturating_sub(self.slack);
            let due = if self.is_told { kill_at } else { kill_at.saturating_sub(self.kill_after) };
            // Once all is sent there is nothing to hurry for.
            let pause = if now >= kill_at { TICK } else { due.saturating_sub(now).min(TICK) };
            Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() }
        });
        poll(&mut [PollFd::new(pipe, PollFlags::IN)], pause.as_ref())
    }

    /// Returns whether all is done.
    fn hear(&mut self, line: &str) -> bool {
        match line.split_once(' ') {
            Some(("group", number)) => self.group = number.parse().ok().and_then(Pid::from_raw),
            Some(("until", micros)) => self.deadline = micros.parse().ok().map(Duration::from_micros),
            _ if line == "stopping" => self.is_told = true,
            _ => return line == "done",
        }
        false
    }

    /// W2.
    fn act(&mut self, now: Duration) {
        let Some(deadline) = self.deadline else { return };
        let kill_at = deadline.saturating_sub(self.slack);
        if now >= kill_at {
            self.signal(Signal::KILL);
        } else if !self.is_told && now >= kill_at.saturating_sub(self.kill_after) {
            self.is_told = true;
            self.terminate();
        }
    }

    /// W1.
    fn holder_is_gone(mut self) -> bool {
        if self.group.is_none() || self.is_gone() {
            return self.has_acted;
        }
        say("the process that held the lock is gone; stopping its command");
        if !self.is_told {
            self.terminate();
        }
        let now = clock::now();
        let end = self.deadline.map(|deadline| deadline.saturating_sub(self.slack));
        let kill_at = end.unwrap_or(Duration::MAX).min(now.saturating_add(self.kill_after));
        while clock::now() < kill_at {
            if self.is_gone() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.signal(Signal::KILL);
        let killed = Instant::now();
        while !self.is_gone() && killed.elapsed() < GOING {
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    fn terminate(&mut self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(group) = self.group {
            self.has_acted = true;
            let _ = kill_process_group(group, signal);
        }
    }

    fn is_gone(&self) -> bool {
        self.group.is_none_or(|group| test_kill_process_group(group) == Err(Errno::SRCH))
    }
}
