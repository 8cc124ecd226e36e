//! A chart as inline SVG: axes with round ticks, bars or lines. Knows no load.

use maud::{Markup, html};

use crate::report::axis::Axis;

/// Size of the drawing in its own units; the text in it stays readable at the width of a phone.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 190.0;
/// Room for labels: left, below, above, right.
const LEFT: f64 = 44.0;
const BELOW: f64 = 30.0;
const ABOVE: f64 = 12.0;
const RIGHT: f64 = 10.0;

/// What a series is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line through the points.
    Line,
    /// A bar per point, on top of the bars of the series before it.
    Bars,
}

/// Values along the horizontal axis.
pub(super) struct Series {
    /// In the legend.
    pub name: &'static str,
    /// Class that gives the colour.
    pub class: &'static str,
    /// How it is drawn.
    pub shape: Shape,
    /// `(x, y)`; an absent value is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A chart.
pub(super) struct Chart {
    /// Above it.
    pub title: String,
    /// Under the horizontal axis.
    pub across: &'static str,
    /// End of the horizontal axis.
    pub right: f64,
    /// Width of a bar on that axis.
    pub width: f64,
    /// Its series, in the order of drawing.
    pub series: Vec<Series>,
}

impl Chart {
    pub(super) fn draw(&self) -> Markup {
        let (x, y) = (Axis::up_to(self.right, 5), Axis::up_to(self.highest(), 4));
        html! {
            figure {
                figcaption {
                    (self.title)
                    span.legend {
                        @for series in &self.series { span { i class=(series.class) {} (series.name) } }
                    }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                    (grid(&x, &y))
                    (self.bars(&x, &y))
                    @for series in self.series.iter().filter(|series| series.shape == Shape::Line) {
                        @for run in runs(series, &x, &y) { (line(series.class, &run)) }
                    }
                    text.across x=(WIDTH - RIGHT) y=(HEIGHT - 3.0) { (self.across) }
                }
            }
        }
    }

    fn highest(&self) -> f64 {
        let lines = self.series.iter().filter(|series| series.shape == Shape::Line);
        let of_lines = lines.flat_map(|series| &series.points).filter_map(|(_, y)| *y).fold(0.0, f64::max);
        let count = self.bar_series().map(|series| series.points.len()).max().unwrap_or(0);
        let stack = |index: usize| -> f64 {
            self.bar_series().filter_map(|series| series.points.get(index)?.1).sum()
        };
        (0..count).map(stack).fold(of_lines, f64::max)
    }

    fn bar_series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.shape == Shape::Bars)
    }

    fn bars(&self, x: &Axis, y: &Axis) -> Markup {
        let count = self.bar_series().map(|series| series.points.len()).max().unwrap_or(0);
        let mut drawn = Vec::new();
        for index in 0..count {
            let mut below = 0.0;
            for series in self.bar_series() {
                let Some((at, Some(value))) = series.points.get(index).copied() else { continue };
                if value > 0.0 {
                    let (left, right) = (across(x, at), across(x, at + self.width));
                    let (top, bottom) = (up(y, below + value), up(y, below));
                    let width = (right - left - 1.0).max(0.6);
                    drawn.push((series.class, left, top, width, (bottom - top).max(1.0)));
                }
                below += value;
            }
        }
        html! {
            @for (class, left, top, width, height) in drawn {
                rect class=(class) x=(round(left)) y=(round(top)) width=(round(width)) height=(round(height)) {}
            }
        }
    }
}

/// A line, or a dot where there is only one point.
fn line(class: &str, run: &[(f64, f64)]) -> Markup {
    if let [(x, y)] = run {
        return html! { circle class=(class) cx=(round(*x)) cy=(round(*y)) r="2" {} };
    }
    let points: Vec<String> = run.iter().map(|(x, y)| format!("{},{}", round(*x), round(*y))).collect();
    html! { polyline class=(class) points=(points.join(" ")) {} }
}

/// Points of a series without gaps, in the drawing's units.
fn runs(series: &Series, x: &Axis, y: &Axis) -> Vec<Vec<(f64, f64)>> {
    let parts = series.points.split(|(_, value)| value.is_none()).filter(|part| !part.is_empty());
    let placed = |part: &[(f64, Option<f64>)]| {
        part.iter().filter_map(|(at, value)| Some((across(x, *at), up(y, (*value)?)))).collect()
    };
    parts.map(placed).collect()
}

fn grid(x: &Axis, y: &Axis) -> Markup {
    html! {
        @for tick in &y.ticks {
            line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(round(up(y, *tick))) y2=(round(up(y, *tick))) {}
            text.up x=(LEFT - 5.0) y=(round(up(y, *tick) + 3.5)) { (y.label(*tick)) }
        }
        @for tick in &x.ticks {
            text.tick x=(round(across(x, *tick))) y=(HEIGHT - BELOW + 13.0) { (x.label(*tick)) }
        }
    }
}

fn across(x: &Axis, value: f64) -> f64 {
    LEFT + x.place(value) * (WIDTH - LEFT - RIGHT)
}

fn up(y: &Axis, value: f64) -> f64 {
    HEIGHT - BELOW - y.place(value) * (HEIGHT - BELOW - ABOVE)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
