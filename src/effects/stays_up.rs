//! The check that no suite can make: what answers must not have died meanwhile. Behind one socket that outlives it a
//! release that crashes and is started again looks well, but for the requests that it took with it.

use std::time::Instant;

use chrono::Utc;
use phases::engine::failure::{CheckEvidence, CheckOutcome};
use phases::release::ReleaseId;

use crate::platform::process::Death;
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
    let since = run_id::began(run).unwrap_or_else(Utc::now);
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
