//! The check that no suite can make: what answers must not have died meanwhile. Behind one socket that outlives it a
//! release that crashes and is started again looks well, but for the requests that it took with it.

use std::time::Instant;

use chrono::{DateTime, Utc};
use phases::engine::failure::{CheckEvidence, CheckOutcome};
use phases::engine::ledger::Ledger;
use phases::release::ReleaseId;

use crate::platform::Death;
use crate::run_id;
use crate::site::Site;

/// What is promised.
const EXPECTED: &str = "no process of the release dies";

/// The check, and the last words of what died.
pub(super) struct Seen {
    pub(super) check: CheckEvidence,
    pub(super) last_words: Vec<String>,
}

/// Looks for a death of `release` since `run` began; `suite` gives the check its name.
pub(super) async fn look(site: &Site, suite: &str, release: &ReleaseId, run: &str) -> Seen {
    let begun = Instant::now();
    let since = began(site, run).await;
    let (outcome, actual, last_words) = match site.platform.death_of(release, since).await {
        Ok(None) => (CheckOutcome::Passed, "none died".to_owned(), Vec::new()),
        Ok(Some(Death { what, last_words })) => (CheckOutcome::Failed, what, last_words),
        Err(error) => (CheckOutcome::Errored, error.to_string(), Vec::new()),
    };
    let check = CheckEvidence {
        check: format!("{suite}/stays-up"),
        outcome,
        expected: Some(EXPECTED.to_owned()),
        actual: Some(actual),
        owner: Some("dev".to_owned()),
        hint: None,
        duration_ms: begun.elapsed().as_secs_f64() * 1e3,
    };
    Seen { check, last_words }
}

/// When `run` was planned, by its journal: the name of a run tells the second only, and what died within it before the
/// run began is none of its business.
async fn began(site: &Site, run: &str) -> DateTime<Utc> {
    let records = site.ledger.records().await.unwrap_or_default();
    let planned = records.iter().find(|record| record.run == run);
    let at = planned.and_then(|record| DateTime::parse_from_rfc3339(&record.at).ok());
    at.map(|at| at.with_timezone(&Utc)).or_else(|| run_id::began(run)).unwrap_or_else(Utc::now)
}
