//! How the lease is taken: on a journal that is whole, from nobody or from the dead, with a token above all that are known.

use phases::engine::journal::chain::Tail;
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use rand::Rng;

use super::lease::{Applicant, Held};
use super::link::{Answer, ask, ask_twice};
use super::{PgLedger, Taken, journal, lease};

/// How often a lease that others give and take under our eyes is asked for.
const TRIES: u32 = 5;

impl PgLedger {
    /// Takes it, or says who has it.
    pub(super) async fn take(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let there = ask_twice!(self.working, _session => std::future::ready(Ok(())));
        if there.done()?.is_none() {
            self.server.prepare().await?;
        }
        let (_, chain) = self.journal().await?;
        let highest = chain.records.iter().map(|record| record.token).max().unwrap_or(0);
        let name = hex::encode(rand::rng().random::<[u8; 16]>());
        let applicant = Applicant {
            environment: &self.environment,
            claim,
            name: &name,
            process: self.process.as_ref(),
            above: highest.max(claim.above),
        };
        let held = self.apply(&applicant).await?;
        *self.held() = Some(Taken { lease: held.lease.clone(), claim: name });
        match self.tail_after(&chain.tail).await {
            Ok(tail) => {
                *self.tail.lock().await = Some(tail);
                Ok(held.lease)
            }
            Err(error) => {
                if let Err(left) = self.release(&held.lease).await {
                    tracing::warn!(error = %left, "the lease could not be given back");
                }
                Err(error)
            }
        }
    }

    /// Asks for the lease until it is had or held by somebody who lives.
    async fn apply(&self, applicant: &Applicant<'_>) -> Result<Held, LedgerError> {
        let mut dead = None;
        let mut error = LedgerError::Storage("the lease changes hands too fast".to_owned());
        for _ in 0..TRIES {
            match ask!(self.working, session => lease::take(session, applicant, dead)) {
                Answer::Done(Some(Some(held))) => return Ok(held),
                Answer::Done(_) => {}
                Answer::NotDone(error) => return Err(error),
                Answer::Unknown(reason) => error = reason,
            }
            match self.look().await? {
                // The answer was lost, and it was yes.
                Some(held) if held.claim == applicant.name => return Ok(held),
                Some(held) if held.is_left_by_the_dead() => dead = Some(held.lease.token),
                Some(held) if !held.lease.expired => return Err(LedgerError::Held(Box::new(held.lease))),
                _ => {}
            }
        }
        Err(error)
    }

    /// The end of the journal under the lease. Whoever had it in between may have written more than was verified.
    async fn tail_after(&self, verified: &Tail) -> Result<Tail, LedgerError> {
        let tail = ask_twice!(self.working, session => journal::tail(session, &self.environment));
        let tail = tail.done()?.unwrap_or_default();
        if tail == *verified { Ok(tail) } else { Ok(self.journal().await?.1.tail) }
    }
}
