//! A plot, as SVG, with logarithmic axes. Each line has its name where it ends.

use mutextree_benches::unit::thousands;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;

use crate::labels::{self, Label};
use crate::series::{Drawn, INK, Look, PLOTS, Series, text};

const SIZE: (u32, u32) = (860, 480);
/// Left of the axis, below it, above the plot, and right of it, where the names of the lines are.
const LEFT: u32 = 82;
const BELOW: u32 = 58;
const ABOVE: u32 = 46;
const RIGHT: u32 = 266;
const MARGIN: u32 = 12;
const GRID: RGBColor = RGBColor(216, 222, 228);
const FAINT_GRID: RGBColor = RGBColor(240, 242, 245);

/// A plot of its own figures.
pub(crate) struct Plot {
    /// Its file's name, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) unit: Unit,
    pub(crate) series: Vec<Series>,
}

/// What is plotted.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// In nanoseconds.
    Time,
    /// A second.
    Rate,
}

impl Unit {
    /// At an axis, where values are round.
    fn tick(self, value: f64) -> String {
        let scales = match self {
            Self::Time => [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
            Self::Rate => [(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
        };
        let (scale, name) = scales.into_iter().find(|(scale, _)| value >= *scale * 0.999).unwrap_or(scales[3]);
        format!("{} {name}", value / scale)
    }
}

impl Plot {
    /// Where it is, seen from the page.
    pub(crate) fn path(&self) -> String {
        format!("{PLOTS}/{}.svg", self.name)
    }

    /// All the places along the x axis that were measured.
    pub(crate) fn xs(&self) -> Vec<f64> {
        let mut xs: Vec<f64> = self.points().map(|point| point.0).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs
    }

    /// The series of that name.
    pub(crate) fn of(&self, name: &str) -> &Series {
        self.series.iter().find(|series| series.line.name == name).expect("a line of this plot")
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.series.iter().flat_map(|series| series.points.iter().copied())
    }

    pub(crate) fn svg(&self) -> String {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area()).expect("a string takes all");
        svg
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn {
        area.fill(&WHITE)?;
        area.draw_text(self.title, &text(17, FontStyle::Bold), ((MARGIN + LEFT) as i32, 16))?;

        let xs = self.xs();
        let ys = Decades::around(self.points().map(|point| point.1));
        // No point on the frame.
        let (first, last) = (xs[0], xs[xs.len() - 1]);
        let beside = (last / first).powf(0.03);
        let mut chart = ChartBuilder::on(area)
            .margin_left(MARGIN)
            .margin_top(ABOVE)
            .margin_right(RIGHT)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(
                (first / beside..last * beside).log_scale().with_key_points(xs),
                (ys.from..ys.to).log_scale().with_key_points(ys.bold).with_light_points(ys.light),
            )?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .axis_desc_style(text(15, FontStyle::Normal))
            .label_style(text(14, FontStyle::Normal))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(FAINT_GRID)
            .x_label_formatter(&|x| thousands(*x))
            .y_label_formatter(&|y| self.unit.tick(*y))
            .draw()?;

        // Ours on top.
        let by_look = |look| self.series.iter().filter(move |series| series.line.look == look);
        for series in by_look(Look::Reference).chain(by_look(Look::Peer)).chain(by_look(Look::Ours)) {
            let (width, radius) = if series.line.look == Look::Ours { (4, 5) } else { (2, 4) };
            let colour = series.line.colour;
            let points = series.points.iter().copied();
            if series.line.look == Look::Reference {
                chart.draw_series(DashedLineSeries::new(points, 6, 5, colour.stroke_width(width)))?;
                continue;
            }
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(width)))?;
            chart.draw_series(points.map(|point| Circle::new(point, radius, colour.filled())))?;
        }

        let ends = self.series.iter().filter_map(|series| {
            let (_, y) = chart.backend_coord(series.points.last()?);
            Some(Label { line: series.line, wanted: y, at: y })
        });
        let room = ABOVE as i32..(SIZE.1 - BELOW) as i32;
        labels::draw(area, ends.collect(), (SIZE.0 - RIGHT) as i32, room)?;
        area.present()
    }
}

/// A logarithmic axis from one round value to another.
struct Decades {
    from: f64,
    to: f64,
    /// With a label.
    bold: Vec<f64>,
    light: Vec<f64>,
}

impl Decades {
    /// Room for all of `values`: labels at 1, 10, 100 ... if that makes four, else at 1, 2, 5, 10.
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(v), most.max(v)));
        let decades = (least / 1.1).log10().floor() as i32..=(most * 1.1).log10().ceil() as i32;
        let steps: Vec<f64> = decades.flat_map(|exp| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(exp))).collect();
        let from = steps.iter().copied().rfind(|step| *step <= least / 1.1).unwrap_or(least);
        let to = steps.iter().copied().find(|step| *step >= most * 1.1).unwrap_or(most);
        let inside = steps.into_iter().filter(|step| (from..=to).contains(step));
        let decade = |step: &f64| (step.log10() - step.log10().round()).abs() < 1e-9;
        let (bold, light): (Vec<f64>, Vec<f64>) = inside.partition(decade);
        if bold.len() < 4 {
            let mut all = [bold, light].concat();
            all.sort_by(f64::total_cmp);
            return Self { from, to, bold: all, light: Vec::new() };
        }
        Self { from, to, bold, light }
    }
}
