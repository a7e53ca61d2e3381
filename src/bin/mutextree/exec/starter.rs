//! The starter: this program again, between this process and the command. It becomes the command by
//! `exec`, so it is no process more.
//!
//! # What it is for
//! Until a new process runs its program, the old one hangs in the kernel (`vfork`). A Ctrl-Z in
//! that moment stops the new one, and then the old one hangs for as long as that. So SIGTSTP is
//! blocked while a process is started. That is inherited, and the command must not have it. The
//! starter unblocks it: if it is stopped by that, this process sees it as it sees any stop.
//!
//! It also takes the terminal for the command's group. So the command has it when it begins.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::terminal::Terminal;
use crate::status::{CANNOT_RUN, NOT_FOUND, SYSTEM, say};

/// The first argument that makes this program a starter. No user types it.
pub(crate) const NAME: &str = "--mutextree-starter";

/// This program's file, which may have been replaced or removed since it was started.
pub(super) fn this_program() -> io::Result<PathBuf> {
    let link = Path::new("/proc/self/exe");
    if link.exists() { Ok(link.into()) } else { std::env::current_exe() }
}

/// The command that becomes this one.
pub(super) fn command(words: &[OsString], takes_terminal: bool) -> io::Result<Command> {
    let mut command = Command::new(this_program()?);
    command.arg0("mutextree").args([NAME, if takes_terminal { "terminal" } else { "-" }]);
    // Of the two masks the outer one is the command's.
    command.arg(if is_blocked(Signal::SIGTSTP) { "-" } else { "unblock" }).args(words);
    Ok(command)
}

/// Starts this program in another role, with SIGTSTP blocked.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    let before = only(Signal::SIGTSTP).thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let child = command.spawn();
    before.thread_set_mask()?;
    child
}

fn only(signal: Signal) -> SigSet {
    let mut set = SigSet::empty();
    set.add(signal);
    set
}

fn is_blocked(signal: Signal) -> bool {
    SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(signal))
}

/// The starter itself.
pub(crate) fn run() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let (Some(terminal), Some(mask), Some(program)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return ExitCode::from(SYSTEM);
    };
    if terminal == "terminal"
        && let Some(mut terminal) = Terminal::open()
    {
        terminal.give(rustix::process::getpgrp());
    }
    if mask == "unblock" {
        let _ = only(Signal::SIGTSTP).thread_unblock();
    }
    let error = Command::new(&program).args(arguments).exec();
    say(&format!("cannot run `{}`: {error}", program.display()));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN })
}
