//! The lease of an environment as every verb takes it: with a token above all that platform and database have
//! accepted, so that a ledger which has lost its memory does not lock anybody out.

use std::time::Duration;

use futures_util::future::join;
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use phases::engine::platform::Platform;
use tokio::time::{Instant, sleep};

use super::{Site, database};
use crate::actor;
use crate::environment::LoadedEnvironment;
use crate::error::{Error, chain, ledger_error};
use crate::ledger::EnvironmentLedger;
use crate::ledger::file::FileLedger;
use crate::ledger::shared::{SharedLedger, Tell};
use crate::state_directory::StateDirectory;

/// A lease whose holder is gone has run out by then.
const WAIT: Duration = Duration::from_secs(35);

/// How often it is asked for meanwhile.
const POLL: Duration = Duration::from_millis(500);

/// What a verb does when it does not get the lease at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It is refused.
    Refuse,
    /// It waits for a lease that time may end.
    Wait,
    /// It waits, and goes without the ledger where that is away.
    WaitOrSpool,
}

impl Otherwise {
    /// Who goes back or on at three in the morning waits for a lease that is about to run out; a way back is open even
    /// while the ledger is away.
    pub fn of(verb: &str) -> Self {
        match verb {
            "rollback" => Self::WaitOrSpool,
            "resume" => Self::Wait,
            _ => Self::Refuse,
        }
    }
}

impl Site {
    /// Takes the lease for a run.
    ///
    /// # Errors
    /// Somebody else has it, or state directory or ledger cannot be used.
    pub async fn take_lease(&self, run: &str, verb: &str, otherwise: Otherwise) -> Result<Lease, Error> {
        self.take_lease_from(&self.ledger, run, verb, otherwise).await
    }

    /// The same through a door of the caller's choice.
    ///
    /// # Errors
    /// As [`Site::take_lease`].
    pub async fn take_lease_from(
        &self,
        ledger: &dyn Ledger,
        run: &str,
        verb: &str,
        otherwise: Otherwise,
    ) -> Result<Lease, Error> {
        let ready = self.state.ensure();
        ready.map_err(|error| Error::refused(chain(&error)).maybe_hint(error.hint()))?;
        let claim = Claim {
            holder: actor::holder(),
            run: run.to_owned(),
            verb: verb.to_owned(),
            above: self.highest_token().await,
        };
        let (began, mut told) = (Instant::now(), false);
        loop {
            let asked = match (ledger.acquire(&claim).await, otherwise) {
                (Err(LedgerError::Away(_)), Otherwise::WaitOrSpool) => {
                    self.ledger.acquire_or_spool(&claim).await
                }
                (answer, _) => answer,
            };
            let holder = match asked {
                Err(LedgerError::Held(holder)) if otherwise != Otherwise::Refuse => holder,
                answer => return answer.map_err(|error| ledger_error(&error)),
            };
            if holder.expires_at.is_none() || began.elapsed() >= WAIT {
                return Err(ledger_error(&LedgerError::Held(holder)));
            }
            if !told {
                told = true;
                (self.tell)(&waiting(&holder));
            }
            sleep(POLL).await;
        }
    }

    /// The highest token that a target has accepted. One that cannot be asked says nothing here: it refuses an older
    /// token by itself when it is back.
    async fn highest_token(&self) -> u64 {
        let (platform, database) = join(self.platform.state(), database::newest_token(self)).await;
        platform.map_or(0, |state| state.token).max(database.unwrap_or(0))
    }
}

fn waiting(holder: &Lease) -> String {
    format!(
        "waiting up to {} s for run `{}` of {}: its lease has to be renewed before {}",
        WAIT.as_secs(),
        holder.run,
        holder.holder,
        holder.expires_at.as_deref().unwrap_or("long")
    )
}

/// The ledger that the environment file names. Opens nothing.
pub(super) fn ledger_of(
    environment: &LoadedEnvironment,
    state: &StateDirectory,
    tell: Tell,
) -> EnvironmentLedger {
    let Some(key) = environment.ledger.dsn_key.as_deref() else {
        return EnvironmentLedger::Files(Box::new(FileLedger::new(state.ledger())));
    };
    let dsn = match environment.require_secrets() {
        Ok(()) => environment.secrets.get(key).cloned().ok_or_else(|| format!("`{key}` is missing")),
        Err(error) => Err(error.message),
    };
    let name = &environment.facts.name;
    EnvironmentLedger::Shared(Box::new(SharedLedger::new(dsn, name, state.ledger(), tell)))
}
