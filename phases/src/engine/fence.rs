//! Between lease and look: raises the fence at every target that compares tokens. From then on nothing that an older
//! run has under way happens any more, so what is looked at stays as it was seen.

use std::time::Duration;

use crate::engine::clock::Clock;
use crate::engine::effects::{EffectOutcome, Effects};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::ledger::{Lease, Ledger, LedgerError};

/// How often, and how far apart, a target is asked that gives no answer.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Raises the fence to the lease's token. Comes before every look that something is planned or decided on.
///
/// # Errors
/// A target has seen a newer run (`FailureClass::LeaseLost`), refuses, or does not answer: nothing may be done then,
/// and nothing was.
pub async fn raise(
    effects: &dyn Effects,
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    lease: &Lease,
) -> Result<(), Failure> {
    let mut tries = 1;
    loop {
        match effects.fence(lease.token).await {
            EffectOutcome::Done(_) => return Ok(()),
            EffectOutcome::NotDone(failure) => return Err(failure),
            EffectOutcome::Unknown(failure) if tries == TRIES => return Err(failure),
            EffectOutcome::Unknown(_) => {}
        }
        tries += 1;
        clock.sleep(PAUSE).await;
        // Targets may take long to answer; a lease that is gone meanwhile needs no fence.
        if let Err(error @ LedgerError::Lost { .. }) = ledger.renew(lease).await {
            return Err(Failure::new(FailureClass::LeaseLost, error.to_string()));
        }
    }
}
