//! A load's report as text: line one names the load model, response and service time side by side.

use std::fmt;

use super::report::{LoadReport, RouteReport};
use super::statistics::Distribution;

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.model)?;
        for reason in &self.invalid {
            writeln!(f, "INVALID: {reason}")?;
        }
        let (asked, reached) = (self.rate_asked, self.rate_reached);
        writeln!(
            f,
            "rate: {asked:.1}/s asked, {reached:.1}/s reached; {} sent, {} failed",
            self.sent, self.failed
        )?;
        let late = (cell(self.lateness.p50_ms), cell(self.lateness.p99_ms), cell(self.lateness.max_ms));
        writeln!(
            f,
            "generator lateness ms: p50 {}, p99 {}, max {}",
            late.0.trim(),
            late.1.trim(),
            late.2.trim()
        )?;
        let waited = (cell(self.queue.p50_ms), cell(self.queue.p99_ms), cell(self.queue.max_ms));
        writeln!(
            f,
            "wait for one of {} connections ms: p50 {}, p99 {}, max {}; {} never sent",
            self.connections_limit,
            waited.0.trim(),
            waited.1.trim(),
            waited.2.trim(),
            self.never_sent
        )?;
        for (release, count) in &self.releases {
            writeln!(f, "answered by release `{release}`: {count}")?;
        }
        writeln!(f, "{:<44}{:>7}{}", "milliseconds", "n", HEADS.map(|head| format!("{head:>9}")).concat())?;
        route(f, &self.total)?;
        self.routes.iter().try_for_each(|one| route(f, one))
    }
}

const HEADS: [&str; 7] = ["p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"];

fn route(f: &mut fmt::Formatter<'_>, route: &RouteReport) -> fmt::Result {
    writeln!(f, "{}", route.route)?;
    row(f, "  response (from due)", Some(&route.response))?;
    row(f, "  service (from sent)", Some(&route.service))?;
    row(f, "  server: app", route.server_timing.app.as_ref())?;
    row(f, "  server: database", route.server_timing.database.as_ref())?;
    if route.failed.samples > 0 {
        row(f, "  failed (from due)", Some(&route.failed))?;
        let causes: Vec<String> =
            route.errors.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        writeln!(f, "  errors: {}", causes.join(", "))?;
    }
    Ok(())
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, figures: Option<&Distribution>) -> fmt::Result {
    let Some(d) = figures else { return writeln!(f, "{name:<44}  not measured") };
    let columns = [d.p50_ms, d.p90_ms, d.p95_ms, d.p99_ms, d.p99_9_ms, d.p99_99_ms, d.max_ms];
    writeln!(f, "{name:<44}{:>7}{}", d.samples, columns.map(cell).concat())
}

fn cell(ms: Option<f64>) -> String {
    ms.map_or_else(|| format!("{:>9}", "-"), |ms| format!("{ms:>9.2}"))
}
