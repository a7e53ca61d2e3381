//! Names in the word, against those who put the lock on record.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;
use crate::memory::grant::{self, NAMED_GRANT, RECORDED};
use crate::memory::name::{Registered, leased_in_model, taken_now};
use crate::memory::word::Place;
use crate::memory::{MemoryGrant, MemoryNode};
use crate::request::Request;

fn request(owner: &str, lease: Option<Duration>) -> Request {
    let mut request = Request::new(crate::Kind::default());
    (request.owner, request.lease) = (Some(owner.into()), lease);
    request
}

/// What a handle with these terms knows that was used before.
fn registered(node: &Node, owner: &str, lease: Option<Duration>) -> Registered {
    let (handle, request) = (Registered::none(), request(owner, lease));
    (0..2).for_each(|_| handle.note(node, &request));
    handle
}

fn name_of(handle: &Registered) -> u64 {
    taken_now(handle.slot().unwrap()).unwrap()
}

/// A node, and the name of a lock there of a handle with an owner.
fn owned() -> (PlainArc<World>, PlainArc<Node>, u64) {
    let world = World::new(ENDLESS, &["a"]);
    let node = world.used("a");
    let name = name_of(&registered(&node, "me", None));
    (world, node, name)
}

const HOUR: Duration = Duration::from_secs(3600);

/// The name of a lock of a handle with a lease, which has ended, or never does.
fn leased(node: &Node, has_ended: bool) -> u64 {
    leased_in_model(registered(node, "me", Some(HOUR)).slot().unwrap(), has_ended)
}

/// A named lock is released during a look at its node, and another lock is taken: a record that is
/// seen has its claim, and none is left. Fails if the name stays in the word of a lock that is put
/// on record.
#[test]
fn a_named_lock_against_a_look() {
    explore("a_named_lock_against_a_look", || {
        let (world, node, name) = owned();
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => {
                world.touch(&node, Kind::Xs);
                grant::release(&node, NAMED_GRANT | name, Kind::Xs).unwrap();
            }),
            threaded!(world, node => {
                let look = node.look();
                assert!(look.recorded.len() as u64 <= look.claims[Kind::Xs.index()], "{look:?}");
            }),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
        ]);
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}

/// A named lock is put on record while a try is refused because of it: the refusal knows whose it
/// is. Fails if the mark that there is a record comes after the name has gone.
#[test]
fn a_named_lock_against_a_refusal() {
    explore("a_named_lock_against_a_refusal", || {
        let (world, node, name) = owned();
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => assert_eq!(node.look().recorded.len(), 1)),
            threaded!(world, node => {
                let owner = node.owner_unless_expired(Kind::Xs, Place::Here).unwrap();
                assert_eq!(owner.expect("it has one").as_str(), "me");
            }),
        ]);
        _ = grant::release(&node, NAMED_GRANT | name, Kind::Xs);
        drop(node);
        world.assert_as_new();
    });
}

/// A handle with an owner is used again while its lock is held, by its thread and by another one:
/// neither is let in. Fails if the name of the lock that is held lets its handle in again.
#[test]
fn a_named_lock_and_its_own_handle() {
    explore("a_named_lock_and_its_own_handle", || {
        let (world, node, name) = owned();
        let lock_twice = move |world: &World, node: &PlainArc<Node>| {
            if node.claim_named(name) {
                world.touch(node, Kind::Xs);
                assert!(!node.claim_named(name), "it is locked already");
                grant::release(node, NAMED_GRANT | name, Kind::Xs).unwrap();
            }
        };
        run([threaded!(world, node => lock_twice(&world, &node)), threaded!(world, node => lock_twice(&world, &node))]);
        drop(node);
        world.assert_as_new();
    });
}

/// A named lock is broken, and another one of the same handle is taken, while the guard of the
/// first is dropped: that ends no other lock. Fails if a lock that has strayed does not bar names.
/// Also if names are barred only after the claim of the broken lock has ended.
#[test]
fn a_broken_named_lock() {
    explore("a_broken_named_lock", || {
        let (world, node, name) = owned();
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => _ = grant::release(&node, NAMED_GRANT | name, Kind::Xs)),
            threaded!(world, node => {
                for (_, lock) in node.look().recorded {
                    node.break_recorded(lock.fencing_token.unwrap());
                }
                if node.claim_named(name) {
                    world.touch(&node, Kind::Xs);
                    grant::release(&node, NAMED_GRANT | name, Kind::Xs).expect("it was not broken");
                }
            }),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
        ]);
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}

