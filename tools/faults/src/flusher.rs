//! [`Flusher`]: a thread that makes the server forget its scripts, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) struct Flusher {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(url: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let client = redis::Client::open(url).expect("the URL is one");
        let its = ends.clone();
        let thread = thread::spawn(move || {
            let mut connection = None;
            while !its.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(2));
                if connection.is_none() {
                    connection = client.get_connection_with_timeout(Duration::from_millis(200)).ok();
                }
                let done = connection.as_mut().is_some_and(|connection: &mut redis::Connection| {
                    let _ = connection.set_read_timeout(Some(Duration::from_secs(2)));
                    redis::cmd("SCRIPT").arg("FLUSH").exec(connection).is_ok()
                });
                if !done {
                    connection = None;
                }
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
