//! [`Subscriber`]: one thread a site that hears of all trees there, where a client has several. It
//! is subscribed to a channel of each tree, and tells those that the
//! [messages](crate::redis::protocol::message) are for.
//!
//! A channel has the name that the mailbox of a store of its own has, and is of the tree's slot
//! (`SSUBSCRIBE`, `SPUBLISH`). So one connection hears of trees of any slots of its server. A
//! channel keeps nothing. What is published while nobody is subscribed is lost.
//!
//! # Why nobody misses more than one heartbeat
//!
//! Whenever the server says that a tree is subscribed (after it came, the connection broke, another
//! server took over, its slot has moved), all its waiters send a heartbeat at once, and what it
//! keeps is given back as if it were recalled.
//!
//! * *A grant before that* is in the tree: the heartbeat that is sent after it finds it.
//! * *A grant after that* is published, and comes, or the connection breaks, and then it is before
//!   the next subscription.
//!
//! # When the connection is no good
//!
//! A `PING` goes out every five seconds, so a server is known to be there that has nothing to say.
//! An answer that is overdue by the timeout ends the connection. If the server says that a channel
//! is no more (its slot has moved), it is asked for again, and the `MOVED` which that is answered
//! moves the tree. A refusal of one channel concerns that one: it is asked for again with the next
//! `PING`.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use std::{io, thread};

use super::client::Client;
use super::listener;
use crate::redis::clock::{clock, until};
use crate::redis::command::command;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::{Arc, Condvar, Mutex, Ordering, Weak};
use crate::redis::value::Value;
use crate::redis::wire::{Bell, Feed, Site};

/// The time between two signs of life, in microseconds.
const PING: u64 = 5_000_000;
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Subscriber {
    site: Arc<Site>,
    bell: Arc<Bell>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By channel.
    trees: HashMap<String, Tree>,
    /// What is to be sent: channels to subscribe to, and those to leave.
    todo: VecDeque<(String, bool)>,
    running: bool,
    stopped: bool,
}

struct Tree {
    client: Weak<Client>,
    /// What the server has said; `None` until it has.
    heard: Option<Result<(), RedisStoreError>>,
}

/// What has been sent over a connection, and has no answer yet.
#[derive(Default)]
struct Sent {
    /// In order: a channel, whether it is to be heard, and since when.
    asked: VecDeque<(String, bool, u64)>,
    /// When the last `PING` went out that has no answer.
    pinged: Option<u64>,
    /// When the last answer came.
    alive: u64,
}

