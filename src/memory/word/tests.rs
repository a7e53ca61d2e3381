//! The word against the crate's public conflict table, for every pair of kinds at every place.

use super::*;
use crate::request::{self, Mode, Scope, conflicts};
use crate::{ToTreePath, TreePath};

fn spelled_out(kind: Kind) -> request::Kind {
    let (mode, scope) = match kind {
        Kind::Xs => (Mode::Exclusive, Scope::Subtree),
        Kind::Ss => (Mode::Shared, Scope::Subtree),
        Kind::Xn => (Mode::Exclusive, Scope::Node),
        Kind::Sn => (Mode::Shared, Scope::Node),
    };
    request::Kind::new(mode, scope)
}

fn path_at(place: Place) -> TreePath {
    match place {
        Place::Here => "a/b",
        Place::Above => "a",
        Place::Below => "a/b/c",
    }
    .to_tree_path()
    .unwrap()
}

fn pairs() -> impl Iterator<Item = (Kind, Kind, Place)> {
    let kinds = || Kind::ALL.into_iter();
    kinds().flat_map(move |one| kinds().flat_map(move |other| PLACES.map(|place| (one, other, place))))
}

#[test]
fn masks_are_the_conflict_table() {
    for (asked, held, place) in pairs() {
        let (here, there) = (path_at(Place::Here), path_at(place));
        let expected = conflicts((&here, spelled_out(asked)), (&there, spelled_out(held)));
        for count in [1, 2, 0xff_ffff] {
            let word = if held.is_shared() { held.unit() * count } else { held.unit() };
            assert_eq!(asked.conflicts(place) & word != 0, expected, "{asked:?} against {held:?} {place:?}");
        }
        assert_eq!(asked.closes(place) & held.gate() != 0, expected, "gate of {held:?} for {asked:?} {place:?}");
        let struck = asked.conflicting_marks(place) & held.mark() != 0;
        assert_eq!(struck, expected && held.is_subtree(), "{asked:?} strikes out {held:?} {place:?}");
    }
}

#[test]
fn no_two_meanings_share_a_bit() {
    let mut seen = 0;
    let single = [ENROLLED, KIDS, PARKED, MARK_X, MARK_S, CLEAR, NAMED, BARRED];
    let gates = Kind::ALL.map(Kind::gate);
    for bits in single.into_iter().chain(gates).chain([XS, XN, SS, SN]) {
        assert_eq!(seen & bits, 0);
        seen |= bits;
    }
    assert_eq!(gates.iter().sum::<u64>(), GATES);
}

/// Whatever its bits are, and whatever else the word says.
#[test]
fn a_name_is_no_more_than_an_exclusive_claim() {
    for name in [1, 2, 0xff_ffff, 0x100_0000, (1 << NAME_BITS) - 1] {
        let word = ENROLLED | KIDS | PARKED | CLEAR | GATES | named_claim(name);
        let plain = ENROLLED | KIDS | PARKED | CLEAR | GATES | XS;
        assert_eq!((name_in(word), name_in(plain), unnamed(word)), (Some(name), None, plain));
        for kind in Kind::ALL {
            for place in PLACES {
                let conflicts = |word| kind.conflicts(place) & word != 0;
                assert_eq!(conflicts(word), conflicts(plain), "{kind:?} {place:?}");
                assert_eq!(kind.keeps_out_holder(word, place), kind.keeps_out_holder(plain, place));
            }
            assert_eq!((kind.count(word), kind.is_simple(word)), (kind.count(plain), false));
            assert_eq!(kind.without_one(word), if kind == Kind::Xs { plain - XS } else { word });
        }
        assert!(!is_upgrading(word) && readers(word) == 0 && !readers_below(word));
        assert_eq!(word & COVERS != 0, plain & COVERS != 0);
    }
}

#[test]
fn what_reaches_below_covers() {
    for kind in Kind::ALL {
        let covers = [kind.unit(), kind.mark()].map(|bits| bits & COVERS != 0);
        assert_eq!(covers, [kind.is_subtree(); 2], "{kind:?}");
    }
    assert_eq!(COVERS & (ENROLLED | KIDS | PARKED | GATES | CLEAR), 0);
}

#[test]
fn counts_fill_up_without_touching_their_neighbours() {
    for (kind, all) in [(Kind::Ss, SS), (Kind::Sn, SN)] {
        // All who sit can still be counted when it is full.
        let free = all - SPARE * kind.unit();
        assert!(kind.is_full(all) && kind.is_full(free + kind.unit()) && !kind.is_full(free) && !kind.is_full(0));
        assert_eq!((kind.count(all), kind.count(!all), kind.count(3 * kind.unit())), (0xff_ffff, 0, 3));
    }
    assert_eq!([Kind::Xs, Kind::Xn].map(|kind| [kind.count(u64::MAX), kind.count(!kind.unit())]), [[1, 0]; 2]);
    assert!(!Kind::Xs.is_full(u64::MAX) && !Kind::Xn.is_full(u64::MAX));
}

#[test]
fn downgrading_keeps_the_scope() {
    for kind in Kind::ALL {
        let (before, after) = (spelled_out(kind), spelled_out(kind.downgraded()));
        assert_eq!((after.scope, after.mode), (before.scope, Mode::Shared));
    }
}
