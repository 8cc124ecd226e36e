//! What becomes of a lead that could not be fetched: when it is tried again, when it is given up, and when the whole
//! page has to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::inbox::{self, Claimed};
use super::super::{GraphError, pages};
use crate::database::Database;
use crate::jobs::engine::JobError;
use crate::tenant::Transaction;

/// Wait after the first failed attempt; doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait for a lead.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Wait of a page whose token or access has to be mended by somebody; a new token ends it.
const MENDING: Duration = Duration::from_secs(900);
/// Wait when Meta asks to slow down and does not say for how long.
const SLOW_DOWN: Duration = Duration::from_secs(60);
/// Failures in a row after which it is the page, not the lead.
const IN_A_ROW: u32 = 3;
/// A lead is given up when it has been tried this often …
const ATTEMPTS: i32 = 8;
/// … and is this old, when Meta was away;
const AWAY_FOR: Duration = Duration::from_secs(24 * 3600);
/// … or this old, when token or access were at fault.
const UNMENDED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a lead could not be fetched.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its page has no token that can be opened.
    NoToken,
    /// Meta gave no answer, or this one.
    Graph(GraphError),
}

impl Trouble {
    fn reason(&self) -> String {
        match self {
            Self::NoToken => "token_missing".to_owned(),
            Self::Graph(error) => format!("{}: {error}", error.word()),
        }
    }

    /// Whether the whole page has it, seen `in_a_row` times.
    fn is_of_page(&self, in_a_row: u32) -> bool {
        match self {
            Self::NoToken | Self::Graph(GraphError::Token(_) | GraphError::Busy { .. }) => true,
            Self::Graph(GraphError::Away(_) | GraphError::Access(_)) => in_a_row >= IN_A_ROW,
            Self::Graph(_) => false,
        }
    }

    /// How long to wait after `attempts`.
    fn wait(&self, attempts: i32) -> Duration {
        match self {
            Self::NoToken | Self::Graph(GraphError::Token(_) | GraphError::Access(_)) => MENDING,
            Self::Graph(GraphError::Busy { wait }) => {
                wait.unwrap_or(SLOW_DOWN).clamp(FIRST_WAIT, LONGEST_WAIT)
            }
            Self::Graph(_) => {
                let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(10);
                (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
            }
        }
    }

    /// Whether another attempt is worth nothing. What Meta does not know yet it may know a moment later.
    fn is_final(&self, attempts: i32, age: Duration) -> bool {
        let enough = attempts >= ATTEMPTS;
        match self {
            Self::NoToken | Self::Graph(GraphError::Token(_) | GraphError::Access(_)) => {
                enough && age > UNMENDED_FOR
            }
            Self::Graph(GraphError::Away(_) | GraphError::Busy { .. }) => enough && age > AWAY_FOR,
            Self::Graph(_) => enough,
        }
    }
}

/// Troubles of pages within one run.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<HashMap<String, (u32, bool)>>);

impl Troubles {
    /// Whether the page waits as a whole.
    pub(super) fn stand_against(&self, page_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(page_id).is_some_and(|(_, waits)| *waits)
    }

    /// Whether any page has one.
    pub(super) fn any(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// One lead of the page could be fetched.
    pub(super) fn forget(&self, page_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(page_id);
    }

    /// One could not; whether the whole page has to wait from now on.
    fn add(&self, page_id: &str, trouble: &Trouble) -> bool {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (in_a_row, waits) = pages.entry(page_id.to_owned()).or_default();
        *in_a_row += 1;
        *waits |= trouble.is_of_page(*in_a_row);
        *waits
    }
}

/// Writes down what became of it.
pub(super) async fn note(
    database: &Database,
    claimed: &Claimed,
    trouble: &Trouble,
    troubles: &Troubles,
) -> Result<(), JobError> {
    let reason = trouble.reason();
    let whole_page = troubles.add(&claimed.page_id, trouble);
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    let age = inbox::age(&mut transaction, claimed).await?;
    let wait = trouble.wait(claimed.attempts);
    if trouble.is_final(claimed.attempts, age) {
        inbox::failed(&mut transaction, claimed, &reason).await?;
    } else {
        inbox::postponed(&mut transaction, claimed, &reason, wait).await?;
    }
    if whole_page {
        if let Trouble::Graph(error) = trouble {
            pages::stumbled(&mut transaction, &claimed.page_id, error).await?;
        }
        let paused = inbox::pause_page(&mut transaction, &claimed.page_id, &reason, wait).await?;
        tracing::warn!(page = claimed.page_id, reason, paused, "the leads of a page wait");
    } else {
        tracing::warn!(lead = claimed.id, reason, attempts = claimed.attempts, "a lead could not be fetched");
    }
    transaction.commit().await?;
    Ok(())
}

/// A lead that was taken while its page turned out to be in trouble.
pub(super) async fn wait_with_the_page(database: &Database, claimed: &Claimed) -> Result<(), JobError> {
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    inbox::postponed(&mut transaction, claimed, "page_waits", FIRST_WAIT * 2).await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Trouble {
        Trouble::Graph(GraphError::Away("status 500".to_owned()))
    }

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<u64> =
            [1, 2, 3, 8, 40].iter().map(|attempts| away().wait(*attempts).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 600, 600]);
        let busy = |wait| Trouble::Graph(GraphError::Busy { wait }).wait(1).as_secs();
        assert_eq!((busy(None), busy(Some(Duration::from_secs(90)))), (60, 90));
        assert_eq!(busy(Some(Duration::from_secs(86_400))), 600);
    }

    #[test]
    fn one_lead_that_always_fails_holds_nobody_up() {
        let troubles = Troubles::default();
        assert!(!troubles.add("1", &away()));
        assert!(!troubles.add("1", &away()));
        troubles.forget("1");
        assert!(!troubles.add("1", &away()) && !troubles.stand_against("1"));
        assert!(!troubles.add("1", &away()) && troubles.add("1", &away()));
        assert!(troubles.stand_against("1") && !troubles.stand_against("2"));
    }

    #[test]
    fn leads_are_given_up_late_when_the_fault_is_not_theirs() {
        let (day, week) = (Duration::from_secs(25 * 3600), Duration::from_secs(8 * 24 * 3600));
        assert!(!away().is_final(100, Duration::from_secs(3600)) && away().is_final(8, day));
        let token = Trouble::Graph(GraphError::Token("190".to_owned()));
        assert!(!token.is_final(100, day) && token.is_final(100, week));
        let missing = Trouble::Graph(GraphError::Missing("100/33".to_owned()));
        assert!(!missing.is_final(7, week) && missing.is_final(8, Duration::ZERO));
    }
}
