//! The page, as Markdown.

use std::fmt::Write;

use mutextree_benches::machine::machine;
use mutextree_benches::measure::Effort;
use mutextree_benches::unit::{nanos, rate, thousands};

use crate::plot::{Plot, Unit};

/// A plot, and what to see in it.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) plot: Plot,
    /// One paragraph.
    pub(crate) shows: String,
}

/// From this line on a page is written by hand.
const BY_HAND: &str = "\n<!-- The program keeps what follows: it is written by hand. -->\n";

/// What was written by hand in the page that is there.
pub(crate) fn kept(page: &str) -> Option<&str> {
    page.find(BY_HAND).map(|at| &page[at..])
}

pub(crate) fn markdown(sections: &[Section], effort: &Effort) -> String {
    let rough = if effort.quick { " Taken with `--quick`: **rough**." } else { "" };
    let measured = format!(
        "{} The figures and plots are written by \
         `cargo run --release -p mutextree-benches --features redis --bin performance`.{rough}",
        machine()
    );
    let mut page = String::from("# Performance\n");
    for paragraph in [
        &measured,
        "All figures of one plot were measured in one run, and each is a median. So compare within a plot, \
         not between plots. **mutextree, handle** is `mutex.lock()` on a kept `TreeMutex`. \
         **mutextree, store.lock(path)** looks the path up each time.",
        "Of the peers, bolt, glock and the chain of read-write locks know of a tree. `parking_lot::Mutex`, \
         lockable and the maps do not: they show what a lock without a tree costs. Each is used in the way \
         that is fastest for it, with paths that are not known at compile time (`benches/src/peers/`).",
    ] {
        write!(page, "\n{}", wrapped(paragraph)).expect("a string takes all");
    }
    page + &parts(sections)
}

/// What it says of each plot.
pub(crate) fn parts(sections: &[Section]) -> String {
    let mut page = String::new();
    for section in sections {
        let Section { heading, plot, shows } = section;
        let image = wrapped(&format!("![{}]({})", plot.title, plot.path()));
        write!(page, "\n## {heading}\n\n{image}\n{}\n{}", wrapped(shows), table(plot)).expect("a string takes all");
    }
    page
}

/// A paragraph in lines of at most 100 columns.
fn wrapped(paragraph: &str) -> String {
    let (mut lines, mut columns) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if columns > 0 {
            // A line that begins with a plus would be an item of a list.
            let fits = columns + 1 + length <= 100 || word == "+";
            lines.push(if fits { ' ' } else { '\n' });
            columns = if fits { columns + 1 } else { 0 };
        }
        lines.push_str(word);
        columns += length;
    }
    lines.push('\n');
    lines
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
