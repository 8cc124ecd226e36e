//! What a run that another process began may be gone on with. Taking it back is always allowed.

use phases::engine::resume::Unfinished;
use phases::engine::step::Action;
use phases::observed::DatabaseState;

use super::{Site, database};
use crate::error::Error;

/// Refuses to go forward with a plan that was pinned to another configuration, or whose database is gone and
/// which does not start it.
///
/// # Errors
/// Either of these.
pub async fn check(site: &Site, unfinished: &Unfinished) -> Result<(), Error> {
    if !unfinished.goes_forward() || unfinished.plan.release.is_none() {
        return Ok(());
    }
    let facts = &site.environment.facts;
    let (name, run) = (&facts.name, &unfinished.run);
    if unfinished.plan.fingerprint != facts.fingerprint {
        let message =
            format!("run `{run}` was planned with another configuration of `{name}` than there is now");
        let hint = format!("bring the configuration back, or take the run back: `crmctl rollback {name}`");
        return Err(Error::refused(message).hint(hint));
    }
    let starts = |step: &phases::engine::step::Step| matches!(step.action, Action::EnsureDatabase);
    let is_gone = facts.embedded_database
        && !unfinished.plan.steps().any(starts)
        && database::state(site).await == DatabaseState::Absent;
    if is_gone {
        let message = format!("the private PostgreSQL of `{name}` has stopped since run `{run}` was planned");
        let hint = format!(
            "take the run back, which needs no database: `crmctl rollback {name}`; then deploy again"
        );
        return Err(Error::refused(message).hint(hint));
    }
    Ok(())
}
