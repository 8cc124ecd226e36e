//! An environment whose ledger is a database that operators share: the same verbs, the same answers, nothing kept here
//! that decides; and a way back while that database is away.

use rand::Rng;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::machine::{Machine, Said};
use crate::interruption::until_step;

const DEPLOY: [&str; 5] = ["deploy", "local", "--skip=perf", "--reason", "not this story"];

/// A machine whose ledger is a database of its own on the tests' server.
struct Operator {
    machine: Machine,
    dsn: String,
}

impl Operator {
    fn new() -> Self {
        let url = std::env::var("TEST_DATABASE_URL")
            .expect("TEST_DATABASE_URL is not set; hint: run `make test` or `scripts/with-services`");
        let (server, _) = url.rsplit_once('/').unwrap();
        let dsn = format!("{server}/crmctl_state_{:x}", rand::rng().random::<u64>());
        let operator = Self { machine: Machine::new(), dsn };
        let file = operator.machine.checkout().join("config/environments/local.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n[ledger]\ndsn_key = \"LEDGER_DSN\"\n")).unwrap();
        operator.use_ledger(&operator.dsn);
        operator.machine.commit("a shared ledger");
        operator
    }

    fn use_ledger(&self, dsn: &str) {
        self.machine.write_secrets(&format!("LEDGER_DSN={dsn}\n"), 0o600);
    }

    /// The ledger's server is not where it was.
    fn lose_ledger(&self) {
        self.use_ledger("postgresql://postgres@127.0.0.1:1/crmctl_state");
    }

    fn find_ledger(&self) {
        self.use_ledger(&self.dsn);
    }

    fn crmctl(&self, arguments: &[&str]) -> Said {
        self.machine.crmctl(arguments)
    }

    fn ask<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut session = PgConnection::connect(&self.dsn).await.unwrap();
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut session).await.unwrap()
        })
    }

    fn tokens(&self) -> i64 {
        self.ask("SELECT token FROM ledger.lease WHERE environment = 'local'")
    }

    fn records(&self) -> i64 {
        self.ask("SELECT count(*) FROM ledger.record WHERE environment = 'local'")
    }

    fn history(&self) -> Vec<String> {
        let history = self.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
        let runs = history["runs"].as_array().unwrap();
        runs.iter()
            .map(|run| format!("{} {}", run["verb"].as_str().unwrap(), run["ending"].as_str().unwrap()))
            .collect()
    }

    /// A holder on another machine that renews no more: its lease lasts so long yet.
    fn hold_elsewhere(&self, seconds: u32) {
        let _: i64 = self.ask(&format!(
            "UPDATE ledger.lease SET token = token + 1, holder = 'ben@pc2', run = '20261124T120301Z-be17', claim = 'x', boot = 'pc2', \
             pid_namespace = 'pc2', pid = 7, started = 7, since = clock_timestamp(), \
             expires_at = clock_timestamp() + interval '{seconds} seconds' RETURNING token"
        ));
    }
}

#[test]
fn deploy_rollback_status_and_history_with_the_ledger_on_a_server() {
    let operator = Operator::new();
    let machine = &operator.machine;
    operator.crmctl(&DEPLOY).exits(0);
    let first = machine.serving();
    machine.commit("second");
    operator.crmctl(&DEPLOY).exits(0);
    let second = machine.serving();
    assert_ne!(first, second);
    operator.crmctl(&["rollback", "local"]).exits(0);
    let status = machine.status();
    assert_eq!((&status["serving"]["id"], &status["lease"]), (&first.into(), &Value::Null), "{status}");
    assert_eq!(status["last_run"]["verb"], "rollback");
    assert_eq!(operator.history(), ["rollback rolled_back", "deploy deployed", "deploy deployed"]);
    assert_eq!(operator.tokens(), 3);
    assert!(operator.records() > 20, "{}", operator.records());
    assert!(!machine.state().join("local/ledger/journal.ndjson").exists(), "it was written here");
    operator.crmctl(&["doctor", "local"]).says(&[
        "doctor/ledger",
        "crmctl_state",
        "records of 3 runs, one chain",
    ]);
    operator.crmctl(&["down", "local", "--purge", "--yes"]).exits(0);
    assert_eq!(operator.ask::<Option<String>>("SELECT holder FROM ledger.lease"), None, "the lease is kept");
}

