//! The ledger of shared environments: lease and journal in a PostgreSQL database of their own, apart from any
//! application's. Owns the schema `ledger`; encoding and verifying are the chain's.
//!
//! The lease is renewed on a session of its own, so that a record under way never delays a renewal. An answer that was
//! lost is looked for before anything is called failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use phases::engine::journal::chain::{self, Chain, Tail};
use phases::engine::journal::{Draft, Record};
use phases::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use secrecy::SecretString;

mod acquire;
mod append;
mod holder;
mod journal;
mod layout;
mod lease;
mod link;
mod server;
#[cfg(test)]
pub(super) mod tests;

use holder::HolderProcess;
pub(crate) use journal::Spooled;
use journal::Writer;
use lease::Held;
use link::{Link, ask_twice};
use server::Server;

/// Longest wait for one answer. With a new session before it, two of them end before the run loop stops trusting a
/// lease (15 s).
const ANSWER: Duration = Duration::from_secs(4);

/// Longest wait for a whole journal.
const READ: Duration = Duration::from_secs(60);

/// The ledger of one environment on a server. Each value is a holder of its own, in one process or in several.
pub struct PgLedger {
    environment: String,
    server: Server,
    /// Lease and records.
    working: Link,
    /// Nothing but renewals.
    renewing: Link,
    /// Whole journals, which may take longer.
    reading: Link,
    pub(in crate::ledger) process: Option<HolderProcess>,
    taken: Mutex<Option<Taken>>,
    /// Where the next record goes; unknown after a doubtful answer. Locked while one is written.
    tail: tokio::sync::Mutex<Option<Tail>>,
}

/// What this value holds.
#[derive(Debug, Clone)]
struct Taken {
    lease: Lease,
    /// Random name of this taking.
    claim: String,
}

impl PgLedger {
    /// The ledger of `environment` in the database that `dsn` names; database and tables are made when a lease is first
    /// asked for. Opens nothing.
    ///
    /// # Errors
    /// `dsn` is no address.
    pub fn new(dsn: &SecretString, environment: &str) -> Result<Self, LedgerError> {
        let server = Server::new(dsn)?;
        Ok(Self {
            environment: environment.to_owned(),
            working: Link::new(server.clone(), "work", ANSWER),
            renewing: Link::new(server.clone(), "renew", ANSWER),
            reading: Link::new(server.clone(), "read", READ),
            server,
            process: HolderProcess::current(),
            taken: Mutex::default(),
            tail: tokio::sync::Mutex::default(),
        })
    }

    /// Where it is, without user and password.
    pub fn place(&self) -> String {
        self.server.place()
    }

    /// The journal as it stands there, verified.
    pub(crate) async fn journal(&self) -> Result<(Vec<u8>, Chain), LedgerError> {
        let read = ask_twice!(self.reading, session => journal::read(session, &self.environment));
        let bytes = read.done()?.unwrap_or_default();
        let chain = chain::read(&bytes)?;
        Ok((bytes, chain))
    }

    /// Takes in records that were kept elsewhere, all or none, each once. How many were new.
    pub(crate) async fn take_in(&self, lease: &Lease, spooled: &[Spooled]) -> Result<usize, LedgerError> {
        let taken = self.taken(lease)?;
        let writer = self.writer(&taken);
        let mut tail = self.tail.lock().await;
        *tail = None;
        let answer = ask_twice!(self.reading, session => journal::take_in(session, &writer, spooled));
        let (count, next) = answer.done()?.flatten().ok_or_else(|| lost(lease))?;
        *tail = Some(next);
        Ok(count)
    }

    /// Those that it has not taken in.
    pub(crate) async fn lacking(&self, mut spooled: Vec<Spooled>) -> Result<Vec<Spooled>, LedgerError> {
        let present = ask_twice!(self.working, session => journal::taken_in(session, &self.environment));
        let present = present.done()?.unwrap_or_default();
        spooled.retain(|spooled| !present.contains(&spooled.hash));
        Ok(spooled)
    }

    fn held(&self) -> MutexGuard<'_, Option<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self, lease: &Lease) -> Result<Taken, LedgerError> {
        let is_it = |taken: &Taken| (taken.lease.token, &taken.lease.run) == (lease.token, &lease.run);
        self.held().clone().filter(is_it).ok_or_else(|| lost(lease))
    }

    fn writer<'a>(&'a self, taken: &'a Taken) -> Writer<'a> {
        Writer { environment: &self.environment, token: taken.lease.token, claim: &taken.claim }
    }

    async fn look(&self) -> Result<Option<Held>, LedgerError> {
        let held = ask_twice!(self.working, session => lease::look(session, &self.environment));
        Ok(held.done()?.flatten())
    }
}

fn lost(lease: &Lease) -> LedgerError {
    LedgerError::Lost { run: lease.run.clone(), token: lease.token }
}

#[async_trait]
impl Ledger for PgLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        let taken = self.held().clone();
        match taken {
            Some(taken) => Err(LedgerError::Held(Box::new(taken.lease))),
            None => self.take(claim).await,
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let taken = self.taken(lease)?;
        let renewed = ask_twice!(self.renewing, session => lease::renew(session, &self.writer(&taken)));
        if renewed.done()? == Some(true) { Ok(()) } else { Err(lost(lease)) }
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        let Ok(taken) = self.taken(lease) else { return Ok(()) };
        *self.held() = None;
        let released = ask_twice!(self.working, session => lease::release(session, &self.writer(&taken)));
        released.done().map(|_| ())
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        let held = self.look().await?.map(|held| (held.lease.token, held.lease.run));
        if held.is_none_or(|(token, run)| (token, &run) != (lease.token, &lease.run)) {
            return Err(lost(lease));
        }
        // A no from here on means that it has come to pass meanwhile: by a first try that was not heard, or by another.
        let revoked = ask_twice!(self.working, session => lease::revoke(session, &self.environment, lease));
        revoked.done().map(|_| ())
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        Ok(self.look().await?.map(Held::seen))
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let taken = self.taken(lease)?;
        self.write(&taken, draft).await
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        Ok(self.journal().await?.1.records)
    }
}
