//! [`Terminal`]: which process group has the terminal.
//!
//! The group in the foreground gets the keys that are signals (Ctrl-C, Ctrl-Z), and is the only one
//! that may read. If stdin and stdout are the terminal, the command's group has it from the start.
//! In a pipeline others may want it, so the command gets it once it tries to read, which shows as a
//! stop by SIGTTIN or SIGTTOU.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, getpgrp};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

/// The terminal that this process belongs to.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
    own: Pid,
    /// Whom it was given to.
    given: Option<Pid>,
    /// Its modes before the command.
    modes: Option<Termios>,
}

impl Terminal {
    /// `None` if this process has none.
    pub(super) fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let modes = tcgetattr(&tty).ok();
        Some(Self { tty, own: getpgrp(), given: None, modes })
    }

    /// Whether the command is to have it from the start.
    pub(super) fn is_for_the_command(&self) -> bool {
        self.is_ours() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Whether this process is in the foreground.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).is_ok_and(|foreground| foreground == self.own)
    }

    pub(super) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    pub(super) fn give(&mut self, group: Pid) {
        if self.set(group).is_ok() {
            self.given = Some(group);
        }
    }

    /// Takes it back, if the command has it.
    pub(super) fn take_back(&mut self) {
        if let Some(given) = self.given.take()
            && tcgetpgrp(&self.tty).is_ok_and(|foreground| foreground == given)
        {
            let _ = self.set(self.own);
        }
    }

    /// Sets the modes that it had before the command, which did not do it itself.
    pub(super) fn restore(&self) {
        if let Some(modes) = self.modes.as_ref().filter(|_| self.is_ours()) {
            let _ = tcsetattr(&self.tty, OptionalActions::Drain, modes);
        }
    }

    /// From the background this takes that SIGTTOU is blocked: else it stops the process.
    fn set(&self, group: Pid) -> io::Result<()> {
        let mut masked = SigSet::empty();
        masked.add(Signal::SIGTTOU);
        let was = masked.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let result = tcsetpgrp(&self.tty, group);
        was.thread_set_mask()?;
        Ok(result?)
    }
}
