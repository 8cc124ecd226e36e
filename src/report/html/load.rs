//! A load: rate and latency over time, the distribution, and each request of the mix.

use maud::{Markup, html};

use super::chart::{Chart, Series, Shape};
use super::cut;
use super::room::Room;
use crate::report::axis::Axis;
use crate::report::result::LoadView;
use crate::report::result::load::{LatencyView, PointView, RouteView};

/// Bytes of rows about requests of the mix.
const ROOM: usize = 50_000;

pub(super) fn section(load: &LoadView) -> Markup {
    html! {
        section {
            h2 { "Load" }
            @for reason in &load.invalid {
                p.no { b { "The figures are not the server's: " } (cut(reason)) }
            }
            p {
                (format!("{:.0}/s asked, {:.1}/s reached, ", load.rate_asked, load.rate_reached))
                (load.sent) " sent, " (load.succeeded) " answered rightly, " (load.failed) " failed"
                @if load.never_sent > 0 { " (" (load.never_sent) " of them never sent)" }
            }
            p.small { (cut(&load.model)) }
            div.charts { (rate(load)) (latency(load)) (distribution(&load.total.response)) }
            (routes(load))
        }
    }
}

/// Length of an interval of the series.
fn interval(series: &[PointView]) -> f64 {
    match series {
        [first, second, ..] => whole(second.second.saturating_sub(first.second)).max(1.0),
        _ => 1.0,
    }
}

fn points(load: &LoadView, value: impl Fn(&PointView) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    load.series.iter().map(|point| (whole(point.second), value(point))).collect()
}

fn rate(load: &LoadView) -> Markup {
    let width = interval(&load.series);
    let bars = |name, class, value: fn(&PointView) -> u64| Series {
        name,
        class,
        shape: Shape::Bars,
        points: points(load, |point| Some(whole(value(point)) / width)),
    };
    let asked = vec![(0.0, Some(load.rate_asked)), (load.duration_seconds, Some(load.rate_asked))];
    let chart = Chart {
        title: "Requests per second".to_owned(),
        across: "seconds",
        right: load.duration_seconds,
        width,
        series: vec![
            bars("right", "c1", |point| point.succeeded),
            bars("failed", "c4", |point| point.failed),
            Series { name: "asked", class: "c5", shape: Shape::Line, points: asked },
        ],
    };
    chart.draw()
}

fn latency(load: &LoadView) -> Markup {
    let half = interval(&load.series) / 2.0;
    let line = |name, class, value: fn(&PointView) -> Option<f64>| Series {
        name,
        class,
        shape: Shape::Line,
        points: points(load, value).into_iter().map(|(at, value)| (at + half, value)).collect(),
    };
    let chart = Chart {
        title: "Latency, milliseconds".to_owned(),
        across: "seconds",
        right: load.duration_seconds,
        width: 0.0,
        series: vec![
            line("slowest", "c3", |point| point.max_ms),
            line("p99", "c2", |point| point.p99_ms),
            line("p50", "c1", |point| point.p50_ms),
        ],
    };
    chart.draw()
}

/// Percentiles as bars of their own: how much slower the slow ones are.
fn distribution(latency: &LatencyView) -> Markup {
    let bars = [
        ("fastest", latency.min_ms),
        ("p50", latency.p50_ms),
        ("p90", latency.p90_ms),
        ("p95", latency.p95_ms),
        ("p99", latency.p99_ms),
        ("p99.9", latency.p99_9_ms),
        ("slowest", latency.max_ms),
    ];
    let axis = Axis::up_to(latency.max_ms.unwrap_or(0.0), 4);
    html! {
        figure {
            figcaption { "Distribution, milliseconds (" (latency.samples) " right answers)" }
            div.bars {
                @for (name, value) in bars {
                    span { (name) }
                    div.track {
                        @if let Some(value) = value {
                            i.c1 style=(format!("left:0;width:{:.1}%", axis.place(value) * 100.0)) {}
                        }
                    }
                    span.took { (figure(value)) }
                }
            }
        }
    }
}

fn routes(load: &LoadView) -> Markup {
    let (rows, _) = Room::of(ROOM).fill(load.routes.iter().map(route_row));
    html! {
        table.figures {
            thead { tr { th { "request" } th { "sent" } th { "failed" } th { "p50 ms" } th { "p95 ms" } th { "p99 ms" } th { "slowest" } } }
            tbody { (rows) (route_row(&load.total)) }
        }
    }
}

fn route_row(route: &RouteView) -> Markup {
    let latency = &route.response;
    let failed = route.sent.saturating_sub(latency.samples);
    let causes: Vec<String> = route.errors.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
    let figures = [
        ("p50 ms", latency.p50_ms),
        ("p95 ms", latency.p95_ms),
        ("p99 ms", latency.p99_ms),
        ("slowest", latency.max_ms),
    ];
    html! {
        tr {
            th scope="row" { (cut(&route.check)) small { (cut(&route.route)) } }
            td data-name="sent" { (route.sent) }
            td data-name="failed" {
                @if failed > 0 { b.no { (failed) } small { (cut(&causes.join(", "))) } } @else { "0" }
            }
            @for (name, value) in figures { td data-name=(name) { (figure(value)) } }
        }
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |ms| format!("{ms:.1}"))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}
