//! The command runs, and this process looks after it: after the lease, signals, and the terminal.

use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use mutextree::LockError;
use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use signal_hook::consts::{SIGCONT, SIGINT, SIGKILL, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

use super::Held;
use super::child::{Child, State, exit_code};
use super::events::{Event, Events};
use super::limits::{Limits, Order, Stopper, TICK};
use super::terminal::Terminal;
use super::wanted::Wanted;
use super::watchdog::Watchdog;
use crate::args::Exec;
use crate::clock;
use crate::status::{Failure, LOST, chain, say};
use crate::text::span;

/// Two interrupts within this time kill the command.
const IMPATIENT: Duration = Duration::from_secs(2);

/// How often to look whether the rest of the group is gone, which nobody tells.
const GROUP_TICK: Duration = Duration::from_millis(20);

/// How long a group that was killed may take to go. What is stuck in the kernel takes longer.
const GOING: Duration = Duration::from_secs(2);

struct Run<'a> {
    child: Child,
    held: Box<dyn Held>,
    wanted: &'a Wanted,
    limits: Limits,
    stopper: Stopper,
    watchdog: Watchdog,
    terminal: Option<Terminal>,
    interrupted: Option<Instant>,
    /// Until then a SIGTSTP is one that this process sent to its own group.
    own_stop: Option<Instant>,
    killed: Option<Instant>,
}

/// Runs the command, and releases the lock when it has ended.
pub(super) fn supervise(
    held: Box<dyn Held>,
    exec: &Exec,
    wanted: &Wanted,
    limits: Limits,
    events: &Events,
) -> Result<ExitCode, Failure> {
    let mut watchdog = Watchdog::start(limits, held.file())?;
    if exec.wait_group {
        adopt_orphans();
    }
    let paths: Vec<String> = wanted.paths.iter().map(ToString::to_string).collect();
    let variables = [("MUTEXTREE_FENCING_TOKEN", held.token().to_string()), ("MUTEXTREE_PATH", paths.join("\n"))];
    let mut terminal = Terminal::open();
    let takes_terminal = terminal.as_ref().is_some_and(Terminal::is_for_the_command);
    let child = Child::spawn(&exec.command, &variables, takes_terminal)?;
    watchdog.group(child.group);
    if let Some(terminal) = terminal.as_mut().filter(|_| takes_terminal) {
        terminal.give(child.group);
    }
    let mut run = Run {
        child,
        held,
        wanted,
        limits,
        stopper: Stopper::new(limits),
        watchdog,
        terminal,
        interrupted: None,
        own_stop: None,
        killed: None,
    };
    let status = run.until_it_ends(events, exec.wait_group)?;
    run.finish(status, exec.verbose)
}

/// What becomes an orphan below this process becomes its child, so that it can be reaped here. Else
/// it counts as one of the group until the first process of the system has reaped it.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

