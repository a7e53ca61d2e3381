//! [`Screen`]: what is drawn, and what the keys have set.

use std::time::Instant;

use mutextree::TreePath;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState};

use super::Look;
use super::columns;
use super::rows::{Column, Row, State, rows, sort};
use crate::text::{printable, span};

/// All that is on the screen.
#[derive(Debug)]
pub(super) struct Screen {
    place: String,
    prefix: TreePath,
    all: Vec<Row>,
    looked: Option<Instant>,
    /// Why the last look brought nothing.
    error: Option<String>,
    pub(super) sorted_by: Column,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// Whether the keys write the filter.
    pub(super) is_typing: bool,
    pub(super) only_contended: bool,
    pub(super) is_frozen: bool,
    selected: TableState,
    /// As many rows as were on the screen.
    pub(super) page: usize,
}

impl Screen {
    pub(super) fn new(place: String, prefix: TreePath) -> Self {
        Self {
            place,
            prefix,
            all: Vec::new(),
            looked: None,
            error: None,
            sorted_by: Column::Path,
            is_reversed: false,
            filter: String::new(),
            is_typing: false,
            only_contended: false,
            is_frozen: false,
            selected: TableState::default(),
            page: 1,
        }
    }

    /// What came of a look.
    pub(super) fn take(&mut self, look: Look) {
        if self.is_frozen {
            return;
        }
        match look {
            Ok(snapshot) => {
                self.all = rows(&snapshot);
                self.looked = Some(Instant::now());
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// The rows that are to be seen, in order.
    pub(super) fn rows(&self) -> Vec<Row> {
        let is_shown = |row: &&Row| row.matches(&self.filter) && (row.is_contended || !self.only_contended);
        let mut rows: Vec<Row> = self.all.iter().filter(is_shown).cloned().collect();
        sort(&mut rows, self.sorted_by, self.is_reversed);
        rows
    }

    /// Moves the selection by so many rows.
    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.rows().len().saturating_sub(1);
        let at = self.selected.selected().map_or(0, |at| at.saturating_add_signed(by));
        self.selected.select(Some(at.min(last)));
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let [top, middle, bottom] =
            Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
        let rows = self.rows();
        self.page = usize::from(middle.height.saturating_sub(1)).max(1);
        frame.render_widget(self.head(&rows), top);
        self.table(frame, &rows, middle);
        frame.render_widget(self.foot(), bottom);
    }

    fn head(&self, rows: &[Row]) -> Paragraph<'static> {
        let waiting = self.all.iter().filter(|row| row.state == State::Waits).count();
        let shown = if rows.len() == self.all.len() { String::new() } else { format!(", {} shown", rows.len()) };
        let first = Line::from(vec![
            Span::from(format!("`{}`", printable(&self.prefix.to_string()))).bold(),
            Span::from(format!(" in {}", self.place)),
        ]);
        let counts = format!("{} held, {waiting} waiting{shown}", self.all.len() - waiting);
        let age = self.looked.map(|looked| looked.elapsed());
        let second = match (&self.error, age) {
            (Some(error), Some(age)) => Line::from(format!("{counts}, {} ago: {error}", span(age))).red(),
            (Some(error), None) => Line::from(error.clone()).red(),
            (None, None) => Line::from("…"),
            (None, Some(age)) if self.is_frozen => Line::from(format!("{counts}, {} ago: stopped", span(age))).yellow(),
            (None, Some(_)) => Line::from(counts),
        };
        Paragraph::new(vec![first, second])
    }

    fn table(&mut self, frame: &mut Frame<'_>, rows: &[Row], area: Rect) {
        let columns = columns::shown(rows, area.width);
        let heads = columns.iter().map(|column| match column.sorts {
            Some(sorts) if sorts == self.sorted_by => {
                format!("{} {}", column.head, if self.is_reversed { '▲' } else { '▼' })
            }
            _ => column.head.into(),
        });
        let heads: Vec<_> = heads.map(Cell::from).collect();
        let lines = rows.iter().map(|row| {
            let style = match row.state {
                State::Waits => Style::new().yellow(),
                _ if row.is_contended => Style::new().bold(),
                _ => Style::new(),
            };
            TableRow::new(columns.iter().map(|column| (column.text)(row))).style(style)
        });
        let widths = columns.iter().map(|column| match column.width {
            None => Constraint::Min(1),
            Some(width) => Constraint::Length(width),
        });
        let widths: Vec<_> = widths.collect();
        let table = Table::new(lines, widths)
            .header(TableRow::new(heads).style(Style::new().add_modifier(Modifier::UNDERLINED)))
            .row_highlight_style(Style::new().reversed())
            .column_spacing(columns::SPACING);
        frame.render_stateful_widget(table, area, &mut self.selected);
    }

    fn foot(&self) -> Paragraph<'static> {
        if self.is_typing {
            return Paragraph::new(format!("filter: {}█   (enter: keep, esc: none)", printable(&self.filter)));
        }
        let filter = if self.filter.is_empty() { String::new() } else { format!(" ({})", printable(&self.filter)) };
        let contended = if self.only_contended { "w all" } else { "w only what waits" };
        let frozen = if self.is_frozen { "space go on" } else { "space stop" };
        Paragraph::new(format!("q quit  s sort  r reverse  / filter{filter}  {contended}  {frozen}  ↑↓ scroll").dim())
    }
}

#[cfg(test)]
mod tests;
