//! What is shown: progress on standard error during the run, and the table on standard output at
//! the end.

use std::fmt::Display;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::check::Violation;
use crate::operations::Kind;
use crate::run::Outcome;
use crate::tally::Count;

/// A bar on a terminal; elsewhere, a line every two seconds.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    said: Duration,
}

impl Progress {
    const PAUSE: Duration = Duration::from_secs(2);

    pub(crate) fn new(what: &'static str, length: u64) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {msg}").expect("the template is well-formed");
        let bar = ProgressBar::new(length).with_style(style).with_prefix(what);
        Self { bar, what, said: Duration::ZERO }
    }

    pub(crate) fn show(&mut self, position: u64, message: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_position(position);
            self.bar.set_message(message());
        } else if self.bar.elapsed() >= self.said + Self::PAUSE {
            self.said = self.bar.elapsed();
            eprintln!("{}: {}", self.what, message());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `1,234,567`
pub(crate) fn grouped(number: impl TryInto<u64>) -> impl Display {
    HumanCount(number.try_into().unwrap_or_default())
}

/// Operations a second by kind, waits and violations.
pub(crate) fn table(outcome: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut header = ["operation", "a second", "passed by", "waits", "mean wait", "longest"].map(String::from).to_vec();
    header.extend(Violation::ALL.map(|violation| violation.to_string()));
    table.set_header(header);
    for kind in Kind::ALL {
        table.add_row(row(&kind.to_string(), &outcome.tally.counts[kind as usize], outcome.elapsed));
    }
    table.add_row(row("all", &outcome.tally.sum(), outcome.elapsed));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(name: &str, count: &Count, elapsed: Duration) -> Vec<String> {
    let waits = count.waits;
    let mean = waits.total.checked_div(u32::try_from(waits.count).unwrap_or(u32::MAX)).unwrap_or_default();
    let mut row = vec![
        name.to_owned(),
        grouped((count.done as f64 / elapsed.as_secs_f64()).round() as u64).to_string(),
        grouped(count.passed).to_string(),
        grouped(waits.count).to_string(),
        time(mean),
        time(waits.longest),
    ];
    row.extend(count.violations.map(|count| grouped(count).to_string()));
    row
}

fn time(time: Duration) -> String {
    match time.as_micros() {
        0 => "-".to_owned(),
        micros @ ..10_000 => format!("{micros} µs"),
        micros => format!("{} ms", micros / 1000),
    }
}
