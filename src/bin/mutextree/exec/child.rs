//! [`Child`]: the command, and the process group that it leads.
//!
//! A process group can be signalled safely for as long as its leader has not been reaped: until then
//! no other process gets its number. So a look at the leader does not reap it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{self, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};
use rustix::process::{kill_process_group, test_kill_process_group, waitid, waitpgid};

use crate::status::{CANNOT_RUN, Failure, NOT_FOUND};

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
    pub(super) fn spawn(words: &[OsString], variables: &[(&str, String)]) -> Result<Self, Failure> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(variables.iter().map(|(name, value)| (name, value))).process_group(0);
        let process = command.spawn().map_err(|error| {
            let status = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            Failure::Status(status, format!("cannot run `{}`: {error}", words[0].display()))
        })?;
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

    /// Whether no process of the group is left. Only after the leader was reaped, as it counts until
    /// then. What is left of the group keeps its number from being used again.
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
