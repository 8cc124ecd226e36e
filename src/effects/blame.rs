//! Whether a failure tells of the release: not while the database that all releases share does not answer.

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::{Failure, FailureClass};

use crate::site::{Site, database};

/// The outcome; what would be held against a release becomes something that could not be judged when the database is
/// away. Asked only then, and after the fact: a database that came back meanwhile excuses nothing.
pub(super) async fn weigh(site: &Site, outcome: EffectOutcome) -> EffectOutcome {
    let EffectOutcome::NotDone(failure) = outcome else { return outcome };
    let held_against = matches!(failure.class, FailureClass::CheckFailed | FailureClass::ReleaseFailed);
    if !held_against {
        return EffectOutcome::NotDone(failure);
    }
    EffectOutcome::NotDone(match away(site).await {
        Some(reason) => excused(&site.environment.facts.name, failure, &reason),
        None => failure,
    })
}

/// Why the database does not answer; asked as releases ask it.
async fn away(site: &Site) -> Option<String> {
    let dsn = match database::app_dsn(site) {
        Ok(dsn) => dsn,
        Err(reason) => return Some(reason),
    };
    database::connect(&dsn).await.err().map(|error| error.to_string())
}

fn excused(environment: &str, failure: Failure, reason: &str) -> Failure {
    let message = format!(
        "the database of `{environment}` does not answer ({reason}), so nothing can be said of the release: {}",
        failure.message
    );
    let hint = format!("run `crmctl doctor {environment}`, and again when the database is back");
    Failure { class: FailureClass::CheckErrored, message, hint: Some(hint), ..failure }
}
