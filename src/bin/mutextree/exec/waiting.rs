//! [`Waiting`]: what is said on stderr while the lock is not had yet. On a terminal it is one line,
//! written anew each second; else a line at the start, and one a minute.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use mutextree::{Blocker, LockError, Mode, Snapshot, TreePath, WaitingLock, conflicts};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use super::events::{Event, Events};
use super::wanted::Wanted;
use crate::place::Place;
use crate::status::{Failure, say};
use crate::text::{cut, printable, span};

/// A wait that is shorter than this is not worth a word.
const WORTH_A_WORD: Duration = Duration::from_millis(200);
/// A terminal's line is written this often.
const REDRAWN: Duration = Duration::from_secs(1);
/// Another line where there is no terminal.
const REPEATED: Duration = Duration::from_secs(60);
/// How long the answer may take, who is in the way of a lock that is given up.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Waiting<'a> {
    events: &'a Events,
    wanted: &'a Wanted,
    place: &'a Place,
    began: Instant,
    is_terminal: bool,
    /// When to say something next.
    next: Instant,
    /// Whether the line stands on the terminal.
    is_drawn: bool,
    /// Whether a thread asks who is in the way.
    is_asking: bool,
    in_the_way: Vec<String>,
}

struct Wakes(Sender<Event>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(Event::Look);
    }
}

impl<'a> Waiting<'a> {
    pub(super) fn new(events: &'a Events, wanted: &'a Wanted, place: &'a Place) -> Self {
        let began = Instant::now();
        Self {
            events,
            wanted,
            place,
            began,
            is_terminal: io::stderr().is_terminal(),
            next: began + WORTH_A_WORD,
            is_drawn: false,
            is_asking: false,
            in_the_way: Vec::new(),
        }
    }

    /// What makes [`next`](Self::next) return.
    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::new(Wakes(self.events.sender())))
    }

    /// Waits until something may have happened, or the time has come.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        self.speak();
        let until = until.map_or(self.next, |until| until.min(self.next));
        self.wait(until)
    }

    /// Finds out anew who is in the way, if that does not take long. The request is in the queue.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        self.ask();
        self.hear()
    }

    /// Waits for the answer, if that does not take long.
    fn hear(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        while self.is_asking && Instant::now() < until {
            self.wait(until)?;
        }
        Ok(())
    }

    fn wait(&mut self, until: Instant) -> Result<(), Failure> {
        match self.events.next(Some(until)) {
            Some(Event::Signal(signal @ (SIGINT | SIGTERM | SIGHUP | SIGQUIT))) => {
                self.clear();
                return Err(Failure::Signal(signal));
            }
            Some(Event::Signal(SIGTSTP)) => {
                self.clear();
                let _ = kill_process(getpid(), Signal::STOP);
                self.next = Instant::now();
            }
            Some(Event::InTheWay(who)) => {
                // The first answer is what the first line waits for.
                if self.in_the_way.is_empty() && !who.is_empty() {
                    self.next = Instant::now();
                }
                self.is_asking = false;
                self.in_the_way = who;
            }
            _ => {}
        }
        Ok(())
    }

    /// The lock is had. Returns how long that took.
    pub(super) fn done(mut self) -> Duration {
        self.clear();
        self.is_asking = false; // the answer is of no use any more, and nothing was given up
        self.began.elapsed()
    }

    /// The lock could not be had in the time that was given, or at once.
    pub(super) fn gave_up(&mut self, given: Option<Duration>) -> Failure {
        self.clear();
        let time = given.map_or_else(|| "at once".into(), |given| format!("within {}", span(given)));
        let blocked = match self.in_the_way.as_slice() {
            [] => String::new(),
            who => format!(": {}", who.join("; ")),
        };
        Failure::Status(self.wanted.conflict, format!("{} could not be locked {time}{blocked}", self.wanted))
    }

    /// The lock could not be had at once, and nothing was queued for it. What is in the way by now
    /// says more than the error; the error is there if that has gone meanwhile.
    pub(super) fn refused(&mut self, error: &LockError) -> Failure {
        self.in_the_way = in_the_way(self.place, self.wanted, None);
        if self.in_the_way.is_empty() {
            self.in_the_way = vec![printable(&error.to_string())];
        }
        self.gave_up(None)
    }

    fn speak(&mut self) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let is_first = self.in_the_way.is_empty();
        self.ask();
        // Without an answer the first line is said all the same, if the answer takes long.
        if is_first && self.is_asking && self.began.elapsed() < REDRAWN {
            self.next = self.began + REDRAWN;
            return;
        }
        if self.is_terminal {
            self.draw();
            self.next = now + REDRAWN;
        } else {
            say(&self.line());
            self.next = now + REPEATED;
        }
    }

    fn line(&self) -> String {
        let mut line = format!("waiting for {} since {}", self.wanted, span(self.began.elapsed()));
        if let Some((first, others)) = self.in_the_way.split_first() {
            line.push_str(": ");
            line.push_str(first);
            if !others.is_empty() {
                line.push_str(&format!(", and {} more", others.len()));
            }
        }
        line
    }

    fn draw(&mut self) {
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        // With room for the `^C` that a terminal shows.
        let line = cut(&format!("mutextree: {}", self.line()), columns.saturating_sub(3).max(20));
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
        self.is_drawn = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Finds out who is in the way, by a thread: a server may not answer.
    fn ask(&mut self) {
        if std::mem::replace(&mut self.is_asking, true) {
            return;
        }
        let (place, wanted, began) = (self.place.clone(), self.wanted.clone(), self.began);
        let sender = self.events.sender();
        thread::spawn(move || {
            let who = in_the_way(&place, &wanted, Some(began));
            drop(place); // before it is told: see `Drop`
            sender.send(Event::InTheWay(who))
        });
    }
}

