//! What one record costs: in files, and on a server whose disk is really written to. Prints rows for `benches/spine`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has no figure")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use crmctl::ledger::file::FileLedger;
use crmctl::ledger::postgres::PgLedger;
use crmctl::platform::process::postgres::PrivatePostgres;
use crmctl::state_directory::StateDirectory;
use phases::engine::journal::{Actor, Draft, Kind};
use phases::engine::ledger::{Claim, Ledger};
use secrecy::SecretString;
use serde_json::{Value, json};

const RECORDS: usize = 500;

#[tokio::main]
async fn main() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    row("append to the journal in files", &FileLedger::new(root.path().join("files/ledger"))).await;
    let postgres = PrivatePostgres::new(StateDirectory::new(root.path(), "server").unwrap());
    let password = SecretString::from("bench");
    postgres.ensure_running(&password).await.unwrap();
    let dsn = postgres.dsn("postgres", &password, "crmctl_state").unwrap();
    row("append to the journal of a shared ledger", &PgLedger::new(&dsn, "bench").unwrap()).await;
    postgres.remove().await.unwrap();
}

async fn row(what: &str, ledger: &dyn Ledger) {
    let claim =
        Claim { holder: "ana@pc1".to_owned(), run: "run".to_owned(), verb: "deploy".to_owned(), above: 0 };
    let lease = ledger.acquire(&claim).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..RECORDS {
        let begun = Instant::now();
        ledger.append(&lease, draft()).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    let ms = |share: usize| took[RECORDS * share / 100].as_secs_f64() * 1000.0;
    let (median, most) = (ms(50), ms(95));
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<58} {:>10}   limit 5 ms (median {median:.2} ms)",
        format!("{what}, p95"),
        format!("{most:.2} ms")
    )
    .unwrap();
    drop(out);
    ledger.release(&lease).await.unwrap();
}

fn draft() -> Draft {
    Draft {
        run: "20261124T120301Z-7f3a".to_owned(),
        step: Some("deploy.shift".to_owned()),
        attempt: 1,
        kind: Kind::Intent,
        observed: json!({"serving": "0123456789ab.01234567"}),
        desired: json!({"serving": "0123456789ab.89abcdef"}),
        evidence: Value::Null,
        actor: Actor { user: "ana".to_owned(), host: "pc1".to_owned() },
        at: "2026-11-24T12:03:01Z".to_owned(),
    }
}
