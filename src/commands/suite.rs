//! `crmctl suite run FILE --url URL`: a suite against any service. Needs no environment and no checkout.

use checks::{Outcome, Subject, Variables};

use crate::cli::{SuiteArgs, SuiteRunArgs, SuiteVerb};
use crate::effects::run_suite::evidence;
use crate::error::{Error, Exit};
use crate::report::table;
use crate::site::read_suite;
use crate::terminal::Terminal;

/// Dispatches the verb.
///
/// # Errors
/// A suite file with mistakes, a wrong address.
pub(super) async fn command(terminal: &Terminal, arguments: SuiteArgs) -> Result<Exit, Error> {
    match arguments.verb {
        SuiteVerb::Run(arguments) => run(terminal, &arguments).await,
    }
}

async fn run(terminal: &Terminal, arguments: &SuiteRunArgs) -> Result<Exit, Error> {
    let suite = read_suite(&arguments.file)?;
    let subject = Subject::at(address(&arguments.url)?);
    checks::install_tls();
    let variables = variables(&suite, Some(i64::from(arguments.tenant_id)));
    let report = checks::run_suite(&suite, &subject, &variables, &|_| {}).await;
    if terminal.json {
        let document = serde_json::to_string(&report).expect("a report is plain data");
        terminal.data(&document);
    } else {
        let rows: Vec<_> = report.checks.iter().map(evidence).collect();
        for line in table::checks(&rows, terminal.width(), terminal.paint) {
            terminal.data(&line);
        }
        let passed = report.count(Outcome::Passed);
        terminal.data(&format!("{passed} of {} passed", report.checks.len()));
    }
    Ok(match report.worst() {
        Outcome::Passed => Exit::Done,
        Outcome::Failed => Exit::CheckFailed,
        Outcome::Errored => Exit::CheckErrored,
    })
}

/// Parses an address.
///
/// # Errors
/// It is none.
pub(super) fn address(text: &str) -> Result<url::Url, Error> {
    let url =
        url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| Error::usage(format!("`--url {text}` is no http or https address")))
}

/// The secrets that a suite asks for, from the process environment.
pub(super) fn variables(suite: &checks::Suite, tenant_id: Option<i64>) -> Variables {
    let secrets = suite
        .required_secrets()
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), std::env::var(key).ok()?.into())))
        .collect();
    Variables { tenant_id, release: None, secrets }
}
