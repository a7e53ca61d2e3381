//! [`Worker`]: a worker process as its parent sees it, and [`Log`], what all of them told.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::clock::now;
use crate::event::{Event, What};
use crate::worker::Setup;

/// What the workers of a round told, in the order in which it was read.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    fn push(&self, event: Event) {
        self.0.lock().expect("no reader panics").push(event);
    }

    /// Takes all of it, in the order of time.
    pub(crate) fn take(&self) -> Vec<Event> {
        let mut events = std::mem::take(&mut *self.0.lock().expect("no reader panics"));
        events.sort_by_key(|event| event.at);
        events
    }
}

/// At which of its events a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KillAt {
    Never,
    /// It begins to wait.
    Asks,
    /// It has just been granted a lock.
    Granted,
    /// It holds one.
    Seen,
}

/// What the reader of a worker's lines and the others share.
struct Shared {
    kill_at: AtomicU8,
    /// It told that it is done.
    is_idle: AtomicBool,
    /// Its last line was read.
    has_ended: AtomicBool,
}

pub(crate) struct Worker {
    pub(crate) number: u64,
    child: Child,
    pid: Pid,
    input: ChildStdin,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(setup: &Setup, log: &Log) -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg("--worker").args(setup.to_arguments()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a worker starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let pid = Pid::from_child(&child);
        let [is_idle, has_ended] = [(); 2].map(|()| AtomicBool::new(false));
        let shared = Arc::new(Shared { kill_at: AtomicU8::new(KillAt::Never as u8), is_idle, has_ended });
        let (its, log) = (shared.clone(), log.clone());
        let reader = thread::spawn(move || read(output, pid, &its, &log));
        Self { number: setup.number, child, pid, input, shared, reader: Some(reader) }
    }

    /// Kills it as `kill -9` does, as soon as it tells of such an event.
    pub(crate) fn kill_at(&self, event: KillAt) {
        self.shared.kill_at.store(event as u8, Ordering::Relaxed);
    }

    pub(crate) fn kill(&self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Stops it. When this returns none of its threads runs.
    pub(crate) fn stop(&self) {
        if kill_process(self.pid, Signal::STOP).is_ok() {
            let _ = waitpid(Some(self.pid), WaitOptions::UNTRACED);
        }
    }

    pub(crate) fn go_on(&self) {
        let _ = kill_process(self.pid, Signal::CONT);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It takes no new locks any more, releases what it holds, and ends.
    pub(crate) fn finish(&mut self) {
        let _ = self.input.write_all(b"finish\n");
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.shared.is_idle.load(Ordering::Acquire)
    }

    /// Whether its last line was read: it was killed, or ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::Acquire)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(lines: ChildStdout, pid: Pid, shared: &Shared, log: &Log) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let event = match line.parse::<Event>() {
            Ok(event) => event,
            Err(()) => Event { at: now(), id: 0, what: What::Panicked { text: format!("no event: {line}") } },
        };
        let at = match event.what {
            What::Asks { waits: true, .. } => KillAt::Asks,
            What::Granted { .. } => KillAt::Granted,
            What::Seen => KillAt::Seen,
            _ => KillAt::Never,
        };
        // It is reaped by `drop` alone, so the number is its own as long as this thread runs.
        if at != KillAt::Never && shared.kill_at.load(Ordering::Relaxed) == at as u8 {
            let _ = kill_process(pid, Signal::KILL);
        }
        if matches!(event.what, What::Idle) {
            shared.is_idle.store(true, Ordering::Release);
        }
        log.push(event);
    }
    shared.has_ended.store(true, Ordering::Release);
}
