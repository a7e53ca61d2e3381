//! The figures behind a plot, and what all plots look like.

use mutextree_benches::Subject;
use plotters::prelude::*;

/// Where the plots are, seen from the page.
pub(crate) const PLOTS: &str = "performance";

pub(crate) const INK: RGBColor = RGBColor(36, 41, 47);

pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Text of so many pixels. The writer of SVG divides by 1.24.
pub(crate) fn text(pixels: u32, style: FontStyle) -> TextStyle<'static> {
    FontDesc::new(FontFamily::SansSerif, f64::from(pixels) * 1.24, style).color(&INK)
}

/// Colours that people who see few colours tell apart, too (Okabe and Ito's, mostly). Each subject
/// has the same one in all plots.
pub(crate) mod colour {
    use super::RGBColor;

    pub(crate) const HANDLE: RGBColor = RGBColor(0, 114, 178);
    pub(crate) const BY_PATH: RGBColor = RGBColor(86, 180, 233);
    pub(crate) const FLAT: RGBColor = RGBColor(40, 40, 40);
    pub(crate) const CHAIN: RGBColor = RGBColor(213, 94, 0);
    pub(crate) const GLOCK: RGBColor = RGBColor(204, 121, 167);
    pub(crate) const BOLT: RGBColor = RGBColor(230, 159, 0);
    pub(crate) const POOL: RGBColor = RGBColor(0, 158, 115);
    pub(crate) const MAP: RGBColor = RGBColor(140, 90, 50);
    pub(crate) const IN_TURN: RGBColor = RGBColor(92, 70, 156);
    pub(crate) const OTHER: RGBColor = RGBColor(140, 140, 140);
}

/// Who is measured, and how the line looks.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) colour: RGBColor,
    pub(crate) look: Look,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Look {
    Ours,
    Peer,
    /// Not a lock, but something to read the others by.
    Reference,
}

impl Line {
    pub(crate) const fn new(name: &'static str, colour: RGBColor, look: Look) -> Self {
        Self { name, colour, look }
    }

    pub(crate) const fn ours<S: Subject>(colour: RGBColor) -> Self {
        Self::new(S::NAME, colour, Look::Ours)
    }

    pub(crate) const fn peer<S: Subject>(colour: RGBColor) -> Self {
        Self::new(S::NAME, colour, Look::Peer)
    }
}

/// A line with its points, from left to right.
pub(crate) struct Series {
    pub(crate) line: Line,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Series {
    /// The figure at `x`; not a number, if there is none.
    pub(crate) fn at(&self, x: f64) -> f64 {
        self.points.iter().find(|point| point.0 == x).map_or(f64::NAN, |point| point.1)
    }
}

/// Calls `measure` with each of `xs`. It gives a figure for each of `lines`.
pub(crate) fn sweep<const N: usize>(
    lines: [Line; N],
    xs: &[usize],
    mut measure: impl FnMut(usize) -> Vec<f64>,
) -> Vec<Series> {
    let mut series = lines.map(|line| Series { line, points: Vec::new() });
    for &x in xs {
        let figures = measure(x);
        assert_eq!(figures.len(), N, "a figure a line");
        for (series, y) in series.iter_mut().zip(figures) {
            series.points.push((x as f64, y));
        }
    }
    series.into()
}
