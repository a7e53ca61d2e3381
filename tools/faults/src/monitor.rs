//! [`Monitor`]: a thread that asks the server again and again whether it is there, and writes down
//! when it was not. So it does not matter why: killed, stopped, paused, or a machine that is busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{MILLI, now};

/// An answer may take this long, in microseconds.
const USUAL: u64 = 40 * MILLI;

pub(crate) struct Monitor {
    ends: Arc<AtomicBool>,
    gaps: Arc<Mutex<Vec<(u64, u64)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    pub(crate) fn start(url: &str) -> Self {
        let (ends, gaps) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let client = redis::Client::open(url).expect("the URL is one");
        let (its_ends, its_gaps) = (ends.clone(), gaps.clone());
        let thread = thread::spawn(move || {
            let mut last = now();
            let mut connection = None;
            while !its_ends.load(Ordering::Relaxed) {
                if connection.is_none() {
                    connection = client.get_connection_with_timeout(Duration::from_millis(200)).ok();
                }
                let answers = connection.as_mut().is_some_and(|connection: &mut redis::Connection| {
                    let _ = connection.set_read_timeout(Some(Duration::from_secs(2)));
                    redis::cmd("PING").query::<String>(connection).is_ok()
                });
                if !answers {
                    connection = None;
                } else {
                    let time = now();
                    if time - last > USUAL {
                        its_gaps.lock().expect("nobody panics").push((last, time));
                    }
                    last = time;
                }
                thread::sleep(Duration::from_millis(10));
            }
            its_gaps.lock().expect("nobody panics").push((last, now()));
        });
        Self { ends, gaps, thread: Some(thread) }
    }

    /// When the server did not answer: from, until.
    pub(crate) fn finish(mut self) -> Vec<(u64, u64)> {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the monitor does not panic");
        }
        std::mem::take(&mut self.gaps.lock().expect("nobody panics"))
    }
}
