//! Locks that are narrowed: there is no moment in which a kept node is free.

use super::*;
use crate::memory::MemoryGrant;
use crate::memory::narrow;

/// Narrows a granted claim to one node below.
fn narrow_to(node: &PlainArc<Node>, kind: Kind, to: &PlainArc<Node>) {
    narrow::narrow(node, &MemoryGrant::new(kind), 1, &[to]).unwrap();
}

/// `a`, locked in this way, is narrowed to `to`, used and released, while another locks `other`.
fn narrow_against(name: &'static str, to: &'static str, other: &'static str, kinds: [Kind; 2], prepare: fn(&World)) {
    explore(name, move || {
        let world = World::new(ENDLESS, &["a/b", "a/b/c"]);
        prepare(&world);
        let (held, kept, asked) = (world.used("a"), world.node(to), world.node(other));
        take(&held, kinds[0]);
        // Until it is released `to` is locked without a gap, which keeps out `other`.
        let released = PlainArc::new(AtomicUsize::new(0));
        run([
            threaded!(world, held, kept, released => {
                world.touch(&kept, kinds[0]);
                narrow_to(&held, kinds[0], &kept);
                world.touch(&kept, kinds[0]);
                released.store(1, Plain::Relaxed);
                kept.drop_claim(kinds[0]);
            }),
            threaded!(world, asked, released => {
                take(&asked, kinds[1]);
                assert_eq!(released.load(Plain::Relaxed), 1, "there was a gap");
                world.touch(&asked, kinds[1]);
                asked.drop_claim(kinds[1]);
            }),
        ]);
        drop((held, kept, asked));
        world.assert_as_new();
    });
}

/// Somebody locks the node that is kept: it is never free in between. Fails if a narrowing lock
/// lets go before it claims.
#[test]
fn narrow_against_the_kept_node() {
    narrow_against("narrow_against_the_kept_node", "a/b", "a/b", [Kind::Xs, Kind::Xs], |world| {
        world.used("a/b");
    });
}

/// Somebody locks a node below the kept one: it may look at the kept node before that is claimed,
/// and at the one above after that was let go. Fails if a narrowing lock does not look down.
#[test]
fn narrow_against_a_lock_below() {
    narrow_against("narrow_against_a_lock_below", "a/b", "a/b/c", [Kind::Xs, Kind::Xs], |world| {
        world.looked_at("a/b/c");
    });
}

/// Somebody locks a node below the kept one for the first time, and may set `CLEAR` there. Fails if
/// a narrowing lock does not look down.
#[test]
fn narrow_against_a_new_lock_below() {
    narrow_against("narrow_against_a_new_lock_below", "a/b", "a/b/c", [Kind::Xs, Kind::Ss], |world| {
        world.used("a/b");
    });
}

/// Somebody locks a node between the kept one and the held one. It has no children when it is
/// claimed, so that claim does not look down. Fails if a narrowing lock does not look between.
#[test]
fn narrow_against_a_lock_between() {
    narrow_against("narrow_against_a_lock_between", "a/b/c", "a/b", [Kind::Xs, Kind::Xs], |world| {
        world.used("a/b");
    });
}

/// The same of a shared lock, and an exclusive one between. Fails if a narrowing lock does not look
/// between.
#[test]
fn narrow_a_shared_lock() {
    narrow_against("narrow_a_shared_lock", "a/b/c", "a/b", [Kind::Ss, Kind::Xs], |world| {
        world.used("a/b");
    });
}

/// Somebody drains above: it goes on below what was let go. Fails if a narrowing lock lets go
/// before it claims.
#[test]
fn narrow_against_a_lock_above() {
    narrow_against("narrow_against_a_lock_above", "a/b", "/", [Kind::Xs, Kind::Xs], |world| {
        world.used("a/b");
    });
}

/// Two wait for the held lock: one for the rest, which gets in before the kept part is released,
/// and one for the kept part. Fails if a narrowing lock wakes nobody.
#[test]
fn narrow_wakes_waiters_for_the_rest() {
    explore("narrow_wakes_waiters_for_the_rest", || {
        let world = World::new(ENDLESS, &["a/b", "a/rest"]);
        let (held, kept, rest) = (world.used("a"), world.used("a/b"), world.used("a/rest"));
        take(&held, Kind::Xs);
        let late = thread::spawn(threaded!(world, kept => world.lock(&kept, Kind::Ss)));
        run([
            threaded!(world, rest => world.lock(&rest, Kind::Xs)),
            threaded!(world, held, kept => narrow_to(&held, Kind::Xs, &kept)),
        ]);
        // Only now: the waiter for the rest did not wait for this.
        world.touch(&kept, Kind::Xs);
        kept.drop_claim(Kind::Xs);
        late.join().unwrap();
        drop((held, kept, rest));
        world.assert_as_new();
    });
}
