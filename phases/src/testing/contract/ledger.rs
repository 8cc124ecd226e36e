//! What every ledger promises. Use: `phases::ledger_contract!(Stand::new())` in a test module, with the
//! expression giving a fresh [`Stand`] each time.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::journal::{Actor, Draft, Kind, Record};
use crate::engine::ledger::{Claim, Lease, Ledger, LedgerError};

/// A storage to be tried, with what a test must be able to do to it.
#[async_trait]
pub trait Stand: Send + Sync {
    /// Another operator's handle on the same storage.
    async fn open(&self) -> Box<dyn Ledger>;

    /// The operator's process dies: nothing is given back.
    async fn kill(&self, ledger: Box<dyn Ledger>);

    /// The journal's bytes.
    async fn journal(&self) -> Vec<u8>;

    /// Replaces the journal's bytes, as a crash or a bad disk would.
    async fn set_journal(&self, bytes: &[u8]);
}

/// Makes a test of every promise. Needs tokio in the calling crate.
#[macro_export]
macro_rules! ledger_contract {
    ($stand:expr) => {
        $crate::ledger_contract! { $stand;
            two_claims_exclude_each_other
            lease_given_back_can_be_taken
            dead_holder_is_replaced
            tokens_only_rise
            stale_lease_cannot_write
            holder_is_seen_by_others
            reading_makes_nothing
            record_is_there_for_others_at_once
            records_survive_their_writer
            torn_last_line_is_dropped_and_overwritten
            flipped_byte_is_found
            swapped_lines_are_found
            missing_line_is_found
        }
    };
    ($stand:expr; $($promise:ident)*) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::testing::contract::ledger::$promise(&$stand).await;
        })*
    };
}

/// While one holds the lease another is refused and told who has it.
pub async fn two_claims_exclude_each_other(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    match two.acquire(&claim("run-2")).await {
        Err(LedgerError::Held(holder)) => {
            assert_eq!((holder.run.as_str(), holder.token), ("run-1", lease.token));
            assert_eq!(holder.holder, "ana@pc1");
        }
        other => panic!("the second claim got {other:?}"),
    }
    assert!(
        matches!(one.acquire(&claim("run-3")).await, Err(LedgerError::Held(_))),
        "a holder took it twice"
    );
}

/// A lease that was given back is free, and giving back what is lost is no error.
pub async fn lease_given_back_can_be_taken(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    one.release(&lease).await.unwrap();
    assert_eq!(two.holder().await.unwrap(), None);
    let second = take(&*two, "run-2").await;
    one.release(&lease).await.unwrap();
    two.renew(&second).await.unwrap();
}

/// The lease of a dead process is seen as expired and can be taken.
pub async fn dead_holder_is_replaced(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    take(&*one, "run-1").await;
    stand.kill(one).await;
    let left = two.holder().await.unwrap().expect("the dead one is still named");
    assert!(left.expired, "{left:?}");
    assert_eq!(left.run, "run-1");
    take(&*two, "run-2").await;
}

/// Every lease has a higher token than any before, be they given back, lost or only known to the journal.
pub async fn tokens_only_rise(stand: &dyn Stand) {
    let mut last = 0;
    for round in 0..4 {
        let ledger = stand.open().await;
        let lease = take(&*ledger, "run").await;
        assert!(lease.token > last, "{} after {last}", lease.token);
        last = lease.token;
        if round % 2 == 0 {
            ledger.release(&lease).await.unwrap();
        } else {
            write(&*ledger, &lease, 1).await;
            stand.kill(ledger).await;
        }
    }
}

/// A lease that is not the current one neither writes nor is renewed.
pub async fn stale_lease_cannot_write(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let stale = take(&*one, "run-1").await;
    one.release(&stale).await.unwrap();
    take(&*two, "run-2").await;
    for ledger in [&one, &two] {
        assert!(matches!(ledger.append(&stale, draft(1)).await, Err(LedgerError::Lost { .. })));
        assert!(matches!(ledger.renew(&stale).await, Err(LedgerError::Lost { .. })));
    }
    assert_eq!(two.records().await.unwrap(), Vec::new());
}

/// Anybody can ask who holds the lease, and asking neither takes nor frees it.
pub async fn holder_is_seen_by_others(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    for _ in 0..3 {
        for ledger in [&one, &two] {
            assert_eq!(ledger.holder().await.unwrap(), Some(lease.clone()));
        }
    }
    one.renew(&lease).await.unwrap();
}

/// A ledger that was never used can be read.
pub async fn reading_makes_nothing(stand: &dyn Stand) {
    let ledger = stand.open().await;
    assert_eq!(ledger.holder().await.unwrap(), None);
    assert_eq!(ledger.records().await.unwrap(), Vec::new());
}

