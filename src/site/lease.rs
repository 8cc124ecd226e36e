//! The lease of an environment as every verb takes it: with a token above all that platform and database have
//! accepted, so that a ledger which has lost its memory does not lock anybody out.

use futures_util::future::join;
use phases::engine::ledger::{Claim, Lease, Ledger};
use phases::engine::platform::Platform;

use super::{Site, database};
use crate::actor;
use crate::error::{Error, chain, ledger_error};

impl Site {
    /// Takes the lease for a run.
    ///
    /// # Errors
    /// Somebody else has it, or state directory or ledger cannot be used.
    pub async fn take_lease(&self, run: &str, verb: &str) -> Result<Lease, Error> {
        self.take_lease_from(&self.ledger, run, verb).await
    }

    /// The same from a ledger of the caller's choice.
    ///
    /// # Errors
    /// As [`Site::take_lease`].
    pub async fn take_lease_from(&self, ledger: &dyn Ledger, run: &str, verb: &str) -> Result<Lease, Error> {
        let ready = self.state.ensure();
        ready.map_err(|error| Error::refused(chain(&error)).maybe_hint(error.hint()))?;
        let claim = Claim {
            holder: actor::holder(),
            run: run.to_owned(),
            verb: verb.to_owned(),
            above: self.highest_token().await,
        };
        ledger.acquire(&claim).await.map_err(|error| ledger_error(&error))
    }

    /// The highest token that a target has accepted. One that cannot be asked says nothing here: it refuses an older
    /// token by itself when it is back.
    async fn highest_token(&self) -> u64 {
        let (platform, database) = join(self.platform.state(), database::newest_token(self)).await;
        platform.map_or(0, |state| state.token).max(database.unwrap_or(0))
    }
}
