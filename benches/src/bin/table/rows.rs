//! The figures, a family a file. Each adds its rows to the report.

mod changing;
mod contention;
mod handle;
mod idle;
mod memory;
mod paths;
mod peers;
mod readers;
mod services;
mod sets;
mod storm;
mod stream;
mod tasks;
mod tries;

use mutextree_benches::machine::machine;

use crate::measure::{Effort, uncounted};
use crate::report::Report;

type Family = (&'static str, fn(&Effort, &mut Report));

/// `memory` counts allocations, the others measure time and must not.
const TIMED: [Family; 13] = [
    ("handle", handle::measure),
    ("services", services::measure),
    ("tries", tries::measure),
    ("readers", readers::measure),
    ("paths", paths::measure),
    ("stream", stream::measure),
    ("sets", sets::measure),
    ("changing", changing::measure),
    ("idle", idle::measure),
    ("contention", contention::measure),
    ("storm", storm::measure),
    ("tasks", tasks::measure),
    ("peers", peers::measure),
];
const COUNTED: [Family; 2] = [("memory", memory::measure), ("tasks: memory", tasks::memory)];

/// The families' names.
pub(crate) fn families() -> impl Iterator<Item = &'static str> {
    TIMED.iter().chain(&COUNTED).map(|(name, _)| *name)
}

/// Measures the families whose name contains `only`, and says on stderr where it is.
pub(crate) fn measure(effort: &Effort, only: &str) -> Report {
    let mut report = Report { machine: machine(), rows: Vec::new(), remarks: Vec::new(), notes: Vec::new() };
    let mut run = |families: &[Family]| {
        for (name, measure) in families.iter().filter(|(name, _)| name.contains(only)) {
            eprintln!("measuring {name} ...");
            measure(effort, &mut report);
        }
    };
    uncounted(|| run(&TIMED));
    run(&COUNTED);
    report
}