impl Run<'_> {
    fn until_it_ends(&mut self, events: &Events, wait_group: bool) -> Result<ExitStatus, Failure> {
        let mut status = None;
        loop {
            if status.is_none() {
                match self.child.state() {
                    State::Ended => {
                        let reaped = self.child.reap();
                        status = Some(reaped.map_err(|error| Failure::system("cannot wait for the command", error))?);
                    }
                    State::Stopped(signal) => self.stopped(signal),
                    State::Runs => {}
                }
            }
            if let Some(status) = status {
                let is_over = !(wait_group || self.stopper.is_stopping());
                let is_stuck = self.killed.is_some_and(|killed| killed.elapsed() > GOING);
                if is_over || is_stuck || self.child.group_is_gone() {
                    return Ok(status);
                }
            }
            self.look_at_the_lease();
            let longest = if status.is_some() { GROUP_TICK } else { TICK };
            let pause = self.stopper.pause(clock::now()).min(longest);
            if let Some(Event::Signal(signal)) = events.next(Some(Instant::now() + pause)) {
                self.pass_on(signal);
            }
        }
    }

    fn look_at_the_lease(&mut self) {
        let (now, left, is_held) = (clock::now(), self.held.remaining(), self.held.is_held());
        let order = self.stopper.look(now, left, is_held);
        self.watchdog.deadline(self.stopper.deadline());
        let wanted = self.wanted;
        match order {
            Order::Nothing => {}
            Order::Terminate => {
                let why = if is_held {
                    let renewed = self.limits.lease.saturating_sub(left.unwrap_or_default());
                    format!("the lock on {wanted} could not be renewed for {}", span(renewed))
                } else {
                    format!("the lock on {wanted} is lost: somebody has ended it, or the server lost its data")
                };
                say(&format!("{why}; stopping the command"));
                self.watchdog.stopping();
                adopt_orphans();
                self.child.signal(SIGTERM);
                self.child.signal(SIGCONT); // what is stopped does not hear of SIGTERM
            }
            Order::Kill => {
                say(&format!("killing the command, for the lock on {wanted}"));
                self.kill();
            }
        }
    }

    fn kill(&mut self) {
        self.child.signal(SIGKILL);
        self.killed = Some(Instant::now());
    }

    fn pass_on(&mut self, signal: i32) {
        match signal {
            // It only wakes this process.
            signal_hook::consts::SIGCHLD => {}
            SIGTSTP if self.own_stop.take().is_some_and(|until| Instant::now() < until) => {}
            SIGINT if self.interrupted.is_some_and(|last| last.elapsed() < IMPATIENT) => self.kill(),
            SIGCONT => self.go_on(self.terminal.as_ref().is_some_and(Terminal::is_for_the_command)),
            _ => {
                if signal == SIGINT {
                    self.interrupted = Some(Instant::now());
                }
                self.child.signal(signal);
            }
        }
    }

    /// The command was stopped, most often by Ctrl-Z. Then this process stops as well, as the shell
    /// looks at this one. The watchdog goes on.
    fn stopped(&mut self, signal: i32) {
        // Without a terminal nobody would continue this process, and it has a lock to look after.
        let Some(terminal) = &mut self.terminal else { return };
        if matches!(signal, SIGTTIN | SIGTTOU) && terminal.is_ours() && !terminal.is_given() {
            terminal.give(self.child.group);
            self.child.signal(SIGCONT);
            return;
        }
        let had_it = terminal.is_given();
        terminal.take_back();
        if had_it {
            if let Some(left) = self.held.remaining() {
                let left = left.saturating_sub(self.limits.kill_after + self.limits.margin);
                say(&format!("stopped; if it does not go on within {} the command is ended", span(left)));
            }
            // The others of a pipeline, as Ctrl-Z would have done.
            self.own_stop = Some(Instant::now() + IMPATIENT);
            let _ = kill_process_group(getpgrp(), Signal::TSTP);
        }
        let _ = kill_process(getpid(), Signal::STOP);
        // Here it goes on.
        self.own_stop = self.own_stop.map(|_| Instant::now() + IMPATIENT);
        self.go_on(had_it);
    }

    /// Continues the command, unless its time is up.
    fn go_on(&mut self, with_terminal: bool) {
        self.look_at_the_lease();
        if self.stopper.has_killed() {
            return;
        }
        if let Some(terminal) = self.terminal.as_mut().filter(|terminal| with_terminal && terminal.is_ours()) {
            terminal.give(self.child.group);
        }
        self.child.signal(SIGCONT);
    }

    fn finish(mut self, status: ExitStatus, verbose: bool) -> Result<ExitCode, Failure> {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back();
            if status.code().is_none() {
                terminal.restore();
            }
        }
        let released = self.held.release();
        let was_stopped = self.watchdog.done() || self.stopper.is_stopping();
        let code = exit_code(status);
        if was_stopped {
            let message = format!("the lock on {} was lost, and the command stopped (its status: {code})", self.wanted);
            return Err(Failure::Status(LOST, message));
        }
        match released {
            Ok(()) if verbose => say(&format!("released {}", self.wanted)),
            Ok(()) => {}
            Err(error @ LockError::NotHeld { .. }) => {
                let message = format!("{error}. That was before the command had ended (with status {code})");
                return Err(Failure::Status(LOST, message));
            }
            // It ends by itself.
            Err(error) => say(&format!("the lock on {} is not given back yet: {}", self.wanted, chain(&error))),
        }
        use std::os::unix::process::ExitStatusExt as _;
        match status.signal() {
            // So that the loop of a shell stops, too.
            Some(SIGINT) => Err(Failure::Signal(SIGINT)),
            _ => Ok(ExitCode::from(code)),
        }
    }
}
