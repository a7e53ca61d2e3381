//! The page, as Markdown.

use std::fmt::Write;

use mutextree_benches::machine::machine;
use mutextree_benches::measure::Effort;
use mutextree_benches::unit::{nanos, rate, thousands};

use crate::plot::{Plot, Unit};

/// Where the plots are, seen from the page.
pub(crate) const PLOTS: &str = "performance";

/// A plot, and what to see in it.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) plot: Plot,
    /// One sentence.
    pub(crate) shows: String,
}

pub(crate) fn markdown(sections: &[Section], effort: &Effort) -> String {
    let machine = machine();
    let rough = if effort.quick { "Taken with `--quick`: **rough**.\n" } else { "" };
    let mut page = format!(
        "# Performance

{machine}
Written by `cargo run --release -p mutextree-benches --features redis --bin performance`; take your own.
{rough}
All that is in one plot was measured in one run and each figure is a median: compare within a plot. **mutextree, handle** is `mutex.lock()` on a kept `TreeMutex`;
**mutextree, store.lock(path)** looks the path up each time. Of the peers, bolt, glock and the chain of read-write locks know of a tree; `parking_lot::Mutex`,
lockable and the maps do not: they are what one would pay without one. Each is used the way that is fastest for it, with paths that were not known when the
program was compiled (`benches/src/peers/`).
"
    );
    for section in sections {
        let Section { heading, plot, shows } = section;
        write!(page, "\n## {heading}\n\n![{}]({})\n\n{shows}\n\n{}", plot.title, plot.path(), table(plot))
            .expect("a string takes all");
    }
    page
}

fn table(plot: &Plot) -> String {
    let xs = plot.xs();
    let show = |value: f64| match plot.unit {
        _ if !value.is_finite() => "-".into(),
        Unit::Time => nanos(value),
        Unit::Rate => rate(value),
    };
    let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
    let mut table = row(plot.x, xs.iter().map(|x| thousands(*x)).collect());
    table += &row("---", vec!["---:".into(); xs.len()]);
    for series in &plot.series {
        // Or `Arc<Mutex>` would be a tag.
        let name = series.line.name.replace('<', "&lt;");
        table += &row(&name, xs.iter().map(|x| show(series.at(*x))).collect());
    }
    table
}
