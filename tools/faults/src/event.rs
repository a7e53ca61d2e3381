//! [`Event`]: what a worker tells its parent, one line each.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use crate::claim::Locked;
use crate::clock::now;

#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// On the host's clock.
    pub(crate) at: u64,
    /// The number of the worker process and that of the acquisition in it: see [`worker_of`]. 0 in
    /// the second part if it is about none.
    pub(crate) id: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A request is about to be sent.
    Asks { claim: Locked, waits: bool },
    /// It was granted, and is held at this time. `before`: when it was asked for.
    Granted { claim: Locked, token: u64, before: u64, lease: u64, renews: bool },
    /// It was refused, timed out, given up.
    Refused,
    /// The store failed.
    Failed { text: String },
    /// `is_held` was called after this time, and said yes.
    Seen,
    /// A refresh is about to be sent; 0 for the lease's own length.
    Refreshes { length: u64 },
    /// A downgrade is about to be sent.
    Weaker,
    /// `is_held` said no, or a request found the lock gone.
    Lost,
    /// The release is about to be called.
    Releases,
    /// It has returned, whatever came of it.
    Released,
    /// This process did not run since that time, or hardly.
    Stalled { since: u64 },
    /// A thread panicked.
    Panicked { text: String },
    /// All is released, and nobody waits.
    Idle,
    /// How many locks this process had again without a request, and how many recalls came.
    Kept { hits: u64, recalls: u64 },
}

/// The number of the process that an id belongs to.
pub(crate) fn worker_of(id: u64) -> u64 {
    id >> 32
}

pub(crate) fn id(worker: u64, acquisition: u64) -> u64 {
    worker << 32 | acquisition
}

/// As people read it.
pub(crate) fn name(id: u64) -> String {
    format!("{}.{}", worker_of(id), id & 0xffff_ffff)
}

/// Tells the parent. The line is there as a whole when this returns, also if the process is killed
/// at that moment. Without a parent there is nothing left to do.
pub(crate) fn tell(at: u64, id: u64, what: What) {
    let line = format!("{}\n", Event { at, id, what });
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

pub(crate) fn tell_now(id: u64, what: What) {
    tell(now(), id, what);
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.at, self.id)?;
        match &self.what {
            What::Asks { claim, waits } => write!(f, "asks {waits} {claim}"),
            What::Granted { claim, token, before, lease, renews } => {
                write!(f, "granted {token} {before} {lease} {renews} {claim}")
            }
            What::Refused => f.write_str("refused"),
            What::Failed { text } => write!(f, "failed {}", text.replace('\n', " ")),
            What::Seen => f.write_str("seen"),
            What::Refreshes { length } => write!(f, "refreshes {length}"),
            What::Weaker => f.write_str("weaker"),
            What::Lost => f.write_str("lost"),
            What::Releases => f.write_str("releases"),
            What::Released => f.write_str("released"),
            What::Stalled { since } => write!(f, "stalled {since}"),
            What::Panicked { text } => write!(f, "panicked {}", text.replace('\n', " ")),
            What::Idle => f.write_str("idle"),
            What::Kept { hits, recalls } => write!(f, "kept {hits} {recalls}"),
        }
    }
}

impl FromStr for Event {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut rest = line;
        let mut next = || {
            let (word, left) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = left;
            word
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        let yes = |text: &str| text.parse::<bool>().map_err(|_| ());
        let (at, id) = (number(next())?, number(next())?);
        let what = match next() {
            "asks" => What::Asks { waits: yes(next())?, claim: next().parse()? },
            "granted" => What::Granted {
                token: number(next())?,
                before: number(next())?,
                lease: number(next())?,
                renews: yes(next())?,
                claim: next().parse()?,
            },
            "refused" => What::Refused,
            "failed" => What::Failed { text: rest.to_owned() },
            "seen" => What::Seen,
            "refreshes" => What::Refreshes { length: number(next())? },
            "weaker" => What::Weaker,
            "lost" => What::Lost,
            "releases" => What::Releases,
            "released" => What::Released,
            "stalled" => What::Stalled { since: number(next())? },
            "panicked" => What::Panicked { text: rest.to_owned() },
            "idle" => What::Idle,
            "kept" => What::Kept { hits: number(next())?, recalls: number(next())? },
            _ => return Err(()),
        };
        Ok(Self { at, id, what })
    }
}
