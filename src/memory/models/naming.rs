//! Names in the word, against those who put the lock on record.

use super::*;
use crate::memory::grant::{self, NAMED_GRANT};
use crate::memory::name::{Registered, name};
use crate::sync::ticks;

/// What a handle of this owner knows that was used before.
fn registered(node: &Node, owner: &str) -> Registered {
    let handle = Registered::none();
    (0..2).for_each(|_| handle.note(node, &owner.into()));
    handle
}

fn name_of(handle: &Registered) -> u64 {
    name(handle.slot().unwrap(), ticks()).unwrap()
}

/// A named lock is released during a look at its node, and another lock is taken: a record that is
/// seen has its claim, and none is left. Fails if the name stays in the word of a lock that is put
/// on record.
#[test]
fn a_named_lock_against_a_look() {
    explore("a_named_lock_against_a_look", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let name = name_of(&registered(&node, "me"));
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => {
                world.touch(&node, Kind::Xs);
                grant::release(&node, NAMED_GRANT | name).unwrap();
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

/// A named lock is broken, and another one of the same handle is taken, while the guard of the
/// first is dropped: that ends no other lock. Fails if a lock that has strayed does not bar names.
/// Also if names are barred only after the claim of the broken lock has ended.
#[test]
fn a_broken_named_lock() {
    explore("a_broken_named_lock", || {
        let world = World::new(ENDLESS, &["a"]);
        let node = world.used("a");
        let name = name_of(&registered(&node, "me"));
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => _ = grant::release(&node, NAMED_GRANT | name)),
            threaded!(world, node => {
                for (_, lock) in node.look().recorded {
                    node.break_recorded(lock.fencing_token.unwrap());
                }
                if node.claim_named(name) {
                    world.touch(&node, Kind::Xs);
                    grant::release(&node, NAMED_GRANT | name).expect("it was not broken");
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
        let handle = registered(&node, "me");
        let name = name_of(&handle);
        assert!(node.claim_named(name));
        run([
            threaded!(world, node => {
                handle.end(&node);
                assert!(registered(&node, "you").slot().is_some());
            }),
            threaded!(world, node => {
                for (_, lock) in node.look().recorded {
                    assert_eq!(lock.owner.unwrap().as_str(), "me");
                }
            }),
            threaded!(world, node => grant::release(&node, NAMED_GRANT | name).unwrap()),
        ]);
        assert!(node.look().recorded.is_empty(), "every lock has ended");
        drop(node);
        world.assert_as_new();
    });
}
