//! The names of a plot's lines. Each stands beside the end of its line, so that no colour has to be
//! looked up in a legend.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::series::{Drawn, Line, Look, text};

/// Pixels from one name to the next.
const APART: i32 = 21;
/// Pixels from the plot to the names, for a stroke that leads from one to the other.
const LEAD: i32 = 18;

pub(crate) struct Label {
    pub(crate) line: Line,
    /// How far down the line ends.
    pub(crate) wanted: i32,
    /// How far down the name is.
    pub(crate) at: i32,
}

/// Draws all of them right of `edge`.
pub(crate) fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    mut labels: Vec<Label>,
    edge: i32,
    room: Range<i32>,
) -> Drawn {
    spread(&mut labels, &room);
    for label in &labels {
        let width = if label.line.look == Look::Ours { 3 } else { 2 };
        let lead = [(edge + 6, label.wanted), (edge + LEAD, label.at), (edge + LEAD + 10, label.at)];
        area.draw(&PathElement::new(lead, label.line.colour.stroke_width(width)))?;
        let style = if label.line.look == Look::Ours { FontStyle::Bold } else { FontStyle::Normal };
        area.draw_text(label.line.name, &text(14, style), (edge + LEAD + 15, label.at - 7))?;
    }
    Ok(())
}

/// Moves names apart that would cover each other, as little as that takes.
fn spread(labels: &mut [Label], room: &Range<i32>) {
    labels.sort_by_key(|label| label.wanted);
    for _ in 0..200 {
        for n in 1..labels.len() {
            let missing = APART - (labels[n].at - labels[n - 1].at);
            if missing > 0 {
                labels[n - 1].at -= missing / 2;
                labels[n].at += missing - missing / 2;
            }
        }
        labels.iter_mut().for_each(|label| label.at = label.at.clamp(room.start, room.end));
    }
}
