//! `crmctl perf`: load on an environment, or on any service with `--url` and `--suite`.

use std::path::Path;
use std::time::Duration;

use checks::{LoadError, LoadPlan, LoadReport, Outcome, Subject};
use phases::plan::Phase;
use phases::request::{Request, Verb};

use super::suite::{address, variables};
use super::{Context, run};
use crate::cli::PerfArgs;
use crate::effects::run_suite::evidence;
use crate::error::{Error, Exit, chain};
use crate::report::table;
use crate::site::{Place, read_suite, read_thresholds};
use crate::terminal::Terminal;

/// The phase alone.
///
/// # Errors
/// What refuses the run.
pub(super) async fn command(context: &Context, arguments: &PerfArgs) -> Result<Exit, Error> {
    let name = arguments.environment.as_deref().unwrap_or_default();
    run::command(context, name, Request::new(Verb::Phase(Phase::Perf)), arguments.plan).await
}

/// Load on an address.
///
/// # Errors
/// Mistakes in the files or the address, or the load could not start.
pub(super) async fn anywhere(
    terminal: &Terminal,
    config: Option<&Path>,
    arguments: &PerfArgs,
) -> Result<Exit, Error> {
    let (url, file) = (arguments.url.as_deref().unwrap_or_default(), arguments.suite.as_deref());
    let suite = read_suite(file.ok_or_else(|| Error::usage("`--url` needs `--suite FILE`"))?)?;
    let subject = Subject::at(address(url)?);
    checks::install_tls();
    let plan = LoadPlan::new(f64::from(arguments.rate), Duration::from_secs(u64::from(arguments.duration)));
    let variables = variables(&suite, Some(1));
    let report = checks::run_load(&suite, &subject, &plan, &variables, &|_| {}).await;
    let report = report.map_err(|error| not_started(&error))?;
    let judged = if arguments.require.is_empty() {
        report.verdict()
    } else {
        let place = Place::find(config)?;
        checks::evaluate(&read_thresholds(&place.config)?, &arguments.require, &report)
    };
    if terminal.json {
        terminal.data(&serde_json::json!({ "schema": 1, "load": report, "checks": judged }).to_string());
    } else {
        for line in lines(&report) {
            terminal.data(&line);
        }
        let rows: Vec<_> = judged.iter().map(evidence).collect();
        for line in table::checks(&rows, terminal.width(), terminal.paint) {
            terminal.data(&line);
        }
    }
    Ok(match judged.iter().map(|check| check.outcome).max() {
        Some(Outcome::Failed) => Exit::CheckFailed,
        Some(Outcome::Errored) => Exit::CheckErrored,
        Some(Outcome::Passed) | None => Exit::Done,
    })
}

/// A login that failed is the subject's failure; whatever else keeps a load from starting is not.
fn not_started(error: &LoadError) -> Error {
    let exit = if error.outcome() == Outcome::Failed { Exit::CheckFailed } else { Exit::CheckErrored };
    Error { hint: error.hint(), ..Error::new(exit, chain(error)) }
}

/// A load for people; line one names the model.
fn lines(report: &LoadReport) -> Vec<String> {
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
    let mut lines = vec![
        report.model.clone(),
        format!(
            "{:.1}/s asked, {:.1}/s reached, {} sent, {} succeeded, {} failed",
            report.rate_asked, report.rate_reached, report.sent, report.succeeded, report.failed
        ),
    ];
    lines.extend(report.invalid.iter().map(|reason| format!("INVALID: {reason}")));
    lines.push(format!(
        "{:<32} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "milliseconds from due time", "n", "p50", "p95", "p99", "max"
    ));
    for route in report.routes.iter().chain([&report.total]) {
        let (name, response) = (&route.check, &route.response);
        lines.push(format!(
            "{name:<32} {:>8} {:>9} {:>9} {:>9} {:>9}",
            response.samples,
            figure(response.p50_ms),
            figure(response.p95_ms),
            figure(response.p99_ms),
            figure(response.max_ms)
        ));
    }
    lines
}
