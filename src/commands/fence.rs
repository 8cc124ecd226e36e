//! Between lease and look: no older run changes anything any more, or this one does not begin.

use phases::engine::failure::FailureClass;
use phases::engine::fence;
use phases::engine::ledger::Lease;

use crate::clock::SystemClock;
use crate::effects::SiteEffects;
use crate::effects::fence::InHand;
use crate::error::{Error, Exit};
use crate::site::Site;

/// Raises the fence; gives what an older run is still doing to the database.
///
/// # Errors
/// A newer run was here, or the platform does not say that older ones can do nothing any more.
pub(super) async fn raise(site: &Site, lease: &Lease) -> Result<Option<InHand>, Error> {
    let (effects, clock) = (SiteEffects::new(site), SystemClock::start());
    fence::raise(&effects, &site.ledger, &clock, lease).await.map_err(|failure| {
        let exit = match failure.class {
            FailureClass::LeaseLost => Exit::LeaseLost,
            _ => Exit::Refused,
        };
        let message = format!("earlier runs cannot be kept out: {}", failure.message);
        let looked = format!("look with `crmctl status {}`, then run it again", site.environment.facts.name);
        Error::new(exit, message).hint(looked).maybe_hint(failure.hint)
    })?;
    Ok(effects.in_hand())
}

/// Refuses to plan on a schema that is being changed.
///
/// # Errors
/// It is.
pub(super) fn nothing_in_hand(in_hand: Option<InHand>) -> Result<(), Error> {
    let Some(InHand { session, end }) = in_hand else { return Ok(()) };
    let message = format!("an earlier run is still changing the database: {session}");
    Err(Error::refused(message).hint(format!("wait until it is over, or end it ({end}); then run it again")))
}
