//! What is measured, a plot a file.
//!
//! * `depth.rs`, `threads.rs`, `one_node.rs`: lock + unlock, alone and in company
//! * `storm.rs`, `idle.rs`: a node with others below it
//! * `paths.rs`: paths that nobody has seen before
//! * `redis.rs`: over Redis

mod depth;
mod idle;
mod one_node;
mod paths;
mod redis;
mod storm;
mod threads;

use mutextree_benches::measure::{Effort, uncounted};

use crate::page::Section;

/// How many threads there are at once.
const THREADS: [usize; 4] = [1, 2, 4, 8];

type Measure = fn(&Effort) -> Option<Section>;

const SECTIONS: [(&str, Measure); 7] = [
    ("depth", |effort| Some(depth::measure(effort))),
    ("threads", |effort| Some(threads::measure(effort))),
    ("one node", |effort| Some(one_node::measure(effort))),
    ("storm", |effort| Some(storm::measure(effort))),
    ("idle nodes", |effort| Some(idle::measure(effort))),
    ("paths", |effort| Some(paths::measure(effort))),
    ("redis", redis::measure),
];

/// Measures all of them, and says on stderr where it is.
pub(crate) fn measure(effort: &Effort) -> Vec<Section> {
    let measure = |(name, measure): (&str, Measure)| {
        eprintln!("measuring {name} ...");
        uncounted(|| measure(effort))
    };
    SECTIONS.into_iter().filter_map(measure).collect()
}
