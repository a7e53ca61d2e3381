//! A server that answers as the test says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(super) enum Reply {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing, ever.
    Nothing,
    /// These bytes, and the end of the connection.
    Close(Vec<u8>),
    /// A reset.
    Reset,
}

/// What the test wants to know and to change meanwhile.
#[derive(Default)]
struct Shared {
    /// By connection, in the order in which they came.
    received: Mutex<HashMap<usize, Vec<Vec<Vec<u8>>>>>,
    closed: Mutex<usize>,
    changed: Condvar,
    /// How far away answers are, in milliseconds.
    delay: AtomicU64,
}

pub(super) struct Fake {
    port: u16,
    shared: Arc<Shared>,
}

impl Fake {
    /// `answer` is told the number of the connection, from 0, and the words of the command.
    pub(super) fn start(answer: impl Fn(usize, &[Vec<u8>]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (state, answer) = (shared.clone(), Arc::new(answer));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (state, answer) = (state.clone(), answer.clone());
                state.received.lock().unwrap().insert(number, Vec::new());
                thread::spawn(move || {
                    connection(number, &stream, &state, &*answer);
                    *state.closed.lock().unwrap() += 1;
                    state.changed.notify_all();
                });
            }
        });
        Self { port, shared }
    }

    /// Answers `PING` and everything else with what it was asked last.
    pub(super) fn echoing() -> Self {
        Self::start(|_, words| echo(words))
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn delay(&self, delay: Duration) {
        self.shared.delay.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// The first words of what a connection was asked, `PING` and all.
    pub(super) fn commands(&self, connection: usize) -> Vec<String> {
        let received = self.shared.received.lock().unwrap();
        received[&connection].iter().map(|words| String::from_utf8_lossy(&words[0]).into_owned()).collect()
    }

    /// Waits until so many connections have been closed.
    pub(super) fn wait_for_closed(&self, count: usize) {
        let closed = self.shared.closed.lock().unwrap();
        let wait = self.shared.changed.wait_timeout_while(closed, Duration::from_secs(10), |closed| *closed < count);
        assert!(!wait.unwrap().1.timed_out(), "they are not closed");
    }
}

pub(super) fn echo(words: &[Vec<u8>]) -> Reply {
    Reply::Bytes(bulk(words.last().unwrap()))
}

pub(super) fn bulk(bytes: &[u8]) -> Vec<u8> {
    let mut answer = format!("${}\r\n", bytes.len()).into_bytes();
    answer.extend_from_slice(bytes);
    answer.extend_from_slice(b"\r\n");
    answer
}

fn connection(number: usize, stream: &TcpStream, shared: &Shared, answer: &dyn Fn(usize, &[Vec<u8>]) -> Reply) {
    stream.set_nodelay(true).unwrap();
    // Answers are as far away as the test says, and do not wait for each other.
    let (sender, receiver) = crossbeam_channel::unbounded::<(Instant, Reply)>();
    let mut to = stream.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for (due, reply) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (bytes, is_last) = match reply {
                Reply::Bytes(bytes) => (bytes, false),
                Reply::Close(bytes) => (bytes, true),
                Reply::Nothing => continue,
                Reply::Reset => {
                    let _ = socket2::SockRef::from(&to).set_linger(Some(Duration::ZERO));
                    return; // and closes without a word
                }
            };
            if to.write_all(&bytes).is_err() || is_last {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
    let mut from = BufReader::new(stream);
    while let Some(words) = read_command(&mut from) {
        let reply = answer(number, &words);
        shared.received.lock().unwrap().get_mut(&number).unwrap().push(words);
        let due = Instant::now() + Duration::from_millis(shared.delay.load(Ordering::SeqCst));
        let is_reset = matches!(reply, Reply::Reset);
        if sender.send((due, reply)).is_err() || is_reset {
            break;
        }
    }
    drop(sender);
    let _ = writer.join();
}

fn read_command(from: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = read_length(from, '*')?;
    (0..count)
        .map(|_| {
            let mut bytes = vec![0; read_length(from, '$')? + 2];
            from.read_exact(&mut bytes).ok()?;
            bytes.truncate(bytes.len() - 2);
            Some(bytes)
        })
        .collect()
}

fn read_length(from: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

/// Where answers are held back until the test lets them go.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    came: Vec<Vec<u8>>,
    open: Vec<Vec<u8>>,
}

impl Gate {
    /// A server that echoes, but holds back all answers but those of a login until they are let go.
    pub(super) fn server(&self) -> Fake {
        let gate = self.clone();
        Fake::start(move |_, words| {
            gate.pass(words.last().unwrap());
            echo(words)
        })
    }

    /// Waits until the test opens the gate for this word; those of a login need no leave.
    pub(super) fn pass(&self, word: &[u8]) {
        if [&b"PING"[..], b"replication", b"secret"].contains(&word) {
            return;
        }
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.came.push(word.to_vec());
        changed.notify_all();
        while !state.open.iter().any(|open| open == word) {
            state = changed.wait(state).unwrap();
        }
    }

    /// Waits until this word has come to the server.
    pub(super) fn wait_for(&self, word: &str) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.came.iter().any(|came| came == word.as_bytes()) {
            state = changed.wait_timeout(state, Duration::from_secs(10)).unwrap().0;
        }
    }

    pub(super) fn has_come(&self, word: &str) -> bool {
        self.0.0.lock().unwrap().came.iter().any(|came| came == word.as_bytes())
    }

    pub(super) fn open(&self, word: &str) {
        self.0.0.lock().unwrap().open.push(word.into());
        self.0.1.notify_all();
    }
}
