//! [`Listener`]: one thread that empties the mailbox of a store of its own on the server, and tells
//! those that the [messages](crate::redis::protocol::message) are for. It starts with the first
//! waiter. The trees of one client share a [subscriber](super::subscriber) instead.

use std::thread;

use super::client::Client;
use crate::redis::clock::clock;
use crate::redis::command::command;
use crate::redis::primitives::{Arc, AtomicBool, Ordering};
use crate::redis::protocol::message;
use crate::redis::protocol::message::{Message, News};
use crate::redis::value::Value;
use std::time::Duration;

/// For how many seconds the server keeps the listener's command without an answer.
const KEEPS: u64 = 5;
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

pub(in crate::redis) struct Listener {
    client: Arc<Client>,
    runs: AtomicBool,
}

impl Listener {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, runs: AtomicBool::new(false) }
    }

    /// Starts the thread, if it does not run. Without one heartbeats have to do, until one can be
    /// had. A tree that is one of several has none: those who work where it is listen.
    pub(super) fn start(&self) {
        if self.client.sites.are_shared {
            let _ = self.client.workers(); // it may have moved
            return;
        }
        // Relaxed: the thread's start orders all else.
        if !self.runs.load(Ordering::Relaxed) && !self.runs.swap(true, Ordering::Relaxed) {
            let client = self.client.clone();
            let thread = thread::Builder::new().name("mutextree-listen".into()).spawn(move || run(&client));
            self.runs.store(thread.is_ok(), Ordering::Relaxed);
        }
    }
}

/// The thread.
fn run(client: &Arc<Client>) {
    let (mailbox, keeps) = (client.keys.mailbox(&client.name), KEEPS.to_string());
    let listen = command(&[b"BLMPOP", keeps.as_bytes(), b"1", mailbox.as_bytes(), b"LEFT", b"COUNT", b"64"]);
    let (mut connection, mut has_listened) = (None, false);
    let mut retry = RETRY;
    while !client.is_stopped() {
        if connection.is_none() {
            match client.wire.site().open(client.timing.call_deadline(clock())) {
                Ok(open) => connection = Some(open),
                Err(_) => {
                    thread::sleep(retry);
                    retry = (retry * 2).min(LONGEST_RETRY);
                    continue;
                }
            }
            // What came while nobody listened is found by heartbeats, now.
            client.agenda(|agenda| agenda.beat_soon(clock()));
            // Before the first connection nothing was lost: the mailbox keeps it.
            if std::mem::replace(&mut has_listened, true) {
                client.keeping.iter().for_each(|keeping| keeping.recall_all(client));
            }
        }
        let Some(open) = &mut connection else { continue };
        let deadline = client.timing.call_deadline(clock()).saturating_add(KEEPS * 1_000_000);
        let answer = open.call(&listen, deadline);
        if !open.is_good() {
            connection = None;
        }
        match answer {
            Ok(answer) => {
                retry = RETRY;
                messages(answer).iter().for_each(|text| deliver(client, text));
            }
            // A server that is up but refuses, too, is asked once a while only.
            Err(_) => {
                thread::sleep(retry);
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
    }
}

pub(super) fn deliver(client: &Arc<Client>, text: &[u8]) {
    match message::parse(text) {
        Some((number, Message::Granted(fencing_token))) => {
            if let Some(waiter) = client.agenda(|agenda| agenda.waiter(number)) {
                waiter.tell(News::Granted(fencing_token));
            }
        }
        Some((number, Message::Broken(fencing_token))) => {
            client.agenda(|agenda| agenda.broken(number, fencing_token));
            client.keeping.iter().for_each(|keeping| keeping.broken(number, fencing_token));
        }
        None => {
            if let (Some(keeping), Some((path, kind))) = (&client.keeping, message::parse_recall(text)) {
                keeping.recalled(client, &path, kind);
            }
        }
    }
}

/// The texts in the answer to `BLMPOP`: the list's name and its elements, or nothing.
fn messages(answer: Value) -> Vec<Vec<u8>> {
    let Value::List(mut answer) = answer else { return Vec::new() };
    let Some(Value::List(texts)) = answer.pop() else { return Vec::new() };
    let bytes = |value| match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    };
    texts.into_iter().filter_map(bytes).collect()
}
