//! From what users believed to what they may not have believed. It lets the judge see all in the
//! order of time.
//!
//! A belief lasts from a grant to the last time at which its holder saw `is_held` say yes. What it
//! rests on is not known to its user. But at time t it rests on a request that was sent after t
//! less its lease. So the judge is told a lease after a loss of data: what is believed from now on
//! rests on a request since.

use std::fmt;

use mutextree_judge::Judge;

/// A lock on a subtree, exclusive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) &'static str);

impl mutextree_judge::Claim for Path {
    fn conflicts_with(&self, other: &Self) -> bool {
        let covers = |above: &str, below: &str| {
            below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        covers(self.0, other.0) || covers(other.0, self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What one holder believed. Times are microseconds of the test's clock.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) path: Path,
    pub(crate) token: u64,
    /// When it was asked for.
    pub(crate) before: u64,
    pub(crate) from: u64,
    pub(crate) seen: u64,
}

/// When data may have been lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Loss { until: u64 },
    Granted { id: usize },
    Confirmed { id: usize, rests_on: u64 },
}

/// How many grants there were, and how many overlaps that a loss of data excuses.
///
/// # Panics
/// If anything else overlapped, or a token did not rise.
pub(crate) fn judge(lives: &[Life], losses: &[Loss], lease: u64) -> (u64, u64) {
    let mut told = Vec::new();
    told.extend(losses.iter().map(|loss| (loss.from, Told::Loss { until: loss.until })));
    for (id, life) in lives.iter().enumerate() {
        told.push((life.from, Told::Granted { id }));
        for loss in losses {
            let at = loss.until + lease;
            if life.from < at && at < life.seen {
                told.push((at, Told::Confirmed { id, rests_on: loss.until }));
            }
        }
    }
    told.sort();
    let mut judge = Judge::new();
    for (at, told) in told {
        match told {
            Told::Loss { until } => judge.data_lost(until),
            Told::Granted { id } => {
                let life = &lives[id];
                let rests_on = life.before.max(at.saturating_sub(lease));
                judge.granted(id as u64, life.path.clone(), life.token, at, life.seen + 1, rests_on);
            }
            Told::Confirmed { id, rests_on } => judge.extended(id as u64, at, lives[id].seen + 1, rests_on),
        }
    }
    let wrong: Vec<&str> = judge.violations().iter().map(|violation| violation.text.as_str()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\nlosses: {losses:?}");
    (judge.grants(), judge.losses())
}

#[test]
fn an_overlap_is_a_violation_unless_data_was_lost_before() {
    let life = |path, token, from| Life { path: Path(path), token, before: from, from, seen: from + 10 };
    let lives = [life("a", 1, 100), life("a/b", 2, 105)];
    assert!(std::panic::catch_unwind(|| judge(&lives, &[], 50)).is_err());
    assert_eq!(judge(&lives, &[Loss { from: 102, until: 103 }], 50), (2, 1));
    assert!(std::panic::catch_unwind(|| judge(&lives, &[Loss { from: 1, until: 2 }], 50)).is_err());
    let falls = [life("a", 2, 100), life("a", 1, 200)];
    assert!(std::panic::catch_unwind(|| judge(&falls, &[], 50)).is_err());
    assert_eq!(judge(&[life("a", 1, 100), life("ab", 1, 105), life("a", 2, 200)], &[], 50), (3, 0));
}
