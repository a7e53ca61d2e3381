//! What is found, and what a removal leaves in nobody's hands.

use std::sync::{Arc, Barrier};
use std::thread;

use super::*;

struct Named {
    name: String,
    hash: u64,
}

impl Keyed for Named {
    fn key(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> u64 {
        self.hash
    }
}

fn named(index: &Index<Named>, name: &str) -> Arc<Named> {
    Arc::new(Named { name: name.to_owned(), hash: index.hash(name) })
}

fn find(index: &Index<Named>, name: &str) -> Option<Arc<Named>> {
    index.get(name, index.hash(name))
}

#[test]
fn what_is_there_is_found_and_no_more() {
    let index = Index::new();
    let names: Vec<String> = (0..5000).map(|n| format!("{}{n}", "x".repeat(n % 60))).collect();
    for name in &names {
        let new = named(&index, name);
        assert!(find(&index, name).is_none());
        assert!(index.get_or_insert(new.clone()).1);
        let (there, is_new) = index.get_or_insert(named(&index, name));
        assert!(!is_new && Arc::ptr_eq(&there, &new));
    }
    assert_eq!(index.len(), names.len());
    for name in &names[1000..] {
        let there = find(&index, name).unwrap();
        assert_eq!(index.remove_idle(there).unwrap().name, *name);
        assert!(find(&index, name).is_none());
    }
    index.shrink_to_fit();
    assert!(names[..1000].iter().all(|name| find(&index, name).is_some_and(|there| there.name == *name)));
    let mut seen = 0;
    index.for_each(|_| seen += 1);
    assert_eq!((seen, index.len()), (1000, 1000));
}

/// Names that differ by little have hashes that differ in each of the bits that are used.
#[test]
fn hashes_of_similar_names_are_different() {
    let index = Index::<Named>::new();
    for name in ["", "a", "0123456", "01234567", "0123456789abcde", "0123456789abcdef", "org/team/project/file/part"] {
        let hashes: Vec<u64> = (0..200).map(|n| index.hash(&format!("{name}{n}"))).collect();
        for shift in [0, 40, 57] {
            let mut parts: Vec<u64> = hashes.iter().map(|hash| hash >> shift & 127).collect();
            parts.sort_unstable();
            parts.dedup();
            // By chance it would be 101.
            assert!(parts.len() > 75, "{} of 128 for `{name}` from bit {shift} on", parts.len());
        }
        assert!(!hashes.contains(&index.hash(name)));
    }
}

#[test]
fn what_somebody_has_is_not_removed() {
    let index = Index::new();
    let held = index.get_or_insert(named(&index, "a")).0;
    assert!(index.remove_idle(held.clone()).is_none());
    assert!(Arc::ptr_eq(&find(&index, "a").unwrap(), &held));
    let weak = Arc::downgrade(&held);
    assert!(index.remove_idle(held).is_some());
    assert!(weak.upgrade().is_none() && find(&index, "a").is_none());
}

/// A weak reference against a removal: either it comes first, and the node stays where it is, or it
/// comes to nothing.
#[test]
fn a_removal_leaves_nothing_to_a_weak_reference() {
    let index = Index::new();
    let both = Barrier::new(2);
    for round in 0..3000 {
        let new = index.get_or_insert(named(&index, "a")).0;
        let weak = Arc::downgrade(&new);
        let (had, removed) = thread::scope(|scope| {
            let taker = scope.spawn(|| {
                both.wait();
                (0..round % 8).for_each(|_| std::hint::spin_loop());
                weak.upgrade()
            });
            both.wait();
            let removed = index.remove_idle(new);
            (taker.join().unwrap(), removed)
        });
        match (had, removed) {
            (Some(had), None) => assert!(Arc::ptr_eq(&had, &find(&index, "a").unwrap())),
            (None, Some(_)) => assert!(find(&index, "a").is_none()),
            (Some(_), Some(_)) => panic!("it was removed while somebody had it"),
            (None, None) => panic!("nobody had it, and it was not removed"),
        }
    }
}
