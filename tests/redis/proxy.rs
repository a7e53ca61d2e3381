//! A proxy between the store and the server that loses what it is told to lose.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How many of the next answers are lost, together with their connection, after their request was
/// delivered.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) lose_answers: AtomicU64,
    /// One request in so many loses its answer; 0 for none.
    pub(crate) lose_one_in: AtomicU64,
    /// Requests are delivered this much later, in milliseconds.
    pub(crate) delay: AtomicU64,
    /// No connection lives, and none is made.
    pub(crate) cut: AtomicBool,
    pub(crate) lost: AtomicU64,
    /// How many connections have a request under way, those of listeners not counted.
    unanswered: AtomicU64,
}

pub(crate) struct Proxy {
    port: u16,
    pub(crate) faults: Arc<Faults>,
}

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults::default());
        let shared = faults.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                if shared.cut.load(Ordering::SeqCst) {
                    continue;
                }
                thread::spawn(move || connection(&client, server, &shared));
            }
        });
        Self { port, faults }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Whether every request that came has its answer.
    pub(crate) fn is_quiet(&self) -> bool {
        self.faults.unanswered.load(Ordering::SeqCst) == 0
    }
}

/// One connection. Commands are small and come one by one, so what is read at once is one command
/// or one answer.
fn connection(client: &TcpStream, server: u16, faults: &Arc<Faults>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (lose, asks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (flag, open, shared) = (lose.clone(), asks.clone(), faults.clone());
    let requests = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if shared.cut.load(Ordering::SeqCst) {
                break;
            }
            // The listener's command is answered when there is a message: it is not what these
            // tests are about.
            let listens = buffer[..length].windows(6).any(|word| word == b"BLMPOP");
            let one_in = shared.lose_one_in.load(Ordering::SeqCst);
            let told = shared.lose_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if !listens && (told.is_ok() || one_in > 0 && fastrand::u64(..one_in) == 0) {
                flag.store(true, Ordering::SeqCst);
            }
            if !listens && !open.swap(true, Ordering::SeqCst) {
                shared.unanswered.fetch_add(1, Ordering::SeqCst);
            }
            thread::sleep(Duration::from_millis(shared.delay.load(Ordering::SeqCst)));
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (server, client.try_clone().unwrap());
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if lose.load(Ordering::SeqCst) {
            faults.lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if faults.cut.load(Ordering::SeqCst) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
        if asks.swap(false, Ordering::SeqCst) {
            faults.unanswered.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
    let _ = requests.join();
    if asks.load(Ordering::SeqCst) {
        faults.unanswered.fetch_sub(1, Ordering::SeqCst);
    }
}
