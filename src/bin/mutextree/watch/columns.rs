//! The columns of the table, and which of them there is room for.

use super::rows::{Column, Row};
use crate::text::printable;

/// Blanks between two columns.
pub(super) const SPACING: u16 = 2;

/// The last column needs as many columns of the terminal as this to be of use.
const LAST: u16 = 16;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) head: &'static str,
    /// What it sorts by.
    pub(super) sorts: Option<Column>,
    pub(super) text: fn(&Row) -> String,
    /// No wider than this, whatever is in it.
    most: u16,
    /// If there is no room, the highest goes first; 0 never goes.
    spare: u8,
    /// `None`: what is left.
    pub(super) width: Option<u16>,
}

const fn column(head: &'static str, sorts: Option<Column>, text: fn(&Row) -> String, most: u16, spare: u8) -> Shown {
    Shown { head, sorts, text, most, spare, width: None }
}

const ALL: [Shown; 7] = [
    column("PATH", Some(Column::Path), |row| printable(&row.path.to_string()), 40, 0),
    column("STATE", Some(Column::State), |row| row.state.name().into(), 8, 2),
    column("KIND", None, Row::kind_name, 15, 5),
    column("OWNER", Some(Column::Owner), |row| row.owner.clone(), 30, 0),
    column("SINCE", Some(Column::Since), Row::since_text, 9, 3),
    column("LEFT", Some(Column::Left), Row::left_text, 9, 4),
    column("TOKEN, OR BEHIND WHOM", None, Row::last_text, u16::MAX, 0),
];

/// The columns that there is room for, as wide as what is in them.
pub(super) fn shown(rows: &[Row], width: u16) -> Vec<Shown> {
    let mut columns = ALL.to_vec();
    let last = columns.len() - 1;
    for column in &mut columns[..last] {
        let longest = rows.iter().map(|row| (column.text)(row).chars().count()).max().unwrap_or(0);
        // A mark behind the head shows what is sorted by.
        let head = column.head.len() + 2;
        column.width = Some(u16::try_from(longest.max(head)).unwrap_or(u16::MAX).min(column.most.max(7)));
    }
    while needed(&columns) > width {
        let Some(at) = (0..columns.len()).max_by_key(|&at| columns[at].spare) else { break };
        if columns[at].spare == 0 {
            // The path and the owner share what there is.
            let half = width.saturating_sub(LAST + 2 * SPACING) / 2;
            for column in &mut columns {
                column.width = column.width.map(|width| width.min(half.max(6)));
            }
            break;
        }
        columns.remove(at);
    }
    columns
}

fn needed(columns: &[Shown]) -> u16 {
    columns.iter().fold(0, |sum: u16, column| sum.saturating_add(column.width.unwrap_or(LAST) + SPACING))
}

#[cfg(test)]
mod tests;
