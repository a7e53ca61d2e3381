//! [`Child`]: the command, and the process group that it leads.
//!
//! A process group can be signalled safely for as long as its leader has not been reaped: until
//! then no other process gets its number. So a look at the leader does not reap it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{self, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use rustix::process::{kill_process_group, test_kill_process_group, waitid, waitpgid};

use super::starter;
use crate::status::Failure;

#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    pub(super) group: Pid,
}

/// What a look at the command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    /// By this signal. It is seen once for each stop.
    Stopped(i32),
    Ended,
}

impl Child {
    /// What cannot be run says so, and ends with the status for it.
    pub(super) fn spawn(
        words: &[OsString],
        variables: &[(&str, String)],
        takes_terminal: bool,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::system("cannot start a process for the command", error);
        let mut command = starter::command(words, takes_terminal).map_err(failed)?;
        command.envs(variables.iter().map(|(name, value)| (name, value))).process_group(0);
        let process = starter::spawn(&mut command).map_err(failed)?;
        let group = Pid::from_child(&process);
        Ok(Self { process, group })
    }

    pub(super) fn state(&self) -> State {
        let look = |options| waitid(WaitId::Pid(self.group), options | WaitIdOptions::NOHANG).ok().flatten();
        if look(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_some() {
            return State::Ended;
        }
        match look(WaitIdOptions::STOPPED).and_then(|status| status.stopping_signal()) {
            Some(signal) => State::Stopped(signal),
            None => State::Runs,
        }
    }

    /// To all of the group. Only the last of it can be gone meanwhile, which is no error.
    pub(super) fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Waits for the leader, which is known to have ended.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.process.wait()
    }

    /// Whether no process of the group is left. Only after the leader was reaped, as it counts
    /// until then. What is left of the group keeps its number from being used again.
    pub(super) fn group_is_gone(&self) -> bool {
        // Those that became children of this process.
        while let Ok(Some(_)) = waitpgid(self.group, WaitOptions::NOHANG) {}
        test_kill_process_group(self.group) == Err(Errno::SRCH)
    }
}

/// The exit status that passes on how the command ended.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
