//! [`Signals`], for tests: threads that are interrupted by a signal a millisecond, as in a program
//! that profiles itself, resizes with its window, or looks after children.
#![cfg(target_os = "linux")]
#![allow(clippy::missing_panics_doc)] // it is for tests, and says no more than that

use std::fs;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many were caught by a handler, in all.
static CAUGHT: AtomicU64 = AtomicU64::new(0);

extern "C" fn handler(_signal: libc::c_int) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

/// A signal and how it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// With `SA_RESTART`: the system begins interrupted calls again, where it can. It cannot for a
    /// socket with a time limit.
    Restarting,
    /// Without: every interrupted call fails with `EINTR`.
    Interrupting,
}

impl Handled {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Restarting, Self::Interrupting];

    /// The signal, which has a handler from now on.
    fn install(self) -> libc::c_int {
        let (signal, flags) = match self {
            Self::Restarting => (libc::SIGUSR1, libc::SA_RESTART),
            Self::Interrupting => (libc::SIGUSR2, 0),
        };
        // SAFETY: all zero bits are an action with no flags and an empty mask; the handler only
        // adds to an atomic, which any handler may do.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as libc::sighandler_t;
            action.sa_flags = flags;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        assert_eq!(result, 0, "sigaction");
        signal
    }
}

/// Sends signals until it is dropped.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<u64>>,
}

impl Signals {
    fn start(mut send: impl FnMut() -> u64 + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let sender = thread::spawn(move || {
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                sent += send();
                thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        Self { stop, sender: Some(sender) }
    }

    /// To one thread, which this runs `job` in.
    pub fn to_thread<T: Send + 'static>(handled: Handled, job: impl FnOnce() -> T + Send + 'static) -> T {
        let signal = handled.install();
        let thread = thread::spawn(job);
        let target = thread.as_pthread_t();
        // The thread is joined below, after the last signal: until then its handle names it, even
        // when it has ended.
        let signals = Self::start(move || {
            // SAFETY: the thread is not joined and not detached.
            u64::from(unsafe { libc::pthread_kill(target, signal) } == 0)
        });
        while !thread.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        signals.stop();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// To every thread of this process whose name begins so.
    pub fn to_threads_named(handled: Handled, name: &'static str) -> Self {
        let signal = handled.install();
        Self::start(move || {
            let mut sent = 0;
            for task in fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").flatten() {
                let Ok(its_name) = fs::read_to_string(task.path().join("comm")) else { continue };
                let number = task.file_name().to_string_lossy().parse::<libc::c_long>();
                if let Ok(number) = number
                    && its_name.starts_with(name)
                {
                    let process = libc::c_long::from(std::process::id());
                    // SAFETY: it touches no memory. A thread that has ended meanwhile is an error,
                    // or at worst another thread of this process, which has the handler as well.
                    let result =
                        unsafe { libc::syscall(libc::SYS_tgkill, process, number, libc::c_long::from(signal)) };
                    sent += u64::from(result == 0);
                }
            }
            sent
        })
    }

    /// Sends no more. How many were sent.
    ///
    /// # Panics
    /// If none was: then nothing was tested.
    pub fn stop(mut self) -> u64 {
        let sent = self.end();
        assert!(sent > 0, "no signal was sent");
        assert!(CAUGHT.load(Ordering::Relaxed) > 0, "no signal was caught");
        sent
    }

    fn end(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.take().map_or(0, |sender| sender.join().expect("the sender ends"))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.end();
    }
}
