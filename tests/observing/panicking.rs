use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use mutextree::{LockStore, MemoryStore};

use crate::common::asking::{AT_MOST, asking};
use crate::common::naive::NaiveStore;
use crate::seen::Seen;

#[derive(Default)]
struct Panics(AtomicUsize);

impl Panics {
    fn panic(&self) -> ! {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a recorder that is broken")
    }
}

impl Recorder for Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.panic()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.panic()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.panic()
    }
}

fn a_recorder_that_panics_costs_no_lock<S: LockStore>(store: S) {
    let _alone = Seen::from_now();
    let recorder = Panics::default();
    metrics::with_local_recorder(&recorder, || {
        let guard = store.lock("a").unwrap();
        assert!(store.try_lock("a").is_err());
        assert!(store.try_lock_for("a", Duration::from_millis(5)).is_err());
        guard.refresh().unwrap();
        let (began, begins) = std::sync::mpsc::channel();
        let release = asking(move || {
            begins.recv().unwrap();
            drop(guard);
        });
        began.send(()).unwrap();
        drop(store.try_lock_for("a", AT_MOST).unwrap());
        release.ends();
        drop(store.mutex("a").unwrap().lease(Duration::ZERO).lock_owned().unwrap());
    });
    assert!(recorder.0.load(Ordering::Relaxed) > 4);
    assert!(!store.mutex("/").unwrap().is_locked());
}

#[test]
fn a_recorder_that_panics_costs_no_lock_in_memory() {
    a_recorder_that_panics_costs_no_lock(MemoryStore::builder().metrics(true).build());
}

#[test]
fn a_recorder_that_panics_costs_no_lock_of_ones_own_store() {
    a_recorder_that_panics_costs_no_lock(NaiveStore::default());
}
