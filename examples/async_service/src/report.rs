//! What is shown: progress on standard error during the run, and the table on standard output at
//! the end.

use std::fmt::Display;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::job::Times;
use crate::load::Tally;

/// A bar on a terminal; elsewhere, a line every two seconds.
pub(crate) struct Progress {
    bar: ProgressBar,
    said: Duration,
}

impl Progress {
    const PAUSE: Duration = Duration::from_secs(2);

    pub(crate) fn new(time: Duration) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {msg}").expect("the template is well-formed");
        let length = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { bar: ProgressBar::new(length).with_style(style), said: Duration::ZERO }
    }

    pub(crate) fn show(&mut self, elapsed: Duration, served: u64, violations: u64) {
        let message = format!("{:.0} s, {} requests, {violations} violations", elapsed.as_secs_f64(), grouped(served));
        if !self.bar.is_hidden() {
            self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            self.bar.set_message(message);
        } else if elapsed >= self.said + Self::PAUSE {
            self.said = elapsed;
            eprintln!("{message}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> impl Display {
    HumanCount(number)
}

/// Throughput, and how long things took.
pub(crate) fn table(tally: &Tally, job: &Times, elapsed: Duration) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["what", "number", "a second", "median", "90 %", "99 %", "99.9 %", "longest"]);
    for (what, times) in [
        ("read a document", &tally.reads),
        ("write a document", &tally.writes),
        ("job waits for a tenant", &job.waits),
        ("job has the tenant", &job.holds),
    ] {
        table.add_row(row(what, times, elapsed));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(what: &str, times: &Histogram<u64>, elapsed: Duration) -> Vec<String> {
    let mut row = vec![
        what.to_owned(),
        grouped(times.len()).to_string(),
        grouped((times.len() as f64 / elapsed.as_secs_f64()).round() as u64).to_string(),
    ];
    row.extend([0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| time(times.value_at_quantile(quantile))));
    row
}

fn time(micros: u64) -> String {
    if micros < 10_000 { format!("{micros} µs") } else { format!("{} ms", micros / 1000) }
}
