//! Rollback: go back to an earlier good release. Needs only a release that is alive and is the right one;
//! smoke follows and reports. Expand-only migrations make any earlier release fit the schema.

use crate::deploy::{await_ready, leftovers, previous, shift, start};
use crate::environment::Environment;
use crate::migrate::ensure_database;
use crate::observed::{DatabaseState, Observed};
use crate::plan::{Intent, Phase, PlannedPhase};
use crate::release::{ReleaseId, ReleaseState};
use crate::request::PlanError;
use crate::smoke;

/// Checks what one has gone back to.
pub(crate) const SMOKE: &str = "rollback.smoke";

/// Plans the phase; going back to what already serves only checks it. What a stuck run has left is stopped last, so
/// that it hinders nobody from going back.
pub fn plan(environment: &Environment, to: &ReleaseId, observed: &Observed) -> PlannedPhase {
    let phase = Phase::Rollback;
    let smoke = smoke::step(SMOKE, environment, to);
    let leftovers = leftovers("rollback.leftovers", to, observed);
    if observed.alive() == Some(to) {
        let because = format!("{to} already serves");
        let intent = if leftovers.is_some() { Intent::Run } else { Intent::Unchanged { because } };
        return PlannedPhase { phase, intent, steps: leftovers.into_iter().chain([smoke]).collect() };
    }
    let mut steps = vec![
        start("rollback.start", to),
        await_ready("rollback.ready", to),
        shift("rollback.shift", to, previous(to, observed), true),
    ];
    // After the switch, which needs no database: whether it comes up is reported and changes nothing.
    if environment.embedded_database && observed.database == DatabaseState::Absent {
        steps.push(ensure_database("rollback.database"));
    }
    steps.extend(leftovers);
    steps.push(smoke);
    PlannedPhase { phase, intent: Intent::Run, steps }
}

/// The release to go back to: the one named, or the nearest good one before what serves. One more rollback
/// goes one further back, since the trail is not changed by going back along it.
///
/// # Errors
/// When the one named is unknown, rejected or gone, or when none is left.
pub fn target(
    environment: &Environment,
    to: Option<&ReleaseId>,
    observed: &Observed,
) -> Result<ReleaseId, PlanError> {
    if let Some(id) = to {
        return match unfit(id, observed) {
            None => Ok(id.clone()),
            Some(reason) => {
                Err(PlanError::Unfit { id: id.clone(), reason, environment: environment.name.clone() })
            }
        };
    }
    let mut passed = Vec::new();
    for id in earlier(observed).iter().rev() {
        match unfit(id, observed) {
            None => return Ok(id.clone()),
            Some(reason) => passed.push(format!("`{id}` {reason}")),
        }
    }
    Err(PlanError::NothingToGoBackTo { passed, environment: environment.name.clone() })
}

/// The part of the trail that lies before what serves. When that was never proved good, the trail ends with
/// what it replaced.
fn earlier(observed: &Observed) -> &[ReleaseId] {
    let trail = observed.trail.as_slice();
    let position = |id: &ReleaseId| trail.iter().position(|good| good == id);
    let platform = &observed.platform;
    if let Some(position) = platform.serving.as_ref().and_then(position) {
        return &trail[..position];
    }
    platform.previous.as_ref().and_then(position).map_or(trail, |position| &trail[..=position])
}

/// Why a release cannot be gone back to.
fn unfit(id: &ReleaseId, observed: &Observed) -> Option<String> {
    match observed.known(id) {
        None => Some("was never proved good here".to_owned()),
        Some(known) if known.state == ReleaseState::Blocked => {
            Some(format!("is blocked: {}", known.reason.as_deref().unwrap_or("no reason was given")))
        }
        Some(_) if !observed.is_present(id) => Some("is no longer on the platform".to_owned()),
        Some(_) => None,
    }
}
