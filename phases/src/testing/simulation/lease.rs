//! The lease as its server keeps it: one clock, 30 seconds, tokens that only grow, never revived. The same rules
//! as the statement that a shared ledger runs (`UPDATE … WHERE expires_at <= clock_timestamp()`).

use std::time::Duration;

use crate::engine::ledger::{Claim, Lease, LedgerError};
use crate::testing::simulation::timeline::Pid;

/// How long a lease lasts from its last renewal.
pub(crate) const LASTS: Duration = Duration::from_secs(30);

/// Who holds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub lease: Lease,
    pub pid: Pid,
    pub until: Duration,
}

/// The server's row.
#[derive(Debug, Default)]
pub(crate) struct LeaseServer {
    token: u64,
    pub held: Option<Held>,
}

impl LeaseServer {
    /// Gives the lease to whoever asks first after it is free. `used` is the highest token in the journal,
    /// `dead` says that the holder is known to be a dead process.
    pub(crate) fn acquire(
        &mut self,
        claim: &Claim,
        pid: Pid,
        clock: Duration,
        used: u64,
        dead: bool,
    ) -> Result<Lease, LedgerError> {
        if let Some(held) = self.held.as_ref().filter(|held| !dead && clock < held.until) {
            return Err(LedgerError::Held(Box::new(held.lease.clone())));
        }
        self.token = self.token.max(used).max(claim.above) + 1;
        let lease = Lease {
            holder: claim.holder.clone(),
            run: claim.run.clone(),
            token: self.token,
            since: "2026-11-24T12:00:00Z".to_owned(),
            expires_at: Some(format!("{:.3}", (clock + LASTS).as_secs_f64())),
            expired: false,
        };
        self.held = Some(Held { lease: lease.clone(), pid, until: clock + LASTS });
        Ok(lease)
    }

    /// This token holds the lease now.
    pub(crate) fn holds(&self, token: u64, clock: Duration) -> bool {
        self.held.as_ref().is_some_and(|held| held.lease.token == token && clock < held.until)
    }

    /// Extends a lease that has not run out.
    pub(crate) fn renew(&mut self, token: u64, clock: Duration) -> bool {
        let holds = self.holds(token, clock);
        if holds {
            self.extend(token, clock);
        }
        holds
    }

    /// Extends whatever stands there under this token.
    pub(crate) fn extend(&mut self, token: u64, clock: Duration) {
        if let Some(held) = self.held.as_mut().filter(|held| held.lease.token == token) {
            held.until = clock + LASTS;
        }
    }

    /// Gives it back; a lease that is lost is left alone.
    pub(crate) fn release(&mut self, token: u64) {
        self.held = self.held.take().filter(|held| held.lease.token != token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ask(server: &mut LeaseServer, now: u64, dead: bool) -> Option<u64> {
        let claim = Claim {
            holder: "ana@pc1".to_owned(),
            run: "run".to_owned(),
            verb: "deploy".to_owned(),
            above: 0,
        };
        server.acquire(&claim, 0, at(now), 0, dead).ok().map(|lease| lease.token)
    }

    #[test]
    fn lease_lasts_thirty_seconds_from_its_last_renewal() {
        let mut server = LeaseServer::default();
        assert_eq!(ask(&mut server, 0, false), Some(1));
        assert!(server.renew(1, at(10)));
        assert_eq!(ask(&mut server, 39, false), None);
        assert_eq!(ask(&mut server, 40, false), Some(2));
        assert!(!server.holds(1, at(40)) && server.holds(2, at(40)));
    }

    #[test]
    fn lease_that_has_run_out_is_never_revived() {
        let mut server = LeaseServer::default();
        ask(&mut server, 0, false);
        assert!(!server.renew(1, at(30)));
        assert!(!server.holds(1, at(30)));
    }

    #[test]
    fn dead_holder_is_replaced_at_once_and_tokens_go_on_from_the_journal() {
        let mut server = LeaseServer::default();
        ask(&mut server, 0, false);
        assert_eq!(ask(&mut server, 1, true), Some(2));
        server.release(1);
        assert!(server.holds(2, at(2)), "a lost lease was given back");
        server.release(2);
        let claim = Claim {
            holder: "ben@pc2".to_owned(),
            run: "run".to_owned(),
            verb: "deploy".to_owned(),
            above: 0,
        };
        assert_eq!(server.acquire(&claim, 1, at(2), 7, false).map(|lease| lease.token).ok(), Some(8));
    }
}