/// The handle of a named lock goes, and its slot is given out again, while somebody looks: the lock
/// is still its owner's. Fails if a slot is free before the lock that has it is on record.
#[test]
fn a_handle_goes_before_its_guard() {
    explore("a_handle_goes_before_its_guard", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let handle = registered(&node, "me", None);
        let name = name_of(&handle);
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => {
                handle.end(&node);
                assert!(registered(&node, "you", None).slot().is_some());
            }),
            threaded!(world, node => {
                for (_, lock) in node.look().recorded {
                    assert_eq!(lock.owner.unwrap().as_str(), "me");
                }
            }),
            threaded!(world, node => grant::release(&node, NAMED_GRANT | name, Kind::Xs).unwrap()),
        ]);
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}

/// A named lock whose lease has ended is revoked, and another one is taken, while the guard of the
/// first is released: by name, as it looked at the clock in time; or it asks for its token, which
/// is the smaller one. Fails if a lock that is revoked does not stray.
#[test]
fn an_ended_lease_in_the_word() {
    explore("an_ended_lease_in_the_word", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let name = leased(&node, true);
        assert!(node.claim_named(name));
        let tokens = PlainArc::new([AtomicU64::new(0), AtomicU64::new(u64::MAX)]);
        run([
            threaded!(world, node, tokens => {
                if !node.release_named(name) {
                    let token = MemoryGrant::at_once((NAMED_GRANT | name).try_into().unwrap()).settle(&node);
                    tokens[0].store(token, Plain::Relaxed);
                    _ = grant::release(&node, RECORDED | token, Kind::Xs);
                }
            }),
            threaded!(world, node, tokens => {
                node.revoke_expired();
                if node.claim_fast(Kind::Xs) || node.claim_looking(Kind::Xs) {
                    world.touch(&node, Kind::Xs);
                    tokens[1].store(node.shared().next_token(), Plain::Relaxed);
                    node.drop_claim(Kind::Xs);
                }
            }),
            threaded!(world, node => world.lock(&node, Kind::Xs)),
        ]);
        let [first, second] = [0, 1].map(|at| tokens[at].load(Plain::Relaxed));
        assert!(first < second, "{first} of the lock that was lost, {second} of the next one");
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}

/// A lock with a lease is taken by name while a thread waits for another, and its guard hangs: the
/// waiter gets through when the lease has ended. Fails if a sleeper does not see the end of a lease
/// in the word.
#[test]
fn a_waiter_outlives_a_lease_in_the_word() {
    explore("a_waiter_outlives_a_lease_in_the_word", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let name = leased(&node, true);
        take(&node, Kind::Xs);
        let hung = PlainArc::new(AtomicBool::new(false));
        run([
            threaded!(world, node => world.lock_slowly(&node, Kind::Xs)),
            threaded!(world, node, hung => {
                node.drop_claim(Kind::Xs);
                hung.store(node.claim_named(name), Plain::Relaxed);
            }),
        ]);
        if hung.load(Plain::Relaxed) {
            assert!(grant::release(&node, NAMED_GRANT | name, Kind::Xs).is_err(), "it was revoked");
        }
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}

/// Somebody begins to listen for losses while a lock with a lease is taken by name: the timer
/// watches it. Fails if a claim with a name does not look for listeners. Also if a listener does
/// not write the words that it looks at.
#[test]
fn a_listener_against_a_lease_in_the_word() {
    explore("a_listener_against_a_lease_in_the_word", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let handle = PlainArc::new(MemoryNode(node.clone(), registered(&node, "me", Some(HOUR))));
        let request = request("me", Some(HOUR));
        let (token, listener) = (PlainArc::new(AtomicU64::new(0)), PlainArc::new(Mutex::new(None)));
        run([
            threaded!(world, listener => *listener.lock().unwrap() = Some(world.tree.lost_locks())),
            threaded!(world, handle, token => {
                let claimed = grant::claim_named(&handle, &request).expect("it is free");
                token.store(claimed.get(), Plain::Relaxed);
            }),
        ]);
        assert!(node.cold().slow.lock().records.is_watched(), "the timer comes by");
        grant::release(&node, token.load(Plain::Relaxed), Kind::Xs).unwrap();
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop((handle, node));
        world.assert_as_new();
    });
}