impl Subscriber {
    pub(super) fn new(site: Arc<Site>) -> io::Result<Arc<Self>> {
        let bell = Arc::new(Bell::new()?);
        Ok(Arc::new(Self { site, bell, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// A tree has come: the thread starts with the first.
    pub(super) fn add(self: &Arc<Self>, client: &Arc<Client>) -> io::Result<()> {
        let channel = client.keys.mailbox(&client.name);
        let mut state = self.state.lock();
        if state.trees.contains_key(&channel) {
            return Ok(());
        }
        if !state.running {
            let subscriber = self.clone();
            thread::Builder::new().name("mutextree-listen".into()).spawn(move || subscriber.run())?;
            state.running = true;
        }
        state.trees.insert(channel.clone(), Tree { client: Arc::downgrade(client), heard: None });
        state.todo.push_back((channel, true));
        self.bell.ring();
        Ok(())
    }

    /// A tree has gone.
    pub(super) fn remove(&self, client: &Client) {
        let channel = client.keys.mailbox(&client.name);
        let mut state = self.state.lock();
        if state.trees.remove(&channel).is_some() {
            state.todo.push_back((channel, false));
            self.bell.ring();
        }
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
        self.bell.ring();
    }

    /// Waits until `deadline` for what the server says to a tree's subscription: `None` if it says
    /// nothing.
    pub(super) fn heard(&self, client: &Client, deadline: u64) -> Option<Result<(), RedisStoreError>> {
        let channel = client.keys.mailbox(&client.name);
        let mut state = self.state.lock();
        loop {
            match state.trees.get(&channel) {
                None => return None, // it is elsewhere by now
                Some(Tree { heard: Some(heard), .. }) => return Some(heard.clone()),
                Some(_) if until(deadline).is_zero() => return None,
                Some(_) => _ = self.changed.wait_for(&mut state, until(deadline)),
            }
        }
    }

    /// The thread.
    fn run(&self) {
        let mut retry = RETRY;
        while !self.state.lock().stopped {
            let opened = self.site.open_feed(self.bell.clone(), clock().saturating_add(self.site.timeout()));
            if let Ok(feed) = opened {
                self.all_again();
                if self.listen(feed) {
                    retry = RETRY;
                }
            }
            let state = self.state.lock();
            if !state.stopped {
                let mut state = state;
                self.changed.wait_for(&mut state, retry);
            }
            retry = (retry * 2).min(LONGEST_RETRY);
        }
    }

    /// Over a new connection all are asked for.
    fn all_again(&self) {
        let mut state = self.state.lock();
        state.todo = state.trees.keys().map(|channel| (channel.clone(), true)).collect();
    }

    /// Until the connection is no good. Whether it was any.
    fn listen(&self, mut feed: Feed) -> bool {
        let (mut sent, mut was_good, timeout) =
            (Sent { alive: clock(), ..Sent::default() }, false, self.site.timeout());
        loop {
            if self.state.lock().stopped || self.send(&mut feed, &mut sent).is_err() {
                return was_good;
            }
            let since = sent.asked.front().map(|(_, _, since)| *since).into_iter().chain(sent.pinged).min();
            let overdue = since.map_or(u64::MAX, |since| since.max(sent.alive).saturating_add(timeout));
            if overdue <= clock() {
                return was_good;
            }
            let wakes = if sent.pinged.is_some() { overdue } else { overdue.min(sent.alive + PING) };
            match feed.next(wakes) {
                Err(_) => return was_good,
                Ok(None) => {
                    if sent.pinged.is_none() && clock() >= sent.alive + PING {
                        if feed.send(&command(&[b"PING"]), clock().saturating_add(timeout)).is_err() {
                            return was_good;
                        }
                        sent.pinged = Some(clock());
                        self.refused_again();
                    }
                }
                Ok(Some(answer)) => {
                    sent.alive = clock();
                    let is_good = match answer {
                        Ok(Value::List(words)) => self.said(&mut sent, words),
                        Ok(_) => {
                            sent.pinged = None; // a server may answer PING as it does elsewhere
                            true
                        }
                        Err(error) => self.refused(&feed, &mut sent, &error),
                    };
                    if !is_good {
                        return was_good;
                    }
                    was_good = true;
                }
            }
        }
    }

    /// Sends what is to be sent, as one pipeline.
    fn send(&self, feed: &mut Feed, sent: &mut Sent) -> Result<(), Failure> {
        let todo = std::mem::take(&mut self.state.lock().todo);
        if todo.is_empty() {
            return Ok(());
        }
        let (mut bytes, now) = (Vec::new(), clock());
        for (channel, hears) in todo {
            let verb: &[u8] = if hears { b"SSUBSCRIBE" } else { b"SUNSUBSCRIBE" };
            bytes.extend_from_slice(&command(&[verb, channel.as_bytes()]));
            sent.asked.push_back((channel, hears, now));
        }
        feed.send(&bytes, now.saturating_add(self.site.timeout()))
    }

    /// What the server said. `false` if that makes no sense.
    fn said(&self, sent: &mut Sent, words: Vec<Value>) -> bool {
        let mut words = words.into_iter();
        let (Some(Value::Bytes(kind)), name, last) = (words.next(), words.next(), words.next()) else { return false };
        let channel = match name {
            Some(Value::Bytes(name)) => String::from_utf8_lossy(&name).into_owned(),
            _ => String::new(),
        };
        match (&*kind, last) {
            (b"smessage", Some(Value::Bytes(text))) => {
                if let Some(client) = self.tree(&channel) {
                    listener::deliver(&client, &text);
                }
                true
            }
            (b"ssubscribe", _) => {
                let asked = sent.asked.pop_front();
                if !asked.is_some_and(|(asked, hears, _)| hears && asked == channel) {
                    return false;
                }
                self.hears(&channel);
                true
            }
            (b"sunsubscribe", _) => {
                match sent.asked.iter().position(|(asked, hears, _)| !hears && *asked == channel) {
                    Some(at) => _ = sent.asked.remove(at),
                    None => self.ask_again(&channel),
                }
                true
            }
            (b"pong", _) => {
                sent.pinged = None;
                true
            }
            _ => false,
        }
    }

    fn tree(&self, channel: &str) -> Option<Arc<Client>> {
        self.state.lock().trees.get(channel).and_then(|tree| tree.client.upgrade())
    }

    /// The server says that what is published from now on is heard.
    fn hears(&self, channel: &str) {
        let client = {
            let mut state = self.state.lock();
            let Some(tree) = state.trees.get_mut(channel) else { return };
            tree.heard = Some(Ok(()));
            tree.client.upgrade()
        };
        self.changed.notify_all();
        let Some(client) = client else { return };
        client.agenda(|agenda| agenda.beat_soon(clock()));
        // Before the first time nothing was lost: there was nothing that could be kept.
        if client.has_listened.swap(true, Ordering::Relaxed) {
            client.keeping.iter().for_each(|keeping| keeping.recall_all(&client));
        }
    }

    /// The server has let go of a channel that is to be heard.
    fn ask_again(&self, channel: &str) {
        let mut state = self.state.lock();
        if state.trees.contains_key(channel) {
            state.todo.push_back((channel.to_owned(), true));
        }
    }

    /// What was refused before is asked for again.
    fn refused_again(&self) {
        let mut state = self.state.lock();
        let State { trees, todo, .. } = &mut *state;
        let refused = trees.iter().filter(|(_, tree)| matches!(tree.heard, Some(Err(_))));
        todo.extend(refused.map(|(channel, _)| (channel.clone(), true)));
    }

    /// The server refused what was asked for first, as far as it has no answer. `false` if the
    /// connection is no good.
    fn refused(&self, feed: &Feed, sent: &mut Sent, error: &str) -> bool {
        let Some((channel, hears, _)) = sent.asked.pop_front() else {
            return sent.pinged.take().is_some(); // who may not ping is answered all the same
        };
        let (failure, is_good) = feed.refused(error);
        if !hears {
            return is_good;
        }
        if let Some(client) = self.tree(&channel) {
            client.wire.heed(&failure);
            // If it has moved those who work there hear it from now on.
            let moved = client.workers().is_ok_and(|there| !Arc::ptr_eq(&there.site, &self.site));
            if !moved && let Some(tree) = self.state.lock().trees.get_mut(&channel) {
                tree.heard = Some(Err(failure.into_error()));
            }
        }
        self.changed.notify_all();
        is_good
    }
}
