//! Whether what happened in a run with threads was allowed.
//!
//! A history is a list of [`Op`]s with the times at which things happened. Times are any numbers
//! that rise along the run and are used once, such as a counter that every thread draws from.
//! Nothing in here knows threads or clocks, so that any harness can use it.
//!
//! What a time proves depends on its side of the call:
//!
//! * From after `lock` returned until before `release` is called, the lock is *surely* held.
//! * From before `lock` is called until after `release` returned, the request is *possibly* there,
//!   waiting or held.
//!
//! Two surely held locks must not conflict. A request that fails must have met one that was
//! possibly there. A waiter must not go on waiting when nothing that it conflicts with is possibly
//! there.

use std::fmt;

use mutextree::{Mode, TreePath};

use super::kinds::Ask;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Op {
    pub ask: Ask,
    /// Before the call.
    pub asked: u64,
    pub end: End,
}

#[derive(Clone, Debug)]
pub enum End {
    /// Refused, or given up.
    Failed {
        /// After the call.
        at: u64,
        /// The path said to be in the way.
        named: Option<TreePath>,
    },
    /// Neither had nor given up when the record ended.
    Waits,
    /// Held, and released.
    Held {
        /// After the call.
        from: u64,
        /// Before and after the call that made it a shared lock, if there was one.
        downgraded: Option<[u64; 2]>,
        /// Before and after the call.
        released: [u64; 2],
        /// Asked for as soon as the lock was held, if it was.
        token: Option<u64>,
    },
}

/// A stretch of time in which a lock is there in this way.
type Phase = (u64, u64, Ask);

impl Op {
    fn as_shared(&self) -> Ask {
        let mut ask = self.ask.clone();
        ask.kind.mode = Mode::Shared;
        ask
    }

    /// When and how it is held beyond doubt.
    fn surely(&self) -> Vec<Phase> {
        match self.end {
            End::Failed { .. } | End::Waits => vec![],
            End::Held { from, downgraded: None, released: [to, _], .. } => vec![(from, to, self.ask.clone())],
            End::Held { from, downgraded: Some([middle, _]), released: [to, _], .. } => {
                vec![(from, middle, self.ask.clone()), (middle, to, self.as_shared())]
            }
        }
    }

    /// When and how it may be there: held, waiting or racing.
    fn possibly(&self) -> Vec<Phase> {
        match self.end {
            End::Failed { .. } | End::Waits => vec![self.waiting()],
            End::Held { downgraded: None, released: [_, to], .. } => vec![(self.asked, to, self.ask.clone())],
            End::Held { downgraded: Some([_, middle]), released: [_, to], .. } => {
                vec![(self.asked, middle, self.ask.clone()), (self.asked, to, self.as_shared())]
            }
        }
    }

    /// When it may have waited.
    fn waiting(&self) -> Phase {
        (self.asked, self.answered(), self.ask.clone())
    }

    /// When the call returned.
    fn answered(&self) -> u64 {
        match self.end {
            End::Failed { at, .. } => at,
            End::Waits => u64::MAX,
            End::Held { from, .. } => from,
        }
    }

    /// From when on nothing of it is left.
    fn gone(&self) -> u64 {
        match self.end {
            End::Failed { at, .. } => at,
            End::Waits => u64::MAX,
            End::Held { released: [_, to], .. } => to,
        }
    }

    fn was_held(&self) -> bool {
        matches!(self.end, End::Held { .. })
    }
}

/// Where two conflicting phases overlap.
fn clash(these: &[Phase], those: &[Phase]) -> Option<(u64, u64)> {
    these.iter().find_map(|(from, to, ask)| {
        those.iter().find_map(|(other_from, other_to, other)| {
            let (start, end) = (*from.max(other_from), *to.min(other_to));
            (start < end && ask.conflicts(other)).then_some((start, end))
        })
    })
}

/// How much a run may deviate from the ideal, which depends on how much its threads get in each
/// other's way without the store's doing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many may ask later for something that conflicts and be granted it sooner.
    pub overtaken: usize,
    /// How long nothing at all may be in the way before a request has its lock, or fails.
    pub unblocked: u64,
}

/// What must not happen.
#[derive(Clone, Debug)]
pub enum Violation {
    /// Two conflicting locks were held at once.
    Overlap(Op, Op),
    /// It failed, or never had an answer, although nobody who conflicts with it got a lock or held
    /// one: at best some met each other, and all failed.
    Invented(Op),
    /// It failed because of a path, it said, on which there was nothing that conflicts.
    WrongName(Op),
    /// Nothing had been in the way for so long when it failed, or was let in at last: it missed its
    /// wake-up.
    Missed(Op, u64),
    /// So many who asked later were served first.
    Starved(Op, usize),
    /// They conflict, and the token of the later one is not the greater one.
    Tokens(Op, Op),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap(one, other) => write!(f, "held at once:\n  {one:?}\n  {other:?}"),
            Self::Invented(op) => write!(f, "kept out by nobody:\n  {op:?}"),
            Self::WrongName(op) => write!(f, "failed, and named a path where nothing was in the way:\n  {op:?}"),
            Self::Missed(op, time) => write!(f, "still waited when nothing had been in the way for {time}:\n  {op:?}"),
            Self::Starved(op, times) => write!(f, "overtaken {times} times:\n  {op:?}"),
            Self::Tokens(one, other) => write!(f, "tokens out of order:\n  {one:?}\n  {other:?}"),
        }
    }
}

