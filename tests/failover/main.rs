//! Sentinels, clusters and failovers, with real servers: while locks are held, waited for by
//! threads and by tasks, and tried. The judge of `tools/judge` decides.
//!
//! * `node.rs`: one `redis-server`, of whatever kind
//! * `replicated.rs`: a master, two replicas and three Sentinels
//! * `sharded.rs`: a cluster of three masters and three replicas
//! * `replicas.rs`: a master and a replica; `wait_for_replicas`
//! * `lost_writes.rs`: a failover that loses the last writes; a master that is cut off
//! * `many.rs`: many trees of one process, over a cluster
//! * `load.rs`: those who hold, wait and try, and what they believed
//! * `verdict.rs`: what they may not have believed

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../redis/checker.rs"]
mod checker;
mod load;
mod lost_writes;
mod many;
mod node;
mod replicas;
mod replicated;
mod sharded;
mod verdict;
mod with_a_cluster;
mod with_sentinels;
#[cfg(feature = "redis-tls")]
mod with_tls;

use std::time::{Duration, Instant};

/// What has to come is there by then, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A lease that outlasts any failover, on a busy machine, too: such a lock is lost only if the data
/// are.
const LONG: Duration = Duration::from_secs(120);

#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
