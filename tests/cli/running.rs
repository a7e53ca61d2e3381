//! [`Running`]: a process of the command, with what it says.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes, on however slow a machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The program, with no server in its environment.
pub(crate) fn mutextree() -> Command {
    // Where the tests run in the background, signals may be ignored, and that is inherited.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,QUIT,HUP,TERM").arg(env!("CARGO_BIN_EXE_mutextree"));
    command.env_remove("MUTEXTREE_REDIS").stdin(Stdio::null());
    command
}

/// A process that is waited for, and killed when it is dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on stdout.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        match self.out.recv_timeout(SOON) {
            Ok(line) => line,
            Err(error) => panic!("it says nothing ({error}); on stderr: {:?}", self.err.try_iter().collect::<Vec<_>>()),
        }
    }

    /// Waits for a line on stderr that has this in it.
    #[track_caller]
    pub(crate) fn complains(&self, of: &str) -> String {
        let mut others = Vec::new();
        loop {
            match self.err.recv_timeout(SOON) {
                Ok(line) if line.contains(of) => return line,
                Ok(line) => others.push(line),
                Err(error) => panic!("{error}, and no line with {of:?} in {others:?}"),
            }
        }
    }

    /// All that was said on stderr; once it has ended.
    pub(crate) fn complaints(&self) -> Vec<String> {
        std::iter::from_fn(|| self.err.recv_timeout(SOON).ok()).collect()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(signal, &self.pid().to_string());
    }

    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < SOON, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its exit status, or what a shell makes of a signal.
    #[track_caller]
    pub(crate) fn status(&mut self) -> i32 {
        let status = self.ends();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status, stdout and stderr of a command that needs no input.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let mut running = Running::start(command);
    running.close_stdin();
    let status = running.status();
    // What it started may have its output open for a moment longer.
    let text = |lines: &Receiver<String>| {
        let lines = std::iter::from_fn(|| lines.recv_timeout(SOON).ok());
        lines.map(|line| line + "\n").collect::<String>()
    };
    (status, text(&running.out), text(&running.err))
}

/// Sends a signal by the command of this name: `kill("-TERM", "123")`, to a group by `-123`.
pub(crate) fn kill(signal: &str, whom: &str) {
    let sent = Command::new("kill").args([signal, "--", whom]).stderr(Stdio::null()).status();
    sent.expect("these tests send signals by the command `kill` (Debian package procps)");
}

/// Whether the process lives: a dead one that nobody has waited for does not.
pub(crate) fn lives(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until it holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
