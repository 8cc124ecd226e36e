//! What was spooled comes to the server: once, behind what is there, and only if both began as the same journal.

use phases::engine::journal::chain::{self, Chain};
use phases::engine::ledger::{Lease, LedgerError};

use super::SharedLedger;
use super::copy::Copy;
use super::spool::Spool;
use crate::ledger::postgres::{PgLedger, Spooled};

impl SharedLedger {
    /// Under a fresh lease: brings what waits in a locked spool to the server, and the copy up to it.
    ///
    /// Killed anywhere, it can be done again: the server takes each line once; the spool goes when all of it is there;
    /// the copy only follows.
    pub(super) async fn settle(
        &self,
        server: &PgLedger,
        lease: &Lease,
        has_spool: bool,
    ) -> Result<(), LedgerError> {
        let (mut journal, _) = server.journal().await?;
        let copy = self.copy.read()?;
        still_has(&journal, copy.as_deref(), &self.copy)?;
        if has_spool {
            let spool = self.spool.read()?;
            let waiting = waiting(&spool, &journal, copy.as_deref(), &self.spool)?;
            let count = server.take_in(lease, &waiting).await?;
            self.spool.put_aside(&spool.1)?;
            if count > 0 {
                self.tell(&format!(
                    "{count} records that were written here while the ledger was away are in it now; its tokens go on \
                     from {}",
                    lease.token
                ));
                (journal, _) = server.journal().await?;
            }
        }
        self.copy.replace(&journal);
        Ok(())
    }
}

/// What of the spool the server may not have. Where the two part, the spool's records begin.
pub(super) fn waiting(
    (spool, chain): &(Vec<u8>, Chain),
    journal: &[u8],
    copy: Option<&[u8]>,
    place: &Spool,
) -> Result<Vec<Spooled>, LedgerError> {
    let common = lines(spool).zip(lines(journal)).take_while(|(here, there)| here == there).count();
    if common == 0 && copy.is_none() && !spool.is_empty() && !journal.is_empty() {
        return Err(LedgerError::Parted {
            line: 1,
            copy: place.journal().display().to_string(),
            reason: "each has a history of its own".to_owned(),
        });
    }
    let named =
        |(line, record): (&[u8], _)| Spooled { hash: chain::hash(&String::from_utf8_lossy(line)), record };
    Ok(lines(spool).zip(chain.records.iter().cloned()).skip(common).map(named).collect())
}

/// The server still has every line that this machine has seen there.
fn still_has(journal: &[u8], copy: Option<&[u8]>, place: &Copy) -> Result<(), LedgerError> {
    let mut there = lines(journal);
    for (index, known) in copy.map(lines).into_iter().flatten().enumerate() {
        let reason = match there.next() {
            Some(line) if line == known => continue,
            Some(_) => {
                "the ledger has another record there than the one that it acknowledged to this machine"
            }
            None => "the ledger has lost what it acknowledged to this machine",
        };
        let copy = place.path().display().to_string();
        return Err(LedgerError::Parted { line: index + 1, copy, reason: reason.to_owned() });
    }
    Ok(())
}

/// Whole lines, without their ends. What follows the last one was torn off by a crash.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}
