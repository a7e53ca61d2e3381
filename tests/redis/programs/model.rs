//! The steps of a program, and the list that does the same in the plainest way.

use mutextree::{Kind, Mode, Scope, ToTreePath};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Acquire {
        path: usize,
        kind: u8,
        wait: bool,
    },
    /// Of the tokens so far.
    Again {
        which: usize,
        wait: bool,
    },
    Release {
        which: usize,
        tombstone: bool,
    },
    Downgrade {
        which: usize,
    },
    /// Its time is up, be it held or waited for.
    Expire {
        which: usize,
    },
    Refresh {
        which: usize,
        length: u64,
        version: i64,
    },
    Detach {
        which: usize,
        detach: bool,
        length: u64,
        version: i64,
    },
    Inspect {
        path: usize,
        kind: u8,
    },
    /// By somebody else.
    Break {
        which: usize,
    },
    /// What matters to a path.
    List {
        path: usize,
    },
    /// Until nothing that has expired is left.
    Tidy,
    /// The server's clock is found to have been set back by an hour.
    ClockBack,
}

pub(super) const PATHS: [&str; 9] =
    ["", "\x01a", "\x01a\x01b", "\x01a\x01b\x01c", "\x01a\x01d", "\x01a-b", "\x01e", "\x01e\x01f", "\x01ab"];

/// So long that nothing ends by itself, also where the clock jumps.
pub(super) const LEASE: u64 = 10_000_000_000_000;
pub(super) const HOUR: u64 = 3_600_000_000;

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let (path, kind, which) = (0..PATHS.len(), 1..=4u8, 0..1000usize);
    let length = prop_oneof![Just(0), Just(LEASE / 2), Just(LEASE), Just(LEASE * 2)];
    let version = prop_oneof![1 => Just(-1), 2 => Just(0), 2 => 1..4i64];
    prop_oneof![
        8 => (path.clone(), kind.clone(), any::<bool>()).prop_map(|(path, kind, wait)| Step::Acquire { path, kind, wait: wait || kind == 3 }),
        3 => (which.clone(), any::<bool>()).prop_map(|(which, wait)| Step::Again { which, wait }),
        5 => (which.clone(), any::<bool>()).prop_map(|(which, tombstone)| Step::Release { which, tombstone }),
        2 => which.clone().prop_map(|which| Step::Downgrade { which }),
        4 => which.clone().prop_map(|which| Step::Expire { which }),
        3 => (which.clone(), length.clone(), version.clone()).prop_map(|(which, length, version)| Step::Refresh { which, length, version }),
        1 => (which.clone(), any::<bool>(), length, version).prop_map(|(which, detach, length, version)| Step::Detach { which, detach, length, version }),
        1 => which.clone().prop_map(|which| Step::Break { which }),
        1 => path.clone().prop_map(|path| Step::List { path }),
        2 => (path, kind).prop_map(|(path, kind)| Step::Inspect { path, kind }),
        1 => Just(Step::Tidy),
        1 => Just(Step::ClockBack),
    ]
}

/// A token, and what was asked for with it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) token: String,
    pub(super) path: &'static str,
    pub(super) kind: u8,
    /// Whether its release left a tombstone, and whether that has had its time.
    pub(super) buried: bool,
    pub(super) crumbles: bool,
}

/// The list: every request that is held or waits, in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    pub(super) token: String,
    pub(super) path: &'static str,
    pub(super) kind: u8,
    pub(super) held: bool,
    /// Whether its time is up.
    pub(super) dead: bool,
}

/// A path of three components counts as one that is too long for the fast paths.
pub(super) fn fast(path: &str) -> bool {
    path.matches('\x01').count() < 3
}

pub(super) fn below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('\x01'))
}

/// What the crate says to its users, so that the scripts are held against that.
pub(super) fn conflict(path: &str, kind: u8, other: &Lock) -> bool {
    let tree_path = |text: &str| text.split('\x01').skip(1).collect::<Vec<_>>().to_tree_path().unwrap();
    let kind_of = |kind| match kind {
        1 => Kind::new(Mode::Exclusive, Scope::Subtree),
        2 => Kind::new(Mode::Exclusive, Scope::Node),
        3 => Kind::new(Mode::Shared, Scope::Subtree),
        4 => Kind::new(Mode::Shared, Scope::Node),
        _ => unreachable!("there are four kinds"),
    };
    mutextree::conflicts((&tree_path(path), kind_of(kind)), (&tree_path(other.path), kind_of(other.kind)))
}

pub(super) fn settle(locks: &mut [Lock]) {
    for at in 0..locks.len() {
        let (path, kind) = (locks[at].path, locks[at].kind);
        let blocked =
            locks.iter().enumerate().any(|(i, other)| i != at && (other.held || i < at) && conflict(path, kind, other));
        locks[at].held |= !blocked;
    }
}
