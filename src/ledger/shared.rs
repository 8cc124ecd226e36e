//! The ledger of a shared environment as an operator's machine uses it: the one on the server while that can be reached;
//! for a rollback also without it. Then the run is spooled in files here, under a token above all that are known, and its
//! records go to the server with the next lease. A copy of the journal lies beside, so that a rollback knows where to go.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use phases::engine::journal::{Draft, Record};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use secrecy::SecretString;

use super::postgres::PgLedger;
use copy::Copy;
use spool::Spool;

mod copy;
mod merge;
mod spool;
#[cfg(test)]
mod tests;

/// Where news about the ledger goes that a person has to know.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Lease and journal of a shared environment, with what this machine keeps of them.
pub struct SharedLedger {
    /// Or why its address is not known.
    server: Result<PgLedger, String>,
    spool: Spool,
    copy: Copy,
    mode: Mutex<Mode>,
    tell: Tell,
    told: Mutex<Vec<String>>,
}

/// Where this value's lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Free,
    OnServer,
    InSpool,
}

impl SharedLedger {
    /// The ledger of `environment`, in the database that `dsn` names and with `directory` for what is kept here. Touches
    /// nothing until it is used. A DSN that cannot be had is given as the reason.
    pub fn new(
        dsn: Result<SecretString, String>,
        environment: &str,
        directory: impl Into<PathBuf>,
        tell: Tell,
    ) -> Self {
        let directory = directory.into();
        let open = |dsn| {
            PgLedger::new(&dsn, environment).map_err(|error| match error {
                LedgerError::Away(reason) => reason,
                other => other.to_string(),
            })
        };
        Self {
            server: dsn.and_then(open),
            spool: Spool::new(&directory),
            copy: Copy::new(&directory),
            mode: Mutex::new(Mode::Free),
            tell,
            told: Mutex::default(),
        }
    }

    /// Takes the lease on the server, or in the spool while the server is away.
    ///
    /// # Errors
    /// As [`Ledger::acquire`], except that a server which is away is none.
    pub async fn acquire_or_spool(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let reason = match self.acquire(claim).await {
            Err(LedgerError::Away(reason)) => reason,
            answer => return answer,
        };
        let lease = self.spool.acquire(claim, &self.copy).await?;
        *self.mode() = Mode::InSpool;
        self.tell(&format!(
            "the ledger is away ({reason}): this run has token {} and is written to `{}`; the next run that reaches the \
             ledger brings it there",
            lease.token,
            self.spool.journal().display()
        ));
        Ok(lease)
    }

    /// Where the ledger is, when it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn reach(&self) -> Result<String, LedgerError> {
        let server = self.server()?;
        server.holder().await.map(|_| server.place())
    }

    fn server(&self) -> Result<&PgLedger, LedgerError> {
        self.server.as_ref().map_err(|reason| LedgerError::Away(reason.clone()))
    }

    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger that this value's lease is of.
    fn current(&self) -> Result<&dyn Ledger, LedgerError> {
        let mode = *self.mode();
        match mode {
            Mode::InSpool => Ok(self.spool.ledger()),
            Mode::Free | Mode::OnServer => Ok(self.server()?),
        }
    }

    /// Says something once.
    fn tell(&self, news: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.iter().any(|said| said == news) {
            told.push(news.to_owned());
            (self.tell)(news);
        }
    }

    /// What this machine knows by itself, for who only looks.
    async fn remembered(&self, reason: &str) -> Result<Vec<Record>, LedgerError> {
        self.tell(&format!("the ledger is away ({reason}): what follows is what this machine knows of it"));
        if self.spool.exists() { self.spool.ledger().records().await } else { self.copy.records() }
    }

    /// The server's journal, and behind it what still waits here.
    async fn all(&self, server: &PgLedger) -> Result<Vec<Record>, LedgerError> {
        let (bytes, chain) = server.journal().await?;
        if !self.spool.exists() {
            return Ok(chain.records);
        }
        let waiting = merge::waiting(&self.spool.read()?, &bytes, self.copy.read()?.as_deref(), &self.spool)?;
        let waiting = server.lacking(waiting).await?;
        Ok(chain.records.into_iter().chain(waiting.into_iter().map(|spooled| spooled.record)).collect())
    }
}

#[async_trait]
impl Ledger for SharedLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let mode = *self.mode();
        if mode == Mode::InSpool {
            return self.spool.ledger().acquire(claim).await;
        }
        let server = self.server()?;
        let kept = self.spool.lock(claim).await?;
        let above = kept.as_ref().map_or(0, |kept| kept.highest_token).max(claim.above);
        let taken = async {
            let lease = server.acquire(&Claim { above, ..claim.clone() }).await?;
            let settled = self.settle(server, &lease, kept.is_some()).await;
            match settled {
                Ok(()) => Ok(lease),
                Err(error) => {
                    if let Err(left) = server.release(&lease).await {
                        tracing::warn!(error = %left, "the lease could not be given back");
                    }
                    Err(error)
                }
            }
        }
        .await;
        if let Some(kept) = kept {
            self.spool.unlock(kept).await;
        }
        let lease = taken?;
        *self.mode() = Mode::OnServer;
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.current()?.renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        let given = self.current()?.release(lease).await;
        *self.mode() = Mode::Free;
        given
    }

    /// The lease may be one of a run here that was spooled.
    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        let spooled = self.spool.ledger().holder().await?;
        if spooled.is_some_and(|held| (held.token, &held.run) == (lease.token, &lease.run)) {
            return self.spool.ledger().revoke(lease).await;
        }
        self.server()?.revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        let on_server = match self.current() {
            Ok(ledger) => ledger.holder().await,
            Err(error) => Err(error),
        };
        match on_server {
            Err(LedgerError::Away(reason)) => {
                self.tell(&format!("the ledger is away ({reason}): who holds its lease is not known here"));
                self.spool.ledger().holder().await
            }
            Ok(None) => self.spool.ledger().holder().await,
            answer => answer,
        }
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let record = self.current()?.append(lease, draft).await?;
        if *self.mode() == Mode::OnServer {
            self.copy.add(&record);
        }
        Ok(record)
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        let mode = *self.mode();
        match (mode, self.server()) {
            (Mode::InSpool, _) => self.spool.ledger().records().await,
            (Mode::OnServer, server) => server?.records().await,
            (Mode::Free, Ok(server)) => match self.all(server).await {
                Err(LedgerError::Away(reason)) => self.remembered(&reason).await,
                answer => answer,
            },
            (Mode::Free, Err(_)) => {
                let reason = self.server.as_ref().err().cloned().unwrap_or_default();
                self.remembered(&reason).await
            }
        }
    }
}
