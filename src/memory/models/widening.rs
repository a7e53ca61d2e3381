//! Locks that are widened: they give way to others, and let nobody in.

use super::*;
use crate::memory::{MemoryGrant, widen};

/// Widens a granted claim to the subtree of a node above.
fn widen_to(node: &PlainArc<Node>, kind: Kind, wider: &PlainArc<Node>) -> bool {
    widen::widen(node, &MemoryGrant::new(kind), wider).is_ok()
}

/// `a/b`, locked in this way, is widened to `a`, while another tries to lock `other`, which the
/// held lock refuses in any case, or does not.
fn widen_against(name: &'static str, other: &'static str, kinds: [Kind; 2], is_refused: bool) {
    explore(name, move || {
        let world = World::new(ENDLESS, &["a/b", "a/x"]);
        let (held, wider, asked) = (world.used("a/b"), world.used("a"), world.looked_at(other));
        take(&held, kinds[0]);
        let outcomes = PlainArc::new(AtomicUsize::new(0));
        run([
            threaded!(world, held, wider, outcomes => {
                world.touch(&held, kinds[0]);
                if widen_to(&held, kinds[0], &wider) {
                    outcomes.fetch_add(1, Plain::Relaxed);
                    world.touch(&wider, kinds[0].with_subtree());
                }
            }),
            threaded!(world, asked, outcomes => if world.try_lock(&asked, kinds[1]).is_ok() {
                outcomes.fetch_add(2, Plain::Relaxed);
            }),
        ]);
        let outcome = outcomes.load(Plain::Relaxed);
        assert_ne!(outcome, 3, "both have what conflicts");
        if is_refused {
            assert_eq!(outcome, 1, "it is widened, and there was no gap");
        } else {
            assert_ne!(outcome, 0, "one of the two succeeds");
        }
        if outcome == 2 {
            asked.drop_claim(kinds[1]);
        }
        if outcome == 1 {
            wider.drop_claim(kinds[0].with_subtree());
        } else {
            held.drop_claim(kinds[0]);
        }
        drop((held, wider, asked));
        world.assert_as_new();
    });
}

/// Somebody tries a sibling: one of the two succeeds, and never both. Fails if a widened lock does
/// not look down.
#[test]
fn widen_against_a_sibling() {
    widen_against("widen_against_a_sibling", "a/x", [Kind::Xs, Kind::Xs], false);
}

/// The same of a shared lock, and an exclusive sibling. Fails if a widened lock does not look down.
#[test]
fn widen_a_shared_lock() {
    widen_against("widen_a_shared_lock", "a/x", [Kind::Ss, Kind::Xs], false);
}

/// Somebody tries below the held node: it never gets in, and is in nobody's way. Fails if a widened
/// lock lets go before it claims, if a widening lock takes itself for a conflict, or if a widening
/// lock takes newcomers below for locks.
#[test]
fn widen_against_a_try_below() {
    widen_against("widen_against_a_try_below", "a/b/c", [Kind::Xs, Kind::Xs], true);
}

/// Somebody tries the root, which fails for the held lock in any case. Fails if a widened lock lets
/// go before it claims.
#[test]
fn widen_against_a_try_above() {
    widen_against("widen_against_a_try_above", "/", [Kind::Xs, Kind::Xs], true);
}

/// Two share one subtree, one widens, and one wants to be exclusive. Fails if a widening lock goes
/// past pending upgrades below its own.
#[test]
fn widen_against_an_upgrade() {
    explore("widen_against_an_upgrade", || {
        let world = World::new(ENDLESS, &["a/b/c"]);
        let (wider, held, below) = (world.used("a"), world.used("a/b"), world.used("a/b/c"));
        take(&held, Kind::Ss);
        take(&below, Kind::Ss);
        run([
            threaded!(world, wider, held => {
                let at = if widen_to(&held, Kind::Ss, &wider) { wider } else { held };
                world.touch(&at, Kind::Ss);
                at.drop_claim(Kind::Ss);
            }),
            threaded!(world, below => {
                crate::memory::upgrade::upgrade(&below, Kind::Ss, None, None, None, |_| {}).unwrap();
                world.touch(&below, Kind::Xs);
                below.drop_claim(Kind::Xs);
            }),
        ]);
        drop((wider, held, below));
        world.assert_as_new();
    });
}
