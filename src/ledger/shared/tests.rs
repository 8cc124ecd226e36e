//! A shared ledger keeps the contract of ledgers, and a rollback its memory while the server is away.

use std::path::{Path, PathBuf};

use phases::testing::contract::ledger::Stand;
use tempfile::TempDir;

use super::*;
use crate::ledger::file::FileLedger;
use crate::ledger::postgres::tests::proxy::Proxy;
use crate::ledger::postgres::tests::{Operator, Shared, claim, draft, words};

mod conflict;
mod crash;

/// One operator's machine.
struct Machine {
    directory: TempDir,
    said: Arc<Mutex<Vec<String>>>,
    environment: String,
}

impl Machine {
    fn new() -> Self {
        Self::of("staging")
    }

    fn of(environment: &str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            said: Arc::default(),
            environment: environment.to_owned(),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Another process here.
    fn ledger(&self, dsn: SecretString) -> SharedLedger {
        self.open(Ok(dsn))
    }

    fn open(&self, dsn: Result<SecretString, String>) -> SharedLedger {
        let said = Arc::clone(&self.said);
        let tell: Tell = Arc::new(move |news| said.lock().unwrap().push(news.to_owned()));
        SharedLedger::new(dsn, &self.environment, self.path(), tell)
    }

    fn has_said(&self, words: &str) -> bool {
        self.said.lock().unwrap().iter().any(|news| news.contains(words))
    }

    fn journal(&self) -> PathBuf {
        self.path().join("journal.ndjson")
    }

    fn copy(&self) -> Vec<u8> {
        std::fs::read(self.path().join("copy.ndjson")).unwrap()
    }
}

/// Runs that write one record each.
async fn run(ledger: &SharedLedger, word: &str) -> u64 {
    let lease = ledger.acquire(&claim(word)).await.unwrap();
    ledger.append(&lease, draft(word)).await.unwrap();
    ledger.release(&lease).await.unwrap();
    lease.token
}

async fn spooled_run(ledger: &SharedLedger, word: &str) -> u64 {
    let lease = ledger.acquire_or_spool(&claim(word)).await.unwrap();
    ledger.renew(&lease).await.unwrap();
    ledger.append(&lease, draft(word)).await.unwrap();
    ledger.release(&lease).await.unwrap();
    lease.token
}

/// Operators on machines of their own.
struct Operators(Shared, Mutex<Vec<Machine>>);

#[async_trait]
impl Stand for Operators {
    async fn open(&self) -> Box<dyn Ledger> {
        let machine = Machine::new();
        let mut ledger = machine.ledger(self.0.dsn());
        Box::new(Operator::new(|process| {
            ledger.server.as_mut().unwrap().process = process;
            self.1.lock().unwrap().push(machine);
            ledger
        }))
    }

    async fn kill(&self, ledger: Box<dyn Ledger>) {
        drop(ledger);
    }

    async fn run_out(&self) -> bool {
        self.0.run_out().await
    }

    async fn journal(&self) -> Vec<u8> {
        self.0.journal().await
    }

    async fn set_journal(&self, bytes: &[u8]) {
        self.0.set_journal(bytes).await;
    }
}

mod contract {
    use super::{Mutex, Operators, Shared};

    phases::ledger_contract!(Operators(Shared::new(), Mutex::default()));
}

#[tokio::test]
async fn rollback_goes_without_the_ledger_and_its_records_go_there_with_the_next_run() {
    let (shared, here) = (Shared::new(), Machine::new());
    let proxy = Proxy::before(&shared).await;
    let ledger = here.ledger(shared.dsn_through(proxy.port));
    let last = run(&ledger, "one").await;

    proxy.close();
    let refused = ledger.acquire(&claim("deploy")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Away(_)), "{refused:?}");
    let lease = ledger.acquire_or_spool(&Claim { above: 40, ..claim("rollback") }).await.unwrap();
    assert!(lease.token > 40 && lease.token >= last + 1000, "{}", lease.token);
    assert!(here.has_said("the ledger is away") && here.has_said("journal.ndjson"), "{:?}", here.said);
    assert_eq!(words(&ledger).await, ["one"], "it does not know what was before");
    ledger.append(&lease, draft("away")).await.unwrap();
    ledger.renew(&lease).await.unwrap();
    assert_eq!(ledger.holder().await.unwrap().unwrap().token, lease.token);
    ledger.release(&lease).await.unwrap();
    let looker = here.ledger(shared.dsn_through(proxy.port));
    assert_eq!(words(&looker).await, ["one", "away"]);
    assert_eq!(looker.holder().await.unwrap(), None);
    assert!(here.has_said("what this machine knows"), "{:?}", here.said);

