//! [`Turns`]: for how long a lock is handed over, to whom, and whether what was given back stays
//! given back (docs/redis.md, I5, I6, and what has expired).

use std::collections::BTreeMap;

use super::emulation::{Data, Touched};
use super::ledger::{Granted, Ledger, number, text};
use crate::redis::value::Value;

/// A script that has run.
pub(super) struct Ran<'a> {
    /// Its arguments.
    pub(super) words: &'a [&'a [u8]],
    /// For how long the tokens were to be tombstones, in microseconds, if it was a release; and the
    /// tokens.
    pub(super) released: Option<u64>,
    pub(super) tokens: &'a [&'a [u8]],
    /// The key of the ends.
    pub(super) deadlines: &'a str,
    /// The time in the tree.
    pub(super) time: f64,
    /// True time.
    pub(super) now: u64,
    /// Whether a tombstone lasts for as long as it was asked for.
    pub(super) is_steady: bool,
}

/// How the replies of `upgrade` begin.
const REFUSED: i64 = 0;
const GRANTED: i64 = 1;
const WAITS: i64 = 2;

#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    /// When the time of each waiter is up.
    ends: BTreeMap<Vec<u8>, f64>,
    /// What was given back, and up to when it must not come back.
    gone: BTreeMap<Vec<u8>, u64>,
    /// The last attempt of each lock to become exclusive that was given up while a request for it
    /// may have been under way, and up to when it must not come back.
    refused: BTreeMap<Vec<u8>, (u64, u64)>,
    /// Whether a script was seen before: else all is read, and not only what was touched.
    knows: bool,
}

impl Turns {
    /// After a script, with what it granted.
    pub(super) fn check(
        &mut self,
        ran: &Ran<'_>,
        granted: &[Granted],
        ledger: &Ledger,
        data: &Data,
        touched: &Touched,
    ) -> Result<(), String> {
        for it in granted {
            self.is_not_gone(&it.token, "granted", ran)?;
            let asked = ran.words.contains(&&it.token[..]);
            let (Some(window), false) = (it.window, asked) else { continue };
            let end = data.score(ran.deadlines, &it.token).unwrap_or(0.0);
            let was_dead = self.ends.get(&it.token).is_some_and(|&end| end <= ran.time);
            if was_dead && end > ran.time {
                return Err(format!("{} is handed a lock, and its heartbeat was over (I5)", text(&it.token)));
            }
            if end > ran.time + window as f64 {
                return Err(format!("{} is handed a lock for longer than a claim window (I5)", text(&it.token)));
            }
        }
        if !std::mem::replace(&mut self.knows, true) {
            ledger.waiters().try_for_each(|token| self.note_end(token, ran, ledger, data))?;
        }
        let mut tokens = touched.waiters.iter().chain(&touched.ends);
        tokens.try_for_each(|token| self.note_end(token, ran, ledger, data))?;
        if let Some(tombstone) = ran.released {
            let until = match tombstone {
                // Its client knows that no request for it is under way.
                0 => u64::MAX,
                _ if ran.is_steady => ran.now + tombstone,
                _ => 0,
            };
            self.gone.extend(ran.tokens.iter().map(|token| (token.to_vec(), until)));
        }
        Ok(())
    }

    /// After an `upgrade`: an attempt that was given up is not carried out any more. What is
    /// exclusive by a later one is no deed of this one.
    pub(super) fn check_upgrade(&mut self, ran: &Ran<'_>, reply: &[Value]) -> Result<(), String> {
        let (&[_, token, _, attempt, waits, tombstone], [Value::Int(code), rest @ ..]) = (ran.words, reply) else {
            return Ok(());
        };
        let (Some(attempt), Some(tombstone)) = (number::<u64>(attempt), number::<u64>(tombstone)) else {
            return Ok(());
        };
        let is_done = match (*code, rest) {
            (GRANTED, [Value::Int(fence), ..]) => *fence as f64 >= ran.time,
            (code, _) => code == WAITS,
        };
        if let Some(&(last, until)) = self.refused.get(token)
            && is_done
            && attempt <= last
            && ran.now < until
        {
            return Err(format!(
                "attempt {attempt} of {} to become exclusive was given up, and is done (I6)",
                text(token)
            ));
        }
        if *code == REFUSED && waits == b"0" && tombstone > 0 && ran.is_steady {
            let (_, until) = self.refused.get(token).copied().unwrap_or_default();
            self.refused.insert(token.to_vec(), (attempt, until.max(ran.now + tombstone)));
        }
        Ok(())
    }

    /// Takes down when the time of a waiter is up. Who waits anew was not given back.
    fn note_end(&mut self, token: &[u8], ran: &Ran<'_>, ledger: &Ledger, data: &Data) -> Result<(), String> {
        if !ledger.waits(token) {
            self.ends.remove(token);
            return Ok(());
        }
        let end = data.score(ran.deadlines, token).unwrap_or(0.0);
        match self.ends.get_mut(token) {
            Some(its) => *its = end,
            None => {
                self.is_not_gone(token, "queued", ran)?;
                self.ends.insert(token.to_vec(), end);
            }
        }
        Ok(())
    }

    fn is_not_gone(&self, token: &[u8], what: &str, ran: &Ran<'_>) -> Result<(), String> {
        match self.gone.get(token) {
            Some(&until) if until > ran.now => Err(format!("{} is {what}, and was given back (I6)", text(token))),
            _ => Ok(()),
        }
    }
}
