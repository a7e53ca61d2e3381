//! [`Patience`]: how long is waited for what has to happen once all is well.
//!
//! Time counts only while the machine lets a store get its answers. If the machine is busy with
//! something else an answer may take longer than a store's timeout, although the server is well.
//! Then each call of that store fails, as it should, and its worker does not get on. That is no
//! fault of the store's. A higher limit would not tell the two cases apart: it would only find
//! later who hangs.
//!
//! So a plain client tries again and again, on the workers' ways to the server, what one call of a
//! store may take: it opens a connection, and sends two commands, one after the other. The time up
//! to the end of such a trial counts if it took half of the store's timeout at the most. When
//! enough time has counted, who is not done is stuck. When very much time has passed, and not
//! enough of it counted, nothing can be told: the round fails, too.

#[cfg(test)]
mod tests;

use std::time::Duration;

use redis::{Client, RedisResult};

use crate::clock::{MILLI, SECOND, now};

/// The time between two trials, in microseconds.
const BETWEEN: u64 = 100 * MILLI;
/// The limit is waited for as often as this, if not all of the time counts.
const MOST: u64 = 10;

/// What is left of the time for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Some,
    /// All that was needed has counted.
    None,
    /// The machine is too busy to tell.
    Unknown,
}

pub(crate) struct Patience {
    ways: Vec<Client>,
    /// A trial may take this long.
    trial: u64,
    time: Time,
}

/// The time that has passed and the time that counts, in microseconds.
#[derive(Debug)]
struct Time {
    limit: u64,
    began: u64,
    /// When the last trial ended.
    last: u64,
    counted: u64,
}

impl Patience {
    /// For so long, on the ways that these URLs name; `timeout` is that of the stores.
    pub(crate) fn new(urls: &[String], timeout: u64, limit: u64) -> Self {
        let ways = urls.iter().map(|url| Client::open(url.as_str()).expect("the URL is one")).collect();
        Self { ways, trial: timeout / 2, time: Time::new(now(), limit) }
    }

    /// Whether to wait on. Makes a trial if one is due.
    pub(crate) fn left(&mut self) -> Left {
        let begun = now();
        if begun - self.time.last >= BETWEEN {
            let is_quick = self.ways.iter().all(|way| {
                let begun = now();
                trial(way, Duration::from_micros(self.trial)).is_ok() && now() - begun <= self.trial
            });
            self.time.tried(begun, now(), is_quick);
        }
        self.time.left()
    }

    /// How much of the time has not counted.
    pub(crate) fn lost(&self) -> u64 {
        (self.time.last - self.time.began).saturating_sub(self.time.counted)
    }

    pub(crate) fn text(&self) -> String {
        let seconds = |micros: u64| micros as f64 / SECOND as f64;
        let (passed, counted) = (seconds(self.time.last - self.time.began), seconds(self.time.counted));
        format!(
            "after {passed:.1} s, in {counted:.1} s of which a plain client had its answers within half of the timeout"
        )
    }
}

impl Time {
    fn new(now: u64, limit: u64) -> Self {
        Self { limit, began: now, last: now, counted: 0 }
    }

    /// A trial began then, and ended then.
    fn tried(&mut self, begun: u64, ended: u64, is_quick: bool) {
        if is_quick {
            // A longer pause is one in which this process itself did not run.
            self.counted += (begun - self.last).min(2 * BETWEEN) + (ended - begun);
        }
        self.last = ended;
    }

    fn left(&self) -> Left {
        if self.counted >= self.limit {
            Left::None
        } else if self.last - self.began >= MOST * self.limit {
            Left::Unknown
        } else {
            Left::Some
        }
    }
}

fn trial(way: &Client, most: Duration) -> RedisResult<()> {
    let mut connection = way.get_connection_with_timeout(most)?;
    connection.set_read_timeout(Some(most))?;
    connection.set_write_timeout(Some(most))?;
    redis::cmd("INFO").arg("all").exec(&mut connection)?;
    redis::cmd("EVAL").arg("return 1").arg(0).exec(&mut connection)
}
