//! Circles with locks in them that change.

use mutextree::{LockStore, Mode};

use super::{at_once, mutex, told, until_they_wait};
use crate::common::asking::{AT_MOST, asking, in_time};

/// A reader wants to write. Another one, which is in its way, waits for what it holds.
pub fn an_upgrade<S: LockStore>(store: S) {
    in_time(move || {
        let (reader, z) = (mutex(&store, "page").shared(), mutex(&store, "z"));
        let (mut mine, held) = (reader.lock_owned().unwrap(), z.lock().unwrap());
        let (theirs, then) = (reader.clone(), z.clone());
        let other = asking(move || {
            let _held = theirs.lock().unwrap();
            then.lock().map(drop)
        });
        until_they_wait(&store);
        let deadlock = told(mine.try_upgrade_for(AT_MOST));
        let [me, them] = deadlock.cycle() else { panic!("{deadlock}") };
        assert_eq!((me.wants.path.to_string(), me.wants.kind.mode), ("page".into(), Mode::Exclusive));
        assert_eq!(me.holds.as_ref().unwrap().path.to_string(), "z");
        assert_eq!(me.wants.asked_at.unwrap().file(), file!());
        let theirs = them.holds.as_ref().unwrap();
        assert_eq!((theirs.path.to_string(), theirs.kind.mode), ("page".into(), Mode::Shared));
        // It is as it was before, and nobody is kept out by what was asked for.
        assert_eq!(mine.mode(), Mode::Shared);
        assert!(mine.is_held() && reader.try_lock().is_ok());
        drop(held);
        other.ends().unwrap();
        mine.try_upgrade_for(AT_MOST).unwrap();
    });
}

/// One's own shared lock is in the way of another one's upgrade, on that node and around it.
pub fn an_upgrade_and_ones_own<S: LockStore>(store: S) {
    in_time(move || {
        for other in ["a", "a/b", "a/b/c"] {
            let mut mine = mutex(&store, "a/b").shared().lock_owned().unwrap();
            let own = mutex(&store, other).shared().lock_owned().unwrap();
            at_once(|| {
                let deadlock = told(mine.try_upgrade_for(AT_MOST));
                let [only] = deadlock.cycle() else { panic!("{deadlock}") };
                assert_eq!(only.holds.as_ref().unwrap().path.to_string(), other);
            });
            drop(own);
            mine.try_upgrade().unwrap();
        }
    });
}

/// Shared, and shared again: behind another reader who waits to write.
pub fn behind_an_upgrade<S: LockStore>(store: S) {
    in_time(move || {
        let reader = mutex(&store, "page").shared();
        let (held, theirs) = (reader.lock().unwrap(), reader.clone());
        let other = asking(move || theirs.lock_owned().unwrap().try_upgrade_for(AT_MOST));
        until_they_wait(&store);
        let deadlock = told(mutex(&store, "page/part").shared().lock().map(drop));
        let [me, them] = deadlock.cycle() else { panic!("{deadlock}") };
        assert_eq!(me.wants.path.to_string(), "page/part");
        assert_eq!((them.wants.path.to_string(), them.wants.kind.mode), ("page".into(), Mode::Exclusive));
        drop(held);
        other.ends().unwrap();
    });
}

/// A lock that was narrowed, widened or upgraded is its holder's still, and was taken where it was.
pub fn a_changed_lock<S: LockStore>(store: S) {
    in_time(move || {
        let (held, line) = (store.lock("a").unwrap(), line!());
        let mut parts = held.narrow(["a/b", "a/c"]).unwrap();
        let is_told = |wanted: &str, holds: &str| {
            let deadlock = told(store.lock(wanted).map(drop));
            let [only] = deadlock.cycle() else { panic!("{deadlock}") };
            let lock = only.holds.as_ref().unwrap();
            assert_eq!((lock.path.to_string(), lock.taken_at.unwrap().line()), (holds.into(), line));
        };
        is_told("a/b", "a/b");
        is_told("a/c/x", "a/c");
        drop(parts.pop());
        assert!(store.lock("a/c").is_ok());
        let wide = parts.pop().unwrap().try_widen("a").unwrap();
        is_told("a/c", "a");
        drop(wide);
        let mut page = mutex(&store, "a").shared().lock_owned().unwrap();
        page.try_upgrade().unwrap();
        told(mutex(&store, "a/b").shared().lock().map(drop));
        drop(page);
        assert!(store.lock("a").is_ok());
    });
}
