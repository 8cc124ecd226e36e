//! Running a whole suite.

use std::time::Instant;

use chrono::Utc;

use crate::outcome::SuiteReport;
use crate::scene::Scene;
use crate::schedule::{self, Observer};
use crate::subject::Subject;
use crate::suite::Suite;
use crate::variables::Variables;

/// Runs every check of `suite` against `subject` and tells `observer` of each as it ends.
///
/// It always ends with a report: what goes wrong is an outcome of some check.
#[tracing::instrument(name = "suite", skip_all, fields(suite = suite.name()))]
pub async fn run_suite(
    suite: &Suite,
    subject: &Subject,
    variables: &Variables,
    observer: Observer<'_>,
) -> SuiteReport {
    let (started_at, start) = (Utc::now(), Instant::now());
    let scene = Scene::new(subject, variables, &suite.sessions);
    let all = (0..suite.checks.len()).collect();
    let checks = schedule::run(suite, &all, &scene, observer).await;
    SuiteReport { suite: suite.name().to_owned(), started_at, duration: start.elapsed(), checks }
}
