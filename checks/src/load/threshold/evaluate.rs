//! Figures against targets.

use std::time::Duration;

use crate::load::report::LoadReport;
use crate::load::statistics::Distribution;
use crate::outcome::{CheckOutcome, Outcome, Owner, Severity};

use super::{Figure, Threshold, Thresholds};

/// Judges the load itself ([`LoadReport::verdict`]) and then the `required` targets, one outcome each, named
/// `perf/<threshold>`.
///
/// Errored, never passed: a target that nobody defined, a figure that was not measured, too few
/// samples, a load in which the generator was the bottleneck.
#[must_use]
pub fn evaluate(thresholds: &Thresholds, required: &[String], report: &LoadReport) -> Vec<CheckOutcome> {
    let judged = required.iter().map(|name| match thresholds.get(name) {
        Some(threshold) => outcome(name, Some(threshold), judge(threshold, report), report),
        None => {
            let unknown =
                Judgement::errored("a threshold of that name".to_owned(), thresholds.unknown_sentence(name));
            outcome(name, None, unknown, report)
        }
    });
    report.verdict().into_iter().chain(judged).collect()
}

struct Judgement {
    outcome: Outcome,
    expected: String,
    actual: String,
}

impl Judgement {
    fn errored(expected: String, actual: String) -> Self {
        Self { outcome: Outcome::Errored, expected, actual }
    }
}

fn judge(threshold: &Threshold, report: &LoadReport) -> Judgement {
    if threshold.figure == Figure::MemoryGrowth {
        return judge_memory(threshold, report);
    }
    let (statistic, least) = (threshold.statistic, threshold.min_samples);
    let expected = format!("< {} ms ({} of ≥ {least} samples)", threshold.below, statistic.as_str());
    if !report.is_valid() {
        return Judgement::errored(expected, format!("the load is INVALID: {}", report.invalid.join("; ")));
    }
    let Some((figures, failures)) = figures(threshold.figure, report) else {
        return Judgement::errored(expected, "not measured by this load".to_owned());
    };
    let samples = figures.samples + failures;
    if samples < least {
        return Judgement::errored(expected, format!("too few samples (n = {samples})"));
    }
    let failed = if failures > 0 { format!(", {failures} failed") } else { String::new() };
    let Some(value) = figures.quantile_with_failures_ms(statistic.quantile(), failures) else {
        let actual = format!("{} is a failed request (n = {samples}{failed})", statistic.as_str());
        return Judgement { outcome: Outcome::Failed, expected, actual };
    };
    let outcome = if value < limit(threshold) { Outcome::Passed } else { Outcome::Failed };
    Judgement { outcome, expected, actual: format!("{value:.1} ms (n = {samples}{failed})") }
}

/// Memory that is gone is gone, however the generator did; that it stayed is known of a valid load only.
fn judge_memory(threshold: &Threshold, report: &LoadReport) -> Judgement {
    let (least, limit) = (threshold.min_samples, threshold.below);
    let expected = format!("< {limit} MB more than before the load");
    let Some(memory) = &report.memory else {
        return Judgement::errored(expected, "not measured by this load".to_owned());
    };
    let grown = memory.most_mb.saturating_sub(memory.before_mb);
    let (before, most) = (memory.before_mb, memory.most_mb);
    let actual = format!("{grown} MB ({before} MB, then {most} MB, after {} requests)", report.sent);
    if grown >= limit {
        return Judgement { outcome: Outcome::Failed, expected, actual };
    }
    if !report.is_valid() {
        return Judgement::errored(expected, format!("the load is INVALID: {}", report.invalid.join("; ")));
    }
    if memory.samples < least {
        return Judgement::errored(expected, format!("too few samples (n = {})", memory.samples));
    }
    Judgement { outcome: Outcome::Passed, expected, actual }
}

#[expect(clippy::cast_precision_loss, reason = "a limit is at most a day")]
fn limit(threshold: &Threshold) -> f64 {
    threshold.below as f64
}

/// The samples of a figure and how many failures count beside them.
fn figures(figure: Figure, report: &LoadReport) -> Option<(&Distribution, u64)> {
    match figure {
        Figure::Api => Some((&report.total.response, report.failed)),
        Figure::Database => Some((report.total.server_timing.database.as_ref()?, 0)),
        Figure::PageLoad | Figure::Notification | Figure::MetricsFullTenant | Figure::MemoryGrowth => None,
    }
}

fn outcome(
    name: &str,
    threshold: Option<&Threshold>,
    judgement: Judgement,
    report: &LoadReport,
) -> CheckOutcome {
    CheckOutcome {
        check: format!("perf/{name}"),
        outcome: judgement.outcome,
        expected: Some(judgement.expected),
        actual: Some(judgement.actual),
        owner: threshold.map_or(Owner::Dev, |threshold| threshold.owner),
        severity: threshold.map_or(Severity::Major, |threshold| threshold.severity),
        started_at: report.started_at,
        duration: Duration::from_secs_f64(report.duration_seconds),
        attempts: 1,
        detail: threshold.map(|threshold| threshold.source.clone()),
    }
}
