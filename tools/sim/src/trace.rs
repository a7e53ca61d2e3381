//! [`Trace`]: what happened, for a person to follow. Nothing is written while it is off.

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// In microseconds from the beginning of the history.
    pub(super) at: u64,
    pub(super) who: String,
    pub(super) what: String,
}

#[derive(Debug, Default)]
pub(super) struct Trace {
    rows: Option<Vec<Row>>,
}

impl Trace {
    pub(super) fn on() -> Self {
        Self { rows: Some(Vec::new()) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.rows.is_some()
    }

    pub(super) fn note(&mut self, at: u64, who: impl FnOnce() -> String, what: impl FnOnce() -> String) {
        if let Some(rows) = &mut self.rows {
            rows.push(Row { at, who: who(), what: what() });
        }
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows.unwrap_or_default()
    }
}