#[test]
fn rollback_works_while_the_ledger_is_away_and_is_in_it_afterwards() {
    let operator = Operator::new();
    let machine = &operator.machine;
    operator.crmctl(&DEPLOY).exits(0);
    let first = machine.serving();
    machine.commit("second");
    operator.crmctl(&DEPLOY).exits(0);
    let before = operator.records();

    operator.lose_ledger();
    operator.crmctl(&DEPLOY).exits(10).says(&[
        "the ledger is away",
        "127.0.0.1:1",
        "`crmctl rollback` works",
    ]);
    let said = operator.crmctl(&["rollback", "local"]).exits(0);
    said.says(&["note: the ledger is away", "is written to", "journal.ndjson"]);
    assert_eq!(machine.serving(), first);
    let said = operator.crmctl(&["status", "local"]).exits(0);
    said.says(&["what this machine knows of it", "rollback rolled_back"]);
    operator.crmctl(&["doctor", "local"]).exits(30).says(&["doctor/ledger", "the ledger is away"]);
    assert_eq!(operator.records(), before);

    operator.find_ledger();
    assert_eq!(operator.history()[..2], ["rollback rolled_back", "deploy deployed"]);
    assert_eq!(operator.records(), before, "a look wrote");
    operator.crmctl(&["smoke", "local"]).exits(0).says(&["were written here while the ledger was away"]);
    assert_eq!(operator.history()[..2], ["smoke done", "rollback rolled_back"]);
    assert!(operator.records() > before + 5);
    assert!(operator.tokens() > 1000, "the tokens of the way back are not adopted: {}", operator.tokens());
    assert!(!machine.state().join("local/ledger/journal.ndjson").exists());
    machine.commit("third");
    operator.crmctl(&DEPLOY).exits(0);
}

#[test]
fn a_mistake_in_the_secrets_leaves_the_way_back_open() {
    let operator = Operator::new();
    operator.crmctl(&DEPLOY).exits(0);
    let first = operator.machine.serving();
    operator.machine.commit("second");
    operator.crmctl(&DEPLOY).exits(0);
    operator.use_ledger("changeme");
    operator.crmctl(&DEPLOY).exits(10).says(&["LEDGER_DSN` is"]);
    operator.crmctl(&["rollback", "local"]).exits(31).says(&["note: the ledger is away"]);
    assert_eq!(operator.machine.serving(), first);
    operator.find_ledger();
    operator.crmctl(&["smoke", "local"]).exits(0).says(&["were written here while the ledger was away"]);
}

#[test]
fn deploy_is_refused_and_rollback_waits_for_a_lease_of_another_machine() {
    let operator = Operator::new();
    operator.crmctl(&DEPLOY).exits(0);
    operator.machine.commit("second");
    operator.crmctl(&DEPLOY).exits(0);
    operator.hold_elsewhere(600);
    operator.crmctl(&DEPLOY).exits(11).says(&["`ben@pc2` holds the lease", "20261124T120301Z-be17"]);
    let token = operator.tokens().to_string();
    let unlock = ["unlock", "local", "--run", "20261124T120301Z-be17", "--token", &token];
    operator.crmctl(&unlock).exits(11).says(&["it lasts until", "--force --reason"]);
    let forced = [&unlock[..], &["--force", "--reason", "his machine burnt"]].concat();
    operator.crmctl(&forced).exits(0);
    operator.hold_elsewhere(3);
    operator.crmctl(&["rollback", "local"]).exits(0).says(&[
        "note: waiting up to 35 s",
        "20261124T120301Z-be17",
        "ben@pc2",
    ]);
    assert_eq!(operator.history()[..2], ["rollback rolled_back", "unlock done"]);
}

#[test]
fn a_killed_run_is_replaced_at_once_on_its_own_machine() {
    let operator = Operator::new();
    let mut child = operator.machine.start(&[&DEPLOY[..], &["--output", "json"]].concat());
    until_step(&mut child, "deploy.start");
    child.kill().unwrap();
    child.wait().unwrap();
    let left = operator.machine.status();
    assert_eq!(left["lease"]["expired"], true, "{left}");
    operator.crmctl(&["resume", "local"]).exits(0);
    assert_eq!(operator.history(), ["deploy deployed"]);
}