/// What is known of one request after all that overlap with it have been looked at.
#[derive(Default)]
struct Findings {
    /// Whether one was in the way that got its lock.
    met_a_holder: bool,
    /// Those in the way that failed themselves.
    met_failures: Vec<usize>,
    /// Until when something was in the way.
    blocked_until: u64,
    /// Whether something was in the way at the path named.
    name_is_right: bool,
    overtaken: usize,
}

/// Everything in this history that must not be, in no particular order.
pub fn check(mut history: Vec<Op>, limits: Limits) -> Vec<Violation> {
    history.sort_by_key(|op| op.asked);
    let mut violations = tokens_out_of_order(&history);
    let end = history.iter().flat_map(|op| [op.asked, op.gone()]).filter(|time| *time != u64::MAX).max().unwrap_or(0);
    let mut findings: Vec<Findings> = history.iter().map(|_| Findings::default()).collect();

    // Sweeps the requests in the order they were made; `present` are those that are possibly still
    // there.
    let mut present: Vec<usize> = Vec::new();
    for (at, op) in history.iter().enumerate() {
        present.retain(|&earlier| history[earlier].gone() > op.asked);
        for &earlier in &present {
            let first = &history[earlier];
            if clash(&first.surely(), &op.surely()).is_some() {
                violations.push(Violation::Overlap(first.clone(), op.clone()));
            }
            if first.ask.conflicts(&op.ask) && op.was_held() && op.answered() < first.answered() {
                findings[earlier].overtaken += 1;
            }
            for (one, other) in [(earlier, at), (at, earlier)] {
                note_what_was_in_the_way(&history, one, other, &mut findings[one]);
            }
        }
        present.push(at);
    }

    let explained = explained(&history, &findings);
    for ((op, found), explained) in history.into_iter().zip(findings).zip(explained) {
        if found.overtaken > limits.overtaken {
            violations.push(Violation::Starved(op.clone(), found.overtaken));
        }
        let answered = op.answered().min(end);
        let unblocked = answered - found.blocked_until.max(op.asked).min(answered);
        let is_named = matches!(op.end, End::Failed { named: Some(_), .. });
        if !explained && !op.was_held() {
            violations.push(Violation::Invented(op));
        } else if is_named && !found.name_is_right {
            violations.push(Violation::WrongName(op));
        } else if unblocked > limits.unblocked {
            violations.push(Violation::Missed(op, unblocked));
        }
    }
    violations
}

/// Fails with the first of what must not be in this history.
#[track_caller]
pub fn assert_sound(history: Vec<Op>, limits: Limits) {
    let violations = check(history, limits);
    let shown: Vec<String> = violations.iter().take(5).map(Violation::to_string).collect();
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), shown.join("\n"));
}

/// Notes in `found` whether `other` was in the way of `one` until that had an answer.
fn note_what_was_in_the_way(history: &[Op], one: usize, other: usize, found: &mut Findings) {
    let (op, blocker) = (&history[one], &history[other]);
    let Some((_, until)) = clash(&[op.waiting()], &blocker.possibly()) else { return };
    found.blocked_until = found.blocked_until.max(until);
    if let End::Failed { named, .. } = &op.end {
        found.name_is_right |= named.as_ref() == Some(&blocker.ask.path);
    }
    if blocker.was_held() {
        found.met_a_holder = true;
    } else {
        found.met_failures.push(other);
    }
}

/// Whether each failure goes back, by way of others that failed perhaps, to somebody who got a
/// lock.
fn explained(history: &[Op], findings: &[Findings]) -> Vec<bool> {
    let mut explained: Vec<bool> = findings.iter().map(|found| found.met_a_holder).collect();
    let mut to_do: Vec<usize> = (0..history.len()).filter(|&at| explained[at]).collect();
    while let Some(at) = to_do.pop() {
        for &met in &findings[at].met_failures {
            if !std::mem::replace(&mut explained[met], true) {
                to_do.push(met);
            }
        }
    }
    explained
}

/// Compares every lock with the greatest token so far on each lock that it conflicts with.
fn tokens_out_of_order(history: &[Op]) -> Vec<Violation> {
    let mut by_grant: Vec<(u64, u64, &Op)> = history
        .iter()
        .filter_map(|op| match op.end {
            End::Held { from, token: Some(token), .. } => Some((from, token, op)),
            _ => None,
        })
        .collect();
    by_grant.sort_by_key(|(from, ..)| *from);
    let mut greatest: Vec<(u64, &Op)> = Vec::new();
    let mut violations = Vec::new();
    for (_, token, op) in by_grant {
        for (before, earlier) in &greatest {
            if *before >= token && earlier.ask.conflicts(&op.ask) {
                violations.push(Violation::Tokens((*earlier).clone(), op.clone()));
            }
        }
        match greatest.iter_mut().find(|(_, earlier)| earlier.ask == op.ask) {
            Some(known) if known.0 < token => *known = (token, op),
            Some(_) => {}
            None => greatest.push((token, op)),
        }
    }
    violations
}
