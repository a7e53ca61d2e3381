//! What the features `tracing` and `metrics` cost: a free handle's lock + unlock against that of a
//! `parking_lot::Mutex`. Features are chosen when it is built, so each state of them is a run, and
//! the ratios are compared. Both take turns in short slices, and the fastest slice of each counts:
//! that is the one in which nothing else ran.
//!
//! ```text
//! cargo run --release -p mutextree-benches --bin observed
//! cargo run --release -p mutextree-benches --bin observed --features tracing
//! cargo run --release -p mutextree-benches --bin observed --features metrics
//! cargo run --release -p mutextree-benches --bin observed --features metrics,tracing
//! ```

#[cfg(feature = "metrics")]
use std::hint::black_box;
use std::time::Duration;

#[cfg(feature = "metrics")]
use mutextree::{LockStore, MemoryStore, TreeMutex};
use mutextree_benches::measure::{Effort, lone, uncounted};
use mutextree_benches::ours::Handle;
use mutextree_benches::peers::ParkingLot;
use mutextree_benches::unit::nanos;
use mutextree_benches::{Site, Subject};

const SLICES: usize = 1500;

/// A handle of a store that measures each lock.
#[cfg(feature = "metrics")]
struct Measured(TreeMutex);

#[cfg(feature = "metrics")]
impl Subject for Measured {
    const NAME: &'static str = "mutextree, handle, each lock measured";

    fn workers(site: &Site) -> Vec<Self> {
        let store = MemoryStore::builder().metrics(true).build();
        (0..site.workers).map(|worker| Self(store.mutex(site.leaf(worker)).unwrap())).collect()
    }

    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

fn row<S: Subject>(what: &str) {
    let effort = Effort { slice: Duration::from_micros(300), ..Effort::FULL };
    let (mut ours, mut flat) = (lone::<S>(&effort, &Site::LONE), lone::<ParkingLot>(&effort, &Site::LONE));
    let (mut fastest, mut fastest_flat) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..SLICES {
        fastest = fastest.min(ours());
        fastest_flat = fastest_flat.min(flat());
    }
    println!("{what:<58} {:>6.2}x   {} / {}", fastest / fastest_flat, nanos(fastest), nanos(fastest_flat));
}

fn rows(installed: &str) {
    row::<Handle>(&format!("handle / parking_lot::Mutex{installed}"));
    #[cfg(feature = "metrics")]
    row::<Measured>(&format!("the same with metrics(true){installed}"));
}

fn main() {
    let features = [(cfg!(feature = "tracing"), "tracing"), (cfg!(feature = "metrics"), "metrics")];
    let on: Vec<_> = features.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    println!("features: {}", if on.is_empty() { "none".into() } else { on.join(", ") });
    uncounted(|| {
        rows("");
        #[cfg(feature = "metrics")]
        {
            let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
            metrics::set_global_recorder(recorder).expect("it is the first");
            rows(", with a recorder");
        }
        #[cfg(feature = "tracing")]
        {
            tracing_subscriber::fmt().with_writer(std::io::sink).with_max_level(tracing::Level::INFO).init();
            rows(", with a subscriber at INFO");
        }
    });
}
