//! The shared ledger keeps the contract of ledgers on a real server, and what only a server and a network can show.

use std::process::{Child, Command};

use phases::engine::journal::{Actor, Kind};
use phases::testing::contract::ledger::Stand;
use rand::Rng;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::*;

mod merging;
mod network;
pub(in crate::ledger) mod proxy;
mod storage;

/// A database of its own, which nobody has made yet.
pub(in crate::ledger) struct Shared {
    options: PgConnectOptions,
    environment: String,
}

impl Shared {
    pub(in crate::ledger) fn new() -> Self {
        let url = std::env::var("TEST_DATABASE_URL")
            .expect("TEST_DATABASE_URL is not set; hint: run `make test` or `scripts/with-services`");
        let options: PgConnectOptions = url.parse().unwrap();
        let name = format!("crmctl_state_{:x}", rand::rng().random::<u64>());
        Self { options: options.database(&name), environment: "staging".to_owned() }
    }

    /// Another environment in the same database, for who needs many.
    pub(in crate::ledger) fn environment(&self, name: String) -> Self {
        Self { options: self.options.clone(), environment: name }
    }

    pub(in crate::ledger) fn name(&self) -> &str {
        &self.environment
    }

    pub(in crate::ledger) fn dsn(&self) -> SecretString {
        self.options.to_url_lossy().to_string().into()
    }

    /// The same through another port of this machine.
    pub(in crate::ledger) fn dsn_through(&self, port: u16) -> SecretString {
        self.options.clone().host("127.0.0.1").port(port).to_url_lossy().to_string().into()
    }

    pub(in crate::ledger) fn ledger(&self) -> PgLedger {
        PgLedger::new(&self.dsn(), &self.environment).unwrap()
    }

    pub(in crate::ledger) async fn session(&self) -> PgConnection {
        self.options.connect().await.unwrap()
    }

    pub(in crate::ledger) async fn run(&self, sql: &str) {
        let mut session = self.session().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut session).await.unwrap();
        session.close().await.unwrap();
    }
}

/// A ledger whose holder is a process that can die.
pub(in crate::ledger) struct Operator<L> {
    ledger: L,
    process: Child,
}

impl<L> Operator<L> {
    pub(in crate::ledger) fn new(open: impl FnOnce(Option<HolderProcess>) -> L) -> Self {
        let process = Command::new("sleep").arg("600").spawn().unwrap();
        Self { ledger: open(HolderProcess::of(process.id())), process }
    }
}

impl<L> Drop for Operator<L> {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[async_trait]
impl<L: Ledger> Ledger for Operator<L> {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.ledger.acquire(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.release(lease).await
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.ledger.revoke(lease).await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.ledger.holder().await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        self.ledger.append(lease, draft).await
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.ledger.records().await
    }
}

#[async_trait]
impl Stand for Shared {
    async fn open(&self) -> Box<dyn Ledger> {
        Box::new(Operator::new(|process| PgLedger { process, ..self.ledger() }))
    }

    async fn kill(&self, ledger: Box<dyn Ledger>) {
        drop(ledger);
    }

    async fn run_out(&self) -> bool {
        self.run("UPDATE ledger.lease SET expires_at = clock_timestamp()").await;
        true
    }

    async fn journal(&self) -> Vec<u8> {
        journal::read(&mut self.session().await, &self.environment).await.unwrap()
    }

    /// A line that was torn was never committed, so this server never shows one.
    async fn set_journal(&self, bytes: &[u8]) {
        let mut session = self.session().await;
        let cleared = "ALTER TABLE ledger.record DISABLE TRIGGER append_only; DELETE FROM ledger.record; \
                       ALTER TABLE ledger.record ENABLE TRIGGER append_only;";
        sqlx::raw_sql(cleared).execute(&mut session).await.unwrap();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for (seq, line) in (1_i64..).zip(lines) {
            sqlx::query("INSERT INTO ledger.record (environment, seq, line) VALUES ('staging', $1, $2)")
                .bind(seq)
                .bind(std::str::from_utf8(&line[..line.len() - 1]).unwrap())
                .execute(&mut session)
                .await
                .unwrap();
        }
    }
}

mod contract {
    use super::Shared;

    phases::ledger_contract!(Shared::new());
}

pub(in crate::ledger) fn claim(run: &str) -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: run.to_owned(), verb: "deploy".to_owned(), above: 0 }
}

pub(in crate::ledger) fn draft(word: &str) -> Draft {
    Draft {
        run: "run-1".to_owned(),
        step: Some("deploy.shift".to_owned()),
        attempt: 1,
        kind: Kind::Intent,
        observed: Value::Null,
        desired: json!({ "word": word }),
        evidence: Value::Null,
        actor: Actor { user: "ana".to_owned(), host: "pc1".to_owned() },
        at: "2026-11-24T12:03:01Z".to_owned(),
    }
}

/// What the journal says, in order.
pub(in crate::ledger) async fn words(ledger: &dyn Ledger) -> Vec<String> {
    let records = ledger.records().await.unwrap();
    records.iter().map(|record| record.desired["word"].as_str().unwrap().to_owned()).collect()
}
