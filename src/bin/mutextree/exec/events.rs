//! [`Events`]: what `exec` waits for, in one channel: signals, and whatever other threads tell.

use std::io;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

/// The signals that are passed on to the command.
const PASSED_ON: [i32; 9] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP];

/// Something has happened.
#[derive(Debug)]
pub(super) enum Event {
    Signal(i32),
    /// Something that is waited for may be there: look.
    Look,
    /// Who is in the way, each a line for people.
    InTheWay(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// From now on signals come here, but for those that this process was started to ignore (as by
    /// `nohup`): the command is to ignore them, too.
    pub(super) fn start() -> io::Result<Self> {
        let ignored = ignored();
        let wanted = PASSED_ON.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(wanted.chain([SIGCHLD]))?;
        let (sender, receiver) = unbounded();
        let events = Self { sender: sender.clone(), receiver };
        let tell = move || {
            for signal in signals.forever() {
                if sender.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("mutextree-signals".into()).spawn(tell)?;
        Ok(events)
    }

    /// For other threads.
    pub(super) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// The next event; `None` if there is none until then.
    pub(super) fn next(&self, until: Option<Instant>) -> Option<Event> {
        let Some(until) = until else { return self.receiver.recv().ok() };
        self.receiver.recv_deadline(until).ok()
    }
}

/// A bit for each signal that this process ignores. Only Linux says it without unsafe code;
/// elsewhere none counts as ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
