//! [`fork`], for tests: a child process that goes on with a copy of what the test has, and says
//! over a socket what it finds.
//!
//! A child that panics, dies or says nothing for [`AT_MOST`] fails the test with a sentence, and is
//! killed. It never returns from its job, so nothing of the test runs twice.
//!
//! The child of a program with threads has only the thread that forked. A lock that another thread
//! held at that moment stays locked for ever. So tests that fork run one at a time
//! ([`one_at_a_time`]), and the job prints nothing.
#![cfg(unix)]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Far more than any single step of a child takes.
pub const AT_MOST: Duration = Duration::from_secs(20);

/// What a child's line begins with that is about a panic.
const PANICKED: &str = "panicked: ";
/// The exit status of a child that panicked, as that of any program in Rust.
const EXIT_PANICKED: i32 = 101;

/// While it lives, other tests of this program that ask for it wait.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One end of the line between parent and child.
#[derive(Debug)]
struct Line {
    reads: BufReader<UnixStream>,
    writes: UnixStream,
}

/// Why nothing was heard.
enum Silence {
    TooLong,
    Ended,
}

impl Line {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(AT_MOST)).expect("a socket takes a time limit");
        let reads = stream.try_clone().expect("a socket can be cloned");
        Self { reads: BufReader::new(reads), writes: stream }
    }

    fn say(&mut self, text: &str) {
        // If the other end is gone the next `hear` tells.
        let _ = writeln!(self.writes, "{}", text.replace('\n', " "));
    }

    fn hear(&mut self) -> Result<String, Silence> {
        let mut line = String::new();
        match self.reads.read_line(&mut line) {
            Ok(0) => Err(Silence::Ended),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(Silence::TooLong),
            Err(_) => Err(Silence::Ended),
        }
    }
}

/// The child's end of the line to its parent.
#[derive(Debug)]
pub struct Parent(Line);

impl Parent {
    /// Tells the parent something, in one line.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.0.say(text.as_ref());
    }

    /// Waits until the parent says exactly this.
    ///
    /// # Panics
    /// If it says something else. A parent that is gone, or silent for twice [`AT_MOST`], ends the
    /// child.
    pub fn wait_for(&mut self, word: &str) {
        // Once more: the parent may be waiting for something else of the test for nearly as long.
        let heard = self.0.hear().or_else(|_| self.0.hear());
        let Ok(heard) = heard else { exit(EXIT_PANICKED) };
        assert_eq!(heard, word, "what the parent says");
    }
}

/// A child process. Dropped, it is killed.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    line: Line,
    last: String,
}

impl Child {
    /// What the child says next, after this word.
    ///
    /// # Panics
    /// If it says something else, panics, dies or hangs.
    #[track_caller]
    pub fn says(&mut self, word: &str) -> String {
        match self.line.hear() {
            Ok(line) => {
                if let Some(why) = line.strip_prefix(PANICKED) {
                    panic!("the child panicked after it said `{}`: {why}", self.last);
                }
                let rest = line.strip_prefix(word).unwrap_or_else(|| panic!("the child said `{line}`, not `{word}`"));
                let rest = rest.trim().to_owned();
                self.last = line;
                rest
            }
            Err(Silence::TooLong) => {
                panic!("the child hangs: nothing was heard for {AT_MOST:?} after it said `{}`", self.last)
            }
            Err(Silence::Ended) => {
                let how = self.reap();
                panic!("the child died after it said `{}`: {how}", self.last)
            }
        }
    }

    /// Tells the child something it waits for.
    pub fn say(&mut self, word: &str) {
        self.line.say(word);
    }

    /// That its job is over.
    ///
    /// # Panics
    /// If it says something more, panics, dies or hangs.
    #[track_caller]
    pub fn ends(mut self) {
        self.says("done");
    }

    /// How it ended, once its end of the line is closed.
    fn reap(&mut self) -> String {
        let mut status = 0;
        // SAFETY: `status` is written to, and the process is a child that was not waited for.
        let reaped = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        self.pid = 0;
        match reaped {
            ..=0 => "its end was not told".to_owned(),
            _ if libc::WIFSIGNALED(status) => format!("signal {}", libc::WTERMSIG(status)),
            _ => format!("exit status {}", libc::WEXITSTATUS(status)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.pid != 0 {
            // SAFETY: the process is a child that was not waited for, so the number is its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.reap();
        }
    }
}

/// Forks. The child does the job and ends; the parent goes on. Both have `value`, each its own
/// copy of it: what the child drops, at the end of its job at the latest, is not dropped in the
/// parent.
///
/// # Panics
/// If the system makes no more processes.
pub fn fork<T>(value: T, job: impl FnOnce(T, &mut Parent)) -> (T, Child) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    // SAFETY: the child runs nothing but the job, and then ends. Tests fork one at a time, so none
    // of their threads is in the middle of something at that moment. A thread of the store may be;
    // that is what is tested.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            drop(ours);
            let to_tell = theirs.try_clone().expect("a socket can be cloned");
            panic::set_hook(Box::new(move |info| {
                let text = format!("{info}").replace('\n', " ");
                let _ = writeln!(&to_tell, "{PANICKED}{text}");
            }));
            let mut parent = Parent(Line::new(theirs));
            let result = catch_unwind(AssertUnwindSafe(|| job(value, &mut parent)));
            if result.is_ok() {
                parent.say("done");
            }
            exit(if result.is_ok() { 0 } else { EXIT_PANICKED })
        }
        pid => {
            drop(theirs);
            (value, Child { pid, line: Line::new(ours), last: "nothing".to_owned() })
        }
    }
}

/// Ends the child without what a program does at its end, which is the parent's business.
fn exit(status: i32) -> ! {
    // SAFETY: it has no preconditions.
    unsafe { libc::_exit(status) }
}
