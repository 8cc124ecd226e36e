//! The door `Ledger` as one process sees it: calls get lost on the way there, on the way back, or take long.
//! What the server does with them is the business of `lease` and `journal`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::journal::{Draft, Kind, Record};
use crate::engine::ledger::{Claim, Lease, Ledger, LedgerError};
use crate::testing::simulation::bug::Bug;
use crate::testing::simulation::fate::{Door, Fate, short};
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::stage::{Stage, State};
use crate::testing::simulation::timeline::Pid;

/// The ledger reached by one process.
#[derive(Debug)]
pub(crate) struct RemoteLedger {
    pub stage: Arc<Stage>,
    pub pid: Pid,
}

impl RemoteLedger {
    /// Calls the server: there, done, back.
    async fn call<T: Send>(
        &self,
        door: Door,
        serve: impl FnOnce(&Stage, &mut State) -> Result<T, LedgerError> + Send,
    ) -> Result<T, LedgerError> {
        let (fate, there, back) = {
            let mut state = self.stage.state();
            let fate = state.fate(door);
            let (there, back) = (short(&mut state.random), short(&mut state.random));
            let long = state.random.between(Duration::from_secs(2), Duration::from_secs(25));
            let side = state.random.chance(500);
            match fate {
                Fate::Slow if side => (fate, long, back),
                Fate::Slow => (fate, there, long),
                Fate::Lost | Fate::Refused | Fate::Late => (fate, long / 5, back),
                Fate::Unheard => (fate, there, long / 5),
                _ => (fate, there, back),
            }
        };
        match fate {
            Fate::KilledBefore => self.stage.doom(self.pid).await,
            Fate::Interrupted => self.stage.state().interrupt(self.pid),
            _ => {}
        }
        self.stage.sleep(self.pid, there).await;
        if matches!(fate, Fate::Lost | Fate::Refused | Fate::Late) {
            return Err(LedgerError::Storage("connection refused".to_owned()));
        }
        let answer = serve(&self.stage, &mut self.stage.state());
        if fate == Fate::KilledAfter {
            self.stage.doom::<()>(self.pid).await;
        }
        self.stage.sleep(self.pid, back).await;
        if fate == Fate::Unheard {
            if door == Door::Append && answer.is_ok() {
                self.stage.state().rares.count(Rare::RecordUnheard);
            }
            return Err(LedgerError::Storage("connection reset".to_owned()));
        }
        answer
    }

    /// What decides whether a lease has run out.
    fn clock(&self, stage: &Stage, state: &State) -> Duration {
        if stage.has(Bug::LeaseByOperatorsClock) { state.wall(self.pid) } else { state.now() }
    }
}

fn lost(lease: &Lease) -> LedgerError {
    LedgerError::Lost { run: lease.run.clone(), token: lease.token }
}

#[async_trait]
impl Ledger for RemoteLedger {
    async fn acquire(&self, claim: &Claim) -> Result<Lease, LedgerError> {
        self.call(Door::Other, |stage, state| {
            state.journal.usable()?;
            let clock = self.clock(stage, state);
            let here = state.processes[self.pid].operator;
            let holder = state.lease.held.as_ref().map(|held| &state.processes[held.pid]);
            let dead = holder.is_some_and(|holder| holder.operator == here && !holder.alive);
            let (used, held) = (state.journal.highest_token(), state.lease.held.is_some());
            let taken = state.lease.acquire(claim, self.pid, clock, used, dead);
            let now = state.now();
            if let Ok(lease) = &taken {
                if held {
                    state.rares.count(if dead { Rare::Replaced } else { Rare::RanOut });
                }
                state.model.granted(lease.token, self.pid, now, dead);
                state.tell(|| format!("process {} gets token {}", self.pid, lease.token));
            }
            taken
        })
        .await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let renewed = self.call(Door::Renew, |stage, state| {
            let clock = self.clock(stage, state);
            let (now, token) = (state.now(), lease.token);
            state.model.renewed(token, self.pid, now);
            let renewed = if stage.has(Bug::LeaseRevived) {
                state.lease.extend(token, clock);
                state.lease.holds(token, clock)
            } else {
                state.lease.renew(token, clock)
            };
            state.tell(|| format!("process {} renews token {token}: {renewed}", self.pid));
            if renewed || stage.has(Bug::RenewalSaysYes) {
                return Ok(());
            }
            state.rares.count(Rare::RenewalRefused);
            Err(lost(lease))
        });
        let renewed = renewed.await;
        if matches!(renewed, Err(LedgerError::Storage(_))) {
            self.stage.state().rares.count(Rare::RenewalLost);
        }
        renewed
    }

    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.call(Door::Other, |_, state| {
            state.lease.release(lease.token);
            state.model.released(lease.token);
            state.tell(|| format!("process {} gives token {} back", self.pid, lease.token));
            Ok(())
        })
        .await
    }

    async fn revoke(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.call(Door::Other, |_, state| {
            let held = state.lease.held.as_ref().map(|held| (held.lease.token, &held.lease.run));
            if held != Some((lease.token, &lease.run)) {
                return Err(lost(lease));
            }
            state.lease.release(lease.token);
            state.model.released(lease.token);
            Ok(())
        })
        .await
    }

    async fn holder(&self) -> Result<Option<Lease>, LedgerError> {
        self.call(Door::Other, |_, state| {
            let now = state.now();
            Ok(state.lease.held.as_ref().map(|held| {
                let dead = !state.processes[held.pid].alive;
                Lease { expired: dead || now >= held.until, ..held.lease.clone() }
            }))
        })
        .await
    }

    async fn append(&self, lease: &Lease, draft: Draft) -> Result<Record, LedgerError> {
        let written = self.call(Door::Append, |stage, state| {
            let clock = self.clock(stage, state);
            if !state.lease.holds(lease.token, clock) && !stage.has(Bug::LedgerIgnoresTokens) {
                state.rares.count(Rare::RecordRefused);
                state.tell(|| format!("{:?} of token {} is refused", draft.kind, lease.token));
                return Err(lost(lease));
            }
            let (record, hash) = match stage.bug {
                Some(Bug::IntentAfterEffect) if draft.kind == Kind::Intent => {
                    state.journal.hold_back(self.pid, draft, lease.token)
                }
                Some(Bug::AcknowledgedTooEarly) => {
                    state.journal.write_carelessly(self.pid, draft, lease.token)
                }
                _ => state.journal.append(draft, lease.token),
            };
            state.tell(|| format!("#{} {:?} {:?}", record.seq, record.kind, record.step));
            if !stage.has(Bug::IntentAfterEffect) || record.kind != Kind::Intent {
                let books = &mut *state;
                let machine = stage.world.platform.machine();
                books.model.written(&record, &machine, &mut books.rares);
            }
            Ok((record, hash))
        });
        let (record, hash) = written.await?;
        self.stage.state().model.acknowledged(record.seq, hash);
        Ok(record)
    }

    async fn records(&self) -> Result<Vec<Record>, LedgerError> {
        self.call(Door::Other, |_, state| state.journal.usable().map(|()| state.journal.records.to_vec()))
            .await
    }
}
