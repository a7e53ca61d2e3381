use super::phase::try_claim_all;
use crate::backend::{Backend, Member};
use crate::memory::MemoryStore;
use crate::observe::Meter;
use crate::request::Wait;
use crate::store::LockStore;
use crate::sync::Ordering;

fn members(store: &MemoryStore, paths: &[&str]) -> Vec<Member<MemoryStore>> {
    let member = |path: &&str| {
        let (node, request, _): (_, _, Meter) = store.mutex(*path).unwrap().into_parts();
        Member { node, request }
    };
    paths.iter().map(member).collect()
}

fn words(members: &[Member<MemoryStore>]) -> Vec<u64> {
    members.iter().map(|member| member.node.0.word.load(Ordering::SeqCst)).collect()
}

/// A user of [`Backend`] may ask for what no [`TreeMutexSet`](crate::TreeMutexSet) does.
#[test]
fn a_set_of_none_and_of_one() {
    let store = MemoryStore::new();
    assert!(MemoryStore::acquire_all(&[], Wait::Never).unwrap().is_empty());
    let one = members(&store, &["a"]);
    let grants = MemoryStore::acquire_all(&one, Wait::Never).unwrap();
    assert_eq!(grants.len(), 1);
    assert!(store.try_lock("a/b").is_err());
    MemoryStore::release_all(&one, grants).unwrap();
    assert!(store.try_lock("/").is_ok());
}

/// Wherever a phase meets its obstacle, and whatever it has claimed by then: it names the member,
/// and takes all claims off.
#[test]
fn a_phase_that_is_refused_leaves_every_word_as_it_was() {
    let store = MemoryStore::new();
    let set = members(&store, &["a", "b/1", "c"]);
    drop(store.lock("a/x").unwrap());
    drop(store.lock("c/x").unwrap()); // inner nodes now
    let held = ["a", "a/x", "b", "b/1", "c", "c/x", "c/x/y"];
    for (held, blocked) in held.into_iter().zip([0, 0, 1, 1, 2, 2, 2]) {
        let guard = store.lock(held).unwrap();
        let before = words(&set);
        let (member, in_the_way) = try_claim_all(&set).unwrap_err();
        assert_eq!((member, in_the_way.path.to_string().as_str()), (blocked, held));
        // A walk may have taken `CLEAR` off, and idle children.
        let claims = |words: Vec<u64>| words.into_iter().map(|word| word >> 3 & !(1 << 4)).collect::<Vec<_>>();
        assert_eq!(claims(words(&set)), claims(before), "`{held}` was held");
        drop(guard);
    }
    assert!(try_claim_all(&set).is_ok());
    set.iter().for_each(|member| member.node.0.drop_claim(super::super::word::Kind::Xs));
    assert!(store.try_lock("/").is_ok());
}

/// A node that sets use, and nobody else, gets its `CLEAR` back.
#[test]
fn claims_of_sets_set_clear() {
    let store = MemoryStore::new();
    let set = members(&store, &["a", "b"]);
    let take = || MemoryStore::release_all(&set, MemoryStore::acquire_all(&set, Wait::Never).unwrap()).unwrap();
    take();
    drop(store.lock("/").unwrap()); // its walk takes `CLEAR` off, or the nodes off their list
    take();
    for word in words(&set) {
        assert_ne!(word & super::super::word::CLEAR, 0);
    }
}
