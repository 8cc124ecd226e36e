//! The file ledger keeps the contract of ledgers on a real directory, and what only files can show.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use phases::engine::history::decision::{Verdict, draft_values};
use phases::engine::journal::{Actor, Draft};
use phases::plan::Target;
use phases::testing::contract::ledger::Stand;
use serde_json::Value;
use tempfile::TempDir;

use super::lease::LeaseFile;
use super::*;

/// A directory of its own.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("local/ledger")
    }

    fn ledger(&self) -> FileLedger {
        FileLedger::new(self.path())
    }
}

#[async_trait]
impl Stand for Files {
    async fn open(&self) -> Box<dyn Ledger> {
        Box::new(self.ledger())
    }

    async fn kill(&self, ledger: Box<dyn Ledger>) {
        drop(ledger);
    }

    async fn run_out(&self) -> bool {
        false
    }

    async fn journal(&self) -> Vec<u8> {
        std::fs::read(self.path().join("journal.ndjson")).unwrap()
    }

    async fn set_journal(&self, bytes: &[u8]) {
        std::fs::write(self.path().join("journal.ndjson"), bytes).unwrap();
    }
}

mod contract {
    use super::Files;

    phases::ledger_contract!(Files::new());
}

fn claim() -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: "run-1".to_owned(), verb: "deploy".to_owned(), above: 0 }
}

fn verdict() -> Draft {
    let id = "0123456789ab.01234567".parse().unwrap();
    let target = Target { id, commit: Some("0".repeat(40)), digest: Some("sha256:1".to_owned()) };
    let [observed, desired, evidence] = draft_values(&target, Verdict::Good(None));
    let actor = Actor { user: "ana".to_owned(), host: "pc1".to_owned() };
    let (run, at) = ("run-1".to_owned(), "2026-11-24T12:00:00Z".to_owned());
    Draft { run, step: None, attempt: 1, kind: Kind::Verdict, observed, desired, evidence, actor, at }
}

/// Another process that holds the lock for as long as it lives.
fn holder_process(files: &Files) -> Child {
    let lease = files.path().join("lease");
    Command::new("flock").arg("--no-fork").arg(lease).args(["sleep", "60"]).spawn().unwrap()
}

async fn until_held(ledger: &FileLedger) -> Lease {
    let begun = Instant::now();
    loop {
        if let Some(lease) = ledger.holder().await.unwrap().filter(|lease| !lease.expired) {
            return lease;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the other process never got the lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn holder_in_another_process_excludes_and_is_replaced_once_it_is_killed() {
    let files = Files::new();
    let first = files.ledger();
    first.acquire(&claim()).await.unwrap();
    drop(first);
    let mut child = holder_process(&files);
    let ledger = files.ledger();
    assert_eq!(until_held(&ledger).await.run, "run-1");
    assert!(matches!(ledger.acquire(&claim()).await, Err(LedgerError::Held(_))));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ledger.holder().await.unwrap().unwrap().expired);
    assert_eq!(ledger.acquire(&claim()).await.unwrap().token, 2);
}

#[tokio::test]
async fn many_lookers_never_keep_the_lease_from_a_claim() {
    let files = std::sync::Arc::new(Files::new());
    let first = files.ledger();
    let lease = first.acquire(&claim()).await.unwrap();
    first.release(&lease).await.unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let looker = {
        let (files, stop) = (files.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                LeaseFile::look(&files.path()).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        })
    };
    for _ in 0..50 {
        let lease = first.acquire(&claim()).await.unwrap();
        first.release(&lease).await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    looker.join().unwrap();
}

#[tokio::test]
async fn files_are_private() {
    let files = Files::new();
    let ledger = files.ledger();
    let lease = ledger.acquire(&claim()).await.unwrap();
    ledger.append(&lease, verdict()).await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(files.path()), 0o700);
    for name in ["journal.ndjson", "lease", "releases.json"] {
        assert_eq!(mode(files.path().join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn reading_an_unused_ledger_creates_nothing() {
    let files = Files::new();
    files.ledger().holder().await.unwrap();
    files.ledger().records().await.unwrap();
    assert!(!files.path().exists());
}

#[tokio::test]
async fn list_of_releases_follows_each_verdict() {
    let files = Files::new();
    let ledger = files.ledger();
    let lease = ledger.acquire(&claim()).await.unwrap();
    ledger.append(&lease, verdict()).await.unwrap();
    let text = std::fs::read_to_string(files.path().join("releases.json")).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list["schema"], 1);
    assert_eq!(list["releases"][0]["id"], "0123456789ab.01234567");
    assert_eq!(list["releases"][0]["state"], "good");
}

#[tokio::test]
async fn removed_state_directory_means_a_lost_lease() {
    let files = Files::new();
    let ledger = files.ledger();
    let lease = ledger.acquire(&claim()).await.unwrap();
    std::fs::remove_dir_all(files.path()).unwrap();
    assert!(matches!(ledger.renew(&lease).await, Err(LedgerError::Lost { .. })));
    assert!(matches!(ledger.append(&lease, verdict()).await, Err(LedgerError::Lost { .. })));
}

#[tokio::test]
async fn unusable_storage_is_named_with_its_path() {
    let files = Files::new();
    std::fs::create_dir_all(files.path().join("journal.ndjson")).unwrap();
    match files.ledger().acquire(&claim()).await {
        Err(LedgerError::Storage(reason)) => assert!(reason.contains("journal.ndjson"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn torn_lease_file_forgets_no_token() {
    let files = Files::new();
    let ledger = files.ledger();
    let lease = ledger.acquire(&claim()).await.unwrap();
    ledger.append(&lease, verdict()).await.unwrap();
    drop(ledger);
    std::fs::write(files.path().join("lease"), "{\"schema\":1,\"tok").unwrap();
    assert_eq!(files.ledger().acquire(&claim()).await.unwrap().token, lease.token + 1);
}

/// Stopped between giving the lease back and its end, a run was called `unknown`, which nobody could unlock.
#[tokio::test]
async fn who_is_stopped_while_giving_back_still_has_a_name() {
    let files = Files::new();
    let lease = files.ledger().acquire(&claim()).await.unwrap();
    let path = files.path().join("lease");
    // The lock of somebody who has written down that it is free, and has not let go of it yet.
    let mut file = LeaseFile::lock(&files.path()).unwrap();
    let held = file.write(&claim(), lease.token).unwrap();
    file.clear(held.token).unwrap();
    let seen = files.ledger().holder().await.unwrap().unwrap();
    assert_eq!((seen.run.as_str(), seen.token, seen.expired), (held.run.as_str(), held.token, false));
    match files.ledger().acquire(&claim()).await {
        Err(LedgerError::Held(holder)) => assert_eq!(holder.token, held.token),
        other => panic!("{other:?}"),
    }
    drop(file);
    assert!(files.ledger().holder().await.unwrap().is_none(), "{}", std::fs::read_to_string(path).unwrap());
    assert_eq!(files.ledger().acquire(&claim()).await.unwrap().token, held.token + 1);
}
