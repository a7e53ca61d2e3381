//! The table: [`Row`]s with a bound and a verdict, and [`Note`]s, which only inform.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
pub(crate) use mutextree_benches::unit::{Unit, nanos, rate};
use serde::Serialize;

/// Columns of text that a reader is sure to have.
const WIDTH: u16 = 120;

/// A figure to reach.
#[derive(Serialize)]
pub(crate) struct Row {
    what: String,
    /// What mutextree took, and what it is measured by.
    ours: String,
    theirs: String,
    /// What is judged.
    value: f64,
    unit: Unit,
    bound: Bound,
    verdict: Verdict,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: Unit, bound: Bound) -> Self {
        let (ours, theirs) = (String::new(), String::new());
        let verdict = if bound.holds(value) { Verdict::There } else { Verdict::NotThere };
        Self { what: what.into(), ours, theirs, value, unit, bound, verdict }
    }

    /// The two figures that the value comes from.
    pub(crate) fn from(mut self, ours: impl fmt::Display, theirs: impl fmt::Display) -> Self {
        (self.ours, self.theirs) = (ours.to_string(), theirs.to_string());
        self
    }

    /// A shortfall says nothing if the machine could not do it either.
    pub(crate) fn if_machine(mut self, could: bool) -> Self {
        if self.verdict == Verdict::NotThere && !could {
            self.verdict = Verdict::Unclear;
        }
        self
    }

    pub(crate) fn is(&self, verdict: Verdict) -> bool {
        self.verdict == verdict
    }

    fn verdict(&self) -> String {
        let Self { value, unit, bound: Bound::AtMost(bound) | Bound::AtLeast(bound), .. } = self;
        let (value, bound) = (unit.show(*value), unit.show(*bound));
        match self.verdict {
            Verdict::There => format!("there: {value}"),
            Verdict::NotThere => format!("not there: {value} of {bound}"),
            Verdict::Unclear => format!("machine busy: {value}"),
        }
    }
}

/// Whether a row reaches its bound.
#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    There,
    NotThere,
    /// The machine did not give what it takes to tell.
    Unclear,
}

/// What a row must reach.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// A value that is not a number reaches nothing.
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// One lock + unlock of this or that, for information.
#[derive(Serialize)]
pub(crate) struct Note {
    pub(crate) what: &'static str,
    pub(crate) nanos: f64,
    pub(crate) one_thread: f64,
    pub(crate) two_threads: f64,
    pub(crate) scaling: f64,
}

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) rows: Vec<Row>,
    /// What else a family of rows saw.
    pub(crate) remarks: Vec<String>,
    pub(crate) notes: Vec<Note>,
}

impl Report {
    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = table(["what", "mutextree", "against", "bound", "verdict"]);
        for row in &self.rows {
            let bound = match row.bound {
                Bound::AtMost(bound) => format!("≤ {}", row.unit.show(bound)),
                Bound::AtLeast(bound) => format!("≥ {}", row.unit.show(bound)),
            };
            table.add_row([&row.what, &row.ours, &row.theirs, &bound, &row.verdict()]);
        }
        align_right(&mut table, 1..=3);
        writeln!(f, "{table}")?;
        let there = self.rows.iter().filter(|row| row.is(Verdict::There)).count();
        writeln!(f, "{there} of {} rows are there.", self.rows.len())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.machine)?;
        if !self.rows.is_empty() {
            self.write_rows(f)?;
        }
        for remark in &self.remarks {
            writeln!(f, "* {remark}")?;
        }
        if self.notes.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nLock + unlock at depth 4, and the same on two threads with disjoint paths (nothing to reach here):\n"
        )?;
        let mut table = self::table(["what", "one thread", "rate", "two threads", "scaling"]);
        for note in &self.notes {
            table.add_row([
                note.what,
                &nanos(note.nanos),
                &rate(note.one_thread),
                &rate(note.two_threads),
                &Unit::Times.show(note.scaling),
            ]);
        }
        align_right(&mut table, 1..=4);
        writeln!(f, "{table}")
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_width(WIDTH)
        .set_header(header)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn align_right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        table.column_mut(column).expect("there are as many").set_cell_alignment(CellAlignment::Right);
    }
}
