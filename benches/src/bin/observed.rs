//! What the features `tracing` and `metrics` cost: a handle's lock + unlock, free and contended,
//! against `parking_lot::Mutex`. Features are chosen when it is built, so each state of them is a
//! run, and the ratios are compared:
//!
//! ```text
//! cargo run --release -p mutextree-benches --bin observed
//! cargo run --release -p mutextree-benches --bin observed --features tracing
//! cargo run --release -p mutextree-benches --bin observed --features metrics
//! cargo run --release -p mutextree-benches --bin observed --features metrics,tracing
//! ```

use std::hint::black_box;

use mutextree::{LockStore, MemoryStore, TreeMutex};
use mutextree_benches::measure::{Effort, Versus, all_in_turns, crowd, uncounted};
use mutextree_benches::ours::Handle;
use mutextree_benches::peers::ParkingLot;
use mutextree_benches::unit::{nanos, rate};
use mutextree_benches::{Site, Subject};

/// Several workers on one node.
struct OneNode(TreeMutex);

impl Subject for OneNode {
    const NAME: &'static str = "mutextree, one node";

    fn workers(site: &Site) -> Vec<Self> {
        let mutex = MemoryStore::new().mutex(site.leaf(0)).unwrap();
        (0..site.workers).map(|_| Self(mutex.clone())).collect()
    }

    fn cycle(&mut self) {
        drop(black_box(&self.0).lock().unwrap());
    }
}

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

fn lone<S: Subject>(what: &str) {
    let versus = Versus::lone::<S, ParkingLot>(&Effort::FULL, &Site::LONE);
    let (ours, theirs) = (nanos(versus.a), nanos(versus.b));
    println!("{what:<62} {:>6.2}x   {ours} / {theirs}", versus.ratio);
}

fn contended(what: &str) {
    let effort = Effort { rounds: 21, ..Effort::FULL };
    let mut contestants = [crowd::<OneNode>(&effort, &Site::siblings(2))];
    println!("{what:<62} {}", rate(all_in_turns(effort.rounds, &mut contestants)[0]));
}

fn rows(installed: &str) {
    lone::<Handle>(&format!("handle / parking_lot::Mutex{installed}"));
    contended(&format!("two threads on one handle{installed}"));
    #[cfg(feature = "metrics")]
    lone::<Measured>(&format!("the same with metrics(true){installed}"));
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