/// A record that was acknowledged is what everybody reads.
pub async fn record_is_there_for_others_at_once(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    let mut written = Vec::new();
    for n in 1..=3 {
        written.push(one.append(&lease, draft(n)).await.unwrap());
        assert_eq!(two.records().await.unwrap(), written);
    }
    assert!(written.iter().all(|record| record.token == lease.token));
    assert_eq!(written.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
}

/// The next operator goes on with the same chain.
pub async fn records_survive_their_writer(stand: &dyn Stand) {
    let mut written = Vec::new();
    for round in 0..3 {
        let ledger = stand.open().await;
        let lease = take(&*ledger, "run").await;
        written.push(ledger.append(&lease, draft(round)).await.unwrap());
        stand.kill(ledger).await;
    }
    assert_eq!(stand.open().await.records().await.unwrap(), written);
}

/// A crash in the middle of a line loses that line and nothing else, wherever it was torn.
pub async fn torn_last_line_is_dropped_and_overwritten(stand: &dyn Stand) {
    let (whole, journal) = three(stand).await;
    let start = journal[..journal.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (start..journal.len()).step_by(37).chain([journal.len() - 1]) {
        stand.set_journal(&journal[..cut]).await;
        let ledger = stand.open().await;
        assert_eq!(ledger.records().await.unwrap(), whole[..2], "cut at {cut}");
        let lease = take(&*ledger, "run").await;
        let next = ledger.append(&lease, draft(9)).await.unwrap();
        assert_eq!(next.seq, 3, "cut at {cut}");
        assert_eq!(ledger.records().await.unwrap().last(), Some(&next), "cut at {cut}");
        ledger.release(&lease).await.unwrap();
    }
}

/// A byte that changed in a line with a successor is found, and nobody gets the lease on such a journal.
pub async fn flipped_byte_is_found(stand: &dyn Stand) {
    let (_, journal) = three(stand).await;
    for place in (10..journal.len() / 2).step_by(23) {
        let mut flipped = journal.clone();
        flipped[place] ^= 1;
        assert_broken(stand, &flipped, &format!("byte {place}")).await;
    }
}

/// Lines in another order are found.
pub async fn swapped_lines_are_found(stand: &dyn Stand) {
    let (_, journal) = three(stand).await;
    let mut lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    lines.swap(1, 2);
    assert_broken(stand, &lines.concat(), "swapped").await;
}

/// A line that is gone from the middle is found.
pub async fn missing_line_is_found(stand: &dyn Stand) {
    let (_, journal) = three(stand).await;
    let mut lines: Vec<&[u8]> = journal.split_inclusive(|byte| *byte == b'\n').collect();
    lines.remove(1);
    assert_broken(stand, &lines.concat(), "missing").await;
}

async fn assert_broken(stand: &dyn Stand, journal: &[u8], context: &str) {
    stand.set_journal(journal).await;
    let ledger = stand.open().await;
    let read = ledger.records().await;
    assert!(
        matches!(read, Err(LedgerError::Broken { .. } | LedgerError::Newer { .. })),
        "{context}: {read:?}"
    );
    let taken = ledger.acquire(&claim("run")).await;
    assert!(
        matches!(taken, Err(LedgerError::Broken { .. } | LedgerError::Newer { .. })),
        "{context}: {taken:?}"
    );
}

/// Three records by one run, and their bytes.
async fn three(stand: &dyn Stand) -> (Vec<Record>, Vec<u8>) {
    let ledger = stand.open().await;
    let lease = take(&*ledger, "run-1").await;
    for n in 1..=3 {
        write(&*ledger, &lease, n).await;
    }
    ledger.release(&lease).await.unwrap();
    (ledger.records().await.unwrap(), stand.journal().await)
}

async fn take(ledger: &dyn Ledger, run: &str) -> Lease {
    ledger.acquire(&claim(run)).await.unwrap()
}

async fn write(ledger: &dyn Ledger, lease: &Lease, n: u32) {
    ledger.append(lease, draft(n)).await.unwrap();
}

fn claim(run: &str) -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: run.to_owned(), verb: "deploy".to_owned() }
}

fn draft(n: u32) -> Draft {
    Draft {
        run: "run-1".to_owned(),
        step: Some("deploy.shift".to_owned()),
        attempt: 1,
        kind: Kind::Intent,
        observed: Value::Null,
        desired: json!({"n": n, "text": "línea\n"}),
        evidence: Value::Null,
        actor: Actor { user: "ana".to_owned(), host: "pc1".to_owned() },
        at: "2026-11-24T12:03:01Z".to_owned(),
    }
}