/// The request that is given up leaves the queue by another thread. Who drops the last clone of the
/// store waits for that: so it must not be the thread that asks, which ends with the process.
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _ = self.hear(); // a second signal ends it at once
    }
}

/// Who is in the way of any of it, each once. If it waits it has done so since then.
fn in_the_way(place: &Place, wanted: &Wanted, waits_since: Option<Instant>) -> Vec<String> {
    let Ok(snapshot) = place.snapshot() else { return Vec::new() };
    let mut all: Vec<(Blocker, Vec<&TreePath>)> = Vec::new();
    for path in &wanted.paths {
        for blocker in others(&snapshot, path, wanted, waits_since) {
            let is_same =
                |(other, _): &&mut (Blocker, _)| (other.held(), other.waiting()) == (blocker.held(), blocker.waiting());
            match all.iter_mut().find(is_same) {
                Some((_, paths)) => paths.push(path),
                None => all.push((blocker, vec![path])),
            }
        }
    }
    let line = |(blocker, paths): &(Blocker, Vec<&TreePath>)| {
        let mut line = describe(blocker);
        // Of several paths, which one: unless that has been said.
        if wanted.paths.len() > 1 && paths[..] != [blocker.path()] {
            line.push_str(&format!(", in the way of {}", list(paths)));
        }
        line
    };
    all.iter().map(line).collect()
}

/// What is in the way of a lock that is asked for here. The request that waits here is in the
/// snapshot, too: neither it nor what came later is in the way.
fn others(snapshot: &Snapshot, path: &TreePath, wanted: &Wanted, waits_since: Option<Instant>) -> Vec<Blocker> {
    let waited = waits_since.map(|since| since.elapsed());
    let is_like_ours = |waiter: &WaitingLock| {
        (&waiter.path, waiter.kind, waiter.owner.as_ref()) == (path, wanted.kind, Some(&wanted.owner))
    };
    // Others may have the same owner, and wait for the same. Ours is as old as we are.
    let own = waited.and_then(|waited| {
        let alike = snapshot.waiters().enumerate().filter(|(_, waiter)| is_like_ours(waiter));
        let nearest = alike.min_by_key(|(_, waiter)| waiter.waited.unwrap_or_default().abs_diff(waited));
        nearest.map(|(turn, _)| turn)
    });
    let is_in_the_way = |path_of: &TreePath, kind| conflicts((path, wanted.kind), (path_of, kind));
    let holders = snapshot.holders().filter(|lock| is_in_the_way(&lock.path, lock.kind));
    let waiters = snapshot.waiters().take(own.unwrap_or(usize::MAX));
    let waiters = waiters.filter(|waiter| is_in_the_way(&waiter.path, waiter.kind));
    let holders = holders.map(|lock| Blocker::by_holder(path.clone(), lock.clone()));
    holders.chain(waiters.map(|waiter| Blocker::by_waiter(path.clone(), waiter.clone()))).collect()
}

/// A few paths, and how many more there are.
fn list(paths: &[&TreePath]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> =
        paths.iter().take(SHOWN).map(|path| format!("`{}`", printable(&path.to_string()))).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A lock or a waiter that is in the way, for people.
pub(crate) fn describe(blocker: &Blocker) -> String {
    let owner = blocker.owner().map_or_else(|| "somebody".into(), |owner| printable(owner.as_str()));
    let path = printable(&blocker.path().to_string());
    let shared = match blocker.kind() {
        Some(kind) if kind.mode == Mode::Shared => " shared",
        _ => "",
    };
    let mut text = match blocker.waiting() {
        Some(_) => format!("{owner} waits for `{path}`{shared}"),
        None => format!("`{path}` is held{shared} by {owner}"),
    };
    let since =
        blocker.held().map_or_else(|| blocker.waiting().and_then(|waiting| waiting.waited), |held| held.held_for);
    if let Some(since) = since {
        text.push_str(&format!(" since {}", span(since)));
    }
    text
}
