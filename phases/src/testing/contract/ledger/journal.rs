//! What every ledger promises of its journal.

use futures_util::future::join_all;

use super::{Stand, claim, draft, take, write};
use crate::engine::journal::Record;
use crate::engine::ledger::LedgerError;

/// Records handed over at the same moment are all there, in one chain.
pub async fn records_written_at_once_make_one_chain(stand: &dyn Stand) {
    let one = stand.open().await;
    let lease = take(&*one, "run-1").await;
    let written = join_all((0..8).map(|n| one.append(&lease, draft(n)))).await;
    let mut written: Vec<Record> = written.into_iter().map(Result::unwrap).collect();
    written.sort_by_key(|record| record.seq);
    assert_eq!(stand.open().await.records().await.unwrap(), written);
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
