//! How one record comes in, exactly once, over a network that loses answers.

use std::time::Duration;

use phases::engine::journal::chain::{self, Tail};
use phases::engine::journal::{Draft, Record};
use phases::engine::ledger::LedgerError;
use tokio::time::{Instant, sleep};

use super::journal::Written;
use super::link::{Answer, ask};
use super::{PgLedger, Taken, journal, lost};

/// How long a record is tried again: a server that is restarted is back by then.
const PATIENCE: Duration = Duration::from_secs(8);

/// Between two tries.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

impl PgLedger {
    /// Writes one record; after a doubtful answer the same line again, which comes in once.
    pub(super) async fn write(&self, taken: &Taken, draft: Draft) -> Result<Record, LedgerError> {
        let mut known = self.tail.lock().await;
        let deadline = Instant::now() + PATIENCE;
        // A write that is dropped half-way leaves no tail behind that could be wrong.
        let mut tail = known.take();
        loop {
            let error = match self.attempt(taken, &draft, &mut tail).await {
                Ok(Some((record, next))) => {
                    *known = Some(next);
                    return Ok(record);
                }
                Ok(None) => LedgerError::Storage("other records keep coming in between".to_owned()),
                Err(Doubt::Final(error)) => return Err(error),
                Err(Doubt::Again(error)) => error,
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }

    /// One try at a record. `None` when it has to go somewhere else than `tail` says.
    async fn attempt(
        &self,
        taken: &Taken,
        draft: &Draft,
        tail: &mut Option<Tail>,
    ) -> Result<Option<(Record, Tail)>, Doubt> {
        let gone = || Doubt::Final(lost(&taken.lease));
        let at = match tail {
            Some(tail) => tail.clone(),
            None => {
                let found = ask!(self.working, session => journal::tail(session, &self.environment));
                tail.insert(found.or_doubt()?.ok_or_else(gone)?).clone()
            }
        };
        let (record, line, next) = chain::seal(draft.clone(), taken.lease.token, &at);
        let (writer, line) = (self.writer(taken), line.trim_end_matches('\n'));
        match ask!(self.working, session => journal::write(session, &writer, &at, line)).or_doubt()? {
            Some(Written::Yes) => return Ok(Some((record, next))),
            Some(Written::Behind) => {}
            Some(Written::NotHeld) | None => return Err(gone()),
        }
        let stands = ask!(self.working, session => journal::line(session, &self.environment, record.seq));
        if stands.or_doubt()?.flatten().as_deref() == Some(line) {
            return Ok(Some((record, next)));
        }
        *tail = None;
        Ok(None)
    }
}

/// Whether trying again may help.
enum Doubt {
    Again(LedgerError),
    Final(LedgerError),
}

impl<T> Answer<T> {
    /// The server's yes or no is final; that it cannot be reached, or was not heard, may pass.
    fn or_doubt(self) -> Result<Option<T>, Doubt> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::NotDone(error @ LedgerError::Away(_)) | Self::Unknown(error) => Err(Doubt::Again(error)),
            Self::NotDone(error) => Err(Doubt::Final(error)),
        }
    }
}