    proxy.open();
    assert_eq!(words(&looker).await, ["one", "away"]);
    assert_eq!(words(&shared.ledger()).await, ["one"], "a look wrote");
    let next = run(&looker, "next").await;
    assert!(next > lease.token, "{next} after {}", lease.token);
    assert_eq!(words(&shared.ledger()).await, ["one", "away", "next"]);
    assert!(here.has_said("1 records that were written here"), "{:?}", here.said);
    assert!(!here.journal().exists());
    assert_eq!(here.copy(), shared.journal().await);
    assert_eq!(run(&looker, "last").await, next + 1);
}

#[tokio::test]
async fn what_others_did_meanwhile_comes_first() {
    let (shared, here, elsewhere) = (Shared::new(), Machine::new(), Machine::new());
    let proxy = Proxy::before(&shared).await;
    let ledger = here.ledger(shared.dsn_through(proxy.port));
    run(&ledger, "one").await;
    proxy.close();
    let first = spooled_run(&ledger, "away-1").await;
    let second = spooled_run(&here.ledger(shared.dsn_through(proxy.port)), "away-2").await;
    assert!(second > first);
    let other = run(&elsewhere.ledger(shared.dsn()), "other").await;
    assert!(other < first, "two runs could bear the same token");
    proxy.open();
    let looker = here.ledger(shared.dsn());
    assert_eq!(words(&looker).await, ["one", "other", "away-1", "away-2"]);
    assert!(run(&looker, "next").await > second);
    assert_eq!(words(&elsewhere.ledger(shared.dsn())).await, ["one", "other", "away-1", "away-2", "next"]);
}

#[tokio::test]
async fn address_that_is_not_known_is_a_ledger_that_is_away() {
    let here = Machine::new();
    let ledger = here.open(Err("`LEDGER_DSN` is missing".to_owned()));
    let away = ledger.acquire(&claim("deploy")).await.unwrap_err().to_string();
    assert_eq!(away, "the ledger is away: `LEDGER_DSN` is missing");
    assert!(ledger.reach().await.unwrap_err().to_string().contains("LEDGER_DSN"));
    assert_eq!(words(&ledger).await, Vec::<String>::new());
    assert_eq!(ledger.holder().await.unwrap(), None);
    spooled_run(&ledger, "away").await;
    assert_eq!(words(&ledger).await, ["away"]);
    let malformed = here.ledger("hunter2".into()).acquire(&claim("deploy")).await.unwrap_err();
    assert_eq!(malformed.to_string(), "the ledger is away: its DSN is no PostgreSQL URL");
}

#[tokio::test]
async fn spooled_run_that_lives_keeps_others_here_from_the_server() {
    let (shared, here) = (Shared::new(), Machine::new());
    let away = here.open(Err("away".to_owned()));
    let lease = away.acquire_or_spool(&claim("rollback")).await.unwrap();
    let other = here.ledger(shared.dsn());
    match other.acquire(&claim("deploy")).await {
        Err(LedgerError::Held(holder)) => {
            assert_eq!((holder.run.as_str(), holder.token), ("rollback", lease.token))
        }
        answer => panic!("{answer:?}"),
    }
    assert_eq!(other.holder().await.unwrap().unwrap().run, "rollback");
    other.revoke(&lease).await.unwrap();
    assert!(matches!(away.append(&lease, draft("late")).await, Err(LedgerError::Lost { .. })));
    run(&other, "next").await;
}

#[tokio::test]
async fn history_in_files_goes_to_a_ledger_without_any() {
    let (shared, here) = (Shared::new(), Machine::new());
    let files = FileLedger::new(here.path());
    let lease = files.acquire(&Claim { above: 6, ..claim("before") }).await.unwrap();
    files.append(&lease, draft("before")).await.unwrap();
    files.release(&lease).await.unwrap();
    let token = run(&here.ledger(shared.dsn()), "after").await;
    assert!(token > 7, "{token}");
    assert_eq!(words(&shared.ledger()).await, ["before", "after"]);
}

#[tokio::test]
async fn copy_that_cannot_be_written_hinders_nobody() {
    let (shared, here) = (Shared::new(), Machine::new());
    let in_the_way = here.path().join(format!("copy.ndjson.{}", std::process::id()));
    std::fs::create_dir(&in_the_way).unwrap();
    let ledger = here.ledger(shared.dsn());
    run(&ledger, "one").await;
    assert!(!here.path().join("copy.ndjson").exists());
    std::fs::remove_dir(in_the_way).unwrap();
    run(&ledger, "two").await;
    assert_eq!(here.copy(), shared.journal().await);
}

#[tokio::test]
async fn holder_that_was_overtaken_spoils_no_copy() {
    let (shared, here) = (Shared::new(), Machine::new());
    let slow = here.ledger(shared.dsn());
    let lease = slow.acquire(&claim("slow")).await.unwrap();
    let record = slow.server().unwrap().append(&lease, draft("slow")).await.unwrap();
    shared.run_out().await;
    let quick = here.ledger(shared.dsn());
    let lease = quick.acquire(&claim("quick")).await.unwrap();
    quick.append(&lease, draft("quick")).await.unwrap();
    slow.copy.add(&record);
    assert_eq!(here.copy(), shared.journal().await);
}
