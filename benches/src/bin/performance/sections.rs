//! What is measured, a plot a file.
//!
//! * `depth.rs`, `threads.rs`, `one_node.rs`: lock + unlock, on one thread and on several
//! * `readers.rs`: several threads that share a node
//! * `storm.rs`, `idle.rs`: a node with others below it
//! * `paths.rs`: paths that were never used before
//! * `redis.rs`, `kept.rs`: over Redis

mod depth;
mod idle;
mod kept;
mod one_node;
mod paths;
mod readers;
mod redis;
mod storm;
mod threads;

use mutextree_benches::measure::{Effort, uncounted};

use crate::page::Section;

/// How many threads there are at once.
const THREADS: [usize; 4] = [1, 2, 4, 8];

type Measure = (&'static str, fn(&Effort) -> Section);

const SERVER: &str = "a server that answers, as it did before";

const SECTIONS: [Measure; 10] = [
    ("depth", depth::measure),
    ("threads", threads::measure),
    ("one node", one_node::measure),
    ("readers", readers::measure),
    ("storm", storm::measure),
    ("idle nodes", idle::measure),
    ("paths", paths::measure),
    ("locks over Redis", redis::held),
    ("threads over Redis", redis::threads),
    ("kept locks over Redis", kept::shared),
];

/// Measures all of them, or those with this word in their name, and says on stderr where it is.
pub(crate) fn measure(effort: &Effort, only: Option<&str>) -> Vec<Section> {
    let measure = |(name, measure): Measure| {
        eprintln!("measuring {name} ...");
        uncounted(|| measure(effort))
    };
    SECTIONS.into_iter().filter(|(name, _)| only.is_none_or(|word| name.contains(word))).map(measure).collect()
}
