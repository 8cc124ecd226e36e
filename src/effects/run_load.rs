//! `RunLoad`: the suite's requests at a fixed rate, then one line per threshold that the environment requires.

mod memory;

use std::time::Duration;

use checks::{LoadError, LoadPlan, LoadProgress, LoadReport, Outcome};
use phases::engine::effects::{EffectContext, EffectOutcome, Progress};
use phases::engine::failure::{CheckEvidence, CheckOutcome, Failure, FailureClass};
use phases::engine::step::Subject;

use super::run_suite::{self, evidence};
use super::stays_up;
use crate::error::chain;
use crate::site::Site;

/// What is asked.
pub(super) struct Load<'a> {
    /// Suite whose requests are the mix.
    pub suite: &'a str,
    /// Requests per second.
    pub rate: u32,
    /// Length.
    pub seconds: u32,
    /// Thresholds required.
    pub require: &'a [String],
    /// At what.
    pub subject: &'a Subject,
}

/// Runs it and judges.
pub(super) async fn apply(site: &Site, load: &Load<'_>, context: &EffectContext<'_>) -> EffectOutcome {
    match measure(site, load, context).await {
        Ok((report, mut checks)) => {
            (context.progress)(Progress::Load(serde_json::to_value(&report).unwrap_or_default()));
            let mut last_words = Vec::new();
            if let Some(release) = run_suite::release(load.subject) {
                let seen = stays_up::look(site, "perf", release, context.run).await;
                // First: what died is why figures are missed.
                checks.insert(0, seen.check);
                last_words = seen.last_words;
            }
            for check in &checks {
                (context.progress)(Progress::Check(check.clone()));
            }
            described(run_suite::judge("perf", checks), &report, last_words)
        }
        Err(failure) => not_measured(site, load, failure, context).await,
    }
}

/// A load that could not begin because its subject died names that as the cause.
async fn not_measured(
    site: &Site,
    load: &Load<'_>,
    failure: Failure,
    context: &EffectContext<'_>,
) -> EffectOutcome {
    let Some(release) = run_suite::release(load.subject) else { return EffectOutcome::NotDone(failure) };
    let seen = stays_up::look(site, "perf", release, context.run).await;
    if seen.check.outcome != CheckOutcome::Failed {
        return EffectOutcome::NotDone(failure);
    }
    (context.progress)(Progress::Check(seen.check.clone()));
    match run_suite::judge("perf", vec![seen.check]) {
        EffectOutcome::NotDone(died) => {
            EffectOutcome::NotDone(died.detail([failure.message]).detail(seen.last_words))
        }
        other => other,
    }
}

async fn measure(
    site: &Site,
    load: &Load<'_>,
    context: &EffectContext<'_>,
) -> Result<(LoadReport, Vec<CheckEvidence>), Failure> {
    let refused = |message: String| Failure::new(FailureClass::Refused, message);
    let suite = site.suite(load.suite).map_err(|error| refused(error.to_string()))?;
    let thresholds = site.thresholds().map_err(|error| refused(error.to_string()))?;
    let unknown = thresholds.unknown(load.require);
    if !unknown.is_empty() {
        return Err(refused(unknown.join("; ")).hint("look at `config/thresholds.toml`"));
    }
    let subject = run_suite::probed(site, load.subject).await?;
    let variables = site.variables(run_suite::release(load.subject));
    let plan = LoadPlan::new(f64::from(load.rate), Duration::from_secs(u64::from(load.seconds)));
    let plan = plan.judged_by(&thresholds);
    let tell = |progress: &LoadProgress| {
        let done = u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX);
        let total = u64::try_from(progress.planned.as_millis()).unwrap_or(u64::MAX);
        (context.progress)(Progress::Message(words(progress)));
        (context.progress)(Progress::Count { done, total });
    };
    let running = checks::run_load(&suite, &subject, &plan, &variables, &tell);
    let (report, memory) = memory::during(site, run_suite::release(load.subject), running).await;
    let report = report.map_err(|error| not_started(context, &error))?;
    let report = LoadReport { memory, ..report };
    let judged = checks::evaluate(&thresholds, load.require, &report);
    Ok((report, judged.iter().map(evidence).collect()))
}

/// A login that failed is the release's failure, with what was expected and seen; whatever else keeps a load from
/// starting is not.
fn not_started(context: &EffectContext<'_>, error: &LoadError) -> Failure {
    if let Some(check) = error.check() {
        (context.progress)(Progress::Check(evidence(check)));
    }
    let class = match error.outcome() {
        Outcome::Failed => FailureClass::CheckFailed,
        Outcome::Errored | Outcome::Passed => FailureClass::CheckErrored,
    };
    Failure { hint: error.hint(), ..Failure::new(class, chain(error)) }
}

fn words(progress: &LoadProgress) -> String {
    let (elapsed, planned) = (progress.elapsed.as_secs(), progress.planned.as_secs());
    format!("{elapsed} of {planned} s, {} answered, {} failed", progress.succeeded, progress.failed)
}

/// The figures in the step's own line; of a load that is not met, what a process that died said last.
fn described(outcome: EffectOutcome, report: &LoadReport, last_words: Vec<String>) -> EffectOutcome {
    match outcome {
        EffectOutcome::NotDone(failure) => {
            let counted =
                format!("{} requests of {} failed", report.failed, report.succeeded + report.failed);
            EffectOutcome::NotDone(failure.detail([counted]).detail(last_words))
        }
        EffectOutcome::Done(mut evidence) => {
            let p95 =
                report.total.response.p95_ms.map_or("no answer".to_owned(), |p95| format!("p95 {p95:.1} ms"));
            evidence.summary = format!(
                "{p95} at {:.0}/s, {} sent, {} failed",
                report.rate_reached, report.sent, report.failed
            );
            evidence.facts =
                serde_json::json!({ "model": report.model, "p95_ms": report.total.response.p95_ms });
            EffectOutcome::Done(evidence)
        }
        other => other,
    }
}
