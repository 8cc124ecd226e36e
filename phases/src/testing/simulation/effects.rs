//! The door `Effects` as one process sees it: what it sends is under way by itself from then on, and answers
//! come late, never, or say no.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::engine::effects::{EffectContext, EffectOutcome, Effects, Evidence, Probe};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::step::{Action, StepId, Undo};
use crate::testing::fault::FENCE;
use crate::testing::simulation::bug::Bug;
use crate::testing::simulation::fate::{Door, Fate, short};
use crate::testing::simulation::flight::{Flight, What};
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::timeline::{Due, Pid};

/// Effects sent by one process.
#[derive(Debug)]
pub(crate) struct SentEffects {
    pub stage: Arc<Stage>,
    pub pid: Pid,
}

/// What the sender will see of an effect.
enum Seen {
    Answer { flight: usize, at: Duration },
    No { at: Duration },
    Nothing { at: Duration },
    Death,
}

impl SentEffects {
    fn send(&self, what: What, context: &EffectContext<'_>) -> Seen {
        let mut state = self.stage.state();
        let (now, rate) = (state.now(), state.processes[self.pid].rate);
        state.model.sent(self.pid, &what, context, now);
        let fate = state.fate(Door::Effect);
        let deadline = now + rate.real(what.deadline());
        let usual = what.usual();
        let mut takes = short(&mut state.random);
        if state.random.chance(300) {
            takes = state.random.between(Duration::from_millis(5), usual);
        }
        state.tell(|| format!("process {} sends {}: {fate:?}", self.pid, context.step));
        let mut lands = now + takes;
        match fate {
            Fate::Refused => return Seen::No { at: lands },
            Fate::KilledBefore => return Seen::Death,
            Fate::Lost => {
                state.rares.count(Rare::EffectLost);
                state.model.struck(context.run);
                return Seen::Nothing { at: deadline };
            }
            Fate::Late => {
                lands = deadline + state.random.between(Duration::from_secs(1), Duration::from_secs(40))
            }
            Fate::Slow | Fate::Interrupted => lands = now + (deadline - now).mul_f64(0.9),
            Fate::KilledAfter => lands = now + state.random.between(Duration::ZERO, deadline - now),
            Fate::Well | Fate::Unheard => {}
        }
        let lane = (self.pid, what.target());
        let before = state.lane.get(&lane).copied().unwrap_or_default();
        lands = lands.max(before + Duration::from_micros(1));
        let twice = state.climate.twice;
        let again = state.random.chance(twice).then(|| lands + short(&mut state.random));
        state.lane.insert(lane, again.unwrap_or(lands));
        let (run, step) = (context.run.to_owned(), context.step.clone());
        let flight = Flight { pid: self.pid, token: context.token, run, step, what, deadline, outcome: None };
        state.flights.push(flight);
        let flight = state.flights.len() - 1;
        state.put(lands, Due::Land(flight));
        if let Some(again) = again {
            state.rares.count(Rare::EffectTwice);
            state.put(again + Duration::from_nanos(1), Due::Land(flight));
        }
        let at = again.unwrap_or(lands) + Duration::from_micros(1) + short(&mut state.random);
        match fate {
            Fate::KilledAfter => Seen::Death,
            Fate::Unheard | Fate::Late => {
                state.rares.count(Rare::AnswerLost);
                state.model.struck(context.run);
                Seen::Nothing { at: deadline }
            }
            _ if at > deadline => {
                state.model.struck(context.run);
                Seen::Nothing { at: deadline }
            }
            Fate::Interrupted => {
                state.interrupt(self.pid);
                Seen::Answer { flight, at }
            }
            _ => Seen::Answer { flight, at },
        }
    }

    async fn effect(&self, what: What, context: &EffectContext<'_>) -> EffectOutcome {
        let class = match &what {
            What::Apply(Action::AwaitReady { .. }) => FailureClass::ReleaseFailed,
            _ => FailureClass::Failed,
        };
        match self.send(what, context) {
            Seen::Answer { flight, at } => {
                self.stage.sleep_until(self.pid, at).await;
                let outcome = self.stage.state().flights[flight].outcome.take();
                outcome.expect("an effect is answered after it has landed")
            }
            Seen::No { at } => {
                self.stage.sleep_until(self.pid, at).await;
                self.stage.state().model.struck(context.run);
                EffectOutcome::NotDone(Failure::new(class, "the target says no"))
            }
            Seen::Nothing { at } => {
                self.stage.sleep_until(self.pid, at).await;
                EffectOutcome::Unknown(Failure::new(FailureClass::Failed, "no answer came in time"))
            }
            Seen::Death => self.stage.doom(self.pid).await,
        }
    }

    /// A check looks at the world when it is through.
    async fn look(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        let (fate, takes) = {
            let mut state = self.stage.state();
            let now = state.now();
            state.model.sent(self.pid, &What::Apply(action.clone()), context, now);
            let longest = Duration::from_secs(match action {
                Action::Require { .. } => 1,
                Action::RunLoad { .. } => 40,
                _ => 15,
            });
            let takes = if state.random.chance(300) {
                state.random.between(Duration::ZERO, longest)
            } else {
                short(&mut state.random)
            };
            let fate = state.fate(Door::Effect);
            state.tell(|| format!("process {} looks, {}: {fate:?}", self.pid, context.step));
            if fate == Fate::Interrupted {
                state.interrupt(self.pid);
            }
            let slow = matches!(fate, Fate::Slow | Fate::Interrupted);
            (fate, if slow { longest } else { takes })
        };
        if matches!(fate, Fate::KilledBefore | Fate::KilledAfter) {
            self.stage.doom::<()>(self.pid).await;
        }
        self.stage.sleep(self.pid, takes).await;
        match fate {
            Fate::Well | Fate::Slow | Fate::Interrupted => {
                self.stage.world.apply(action, context).now_or_never().expect("a fake check is instant")
            }
            _ => {
                let mut state = self.stage.state();
                state.model.struck(context.run);
                let failed = matches!(action, Action::RunSuite { .. } | Action::RunLoad { .. });
                let class = match state.random.below(3) {
                    _ if !failed => FailureClass::Refused,
                    0 => FailureClass::CheckErrored,
                    _ => FailureClass::CheckFailed,
                };
                EffectOutcome::NotDone(Failure::new(class, "the check says no"))
            }
        }
    }
}

#[async_trait]
impl Effects for SentEffects {
    async fn probe(&self, action: &Action) -> Probe {
        let (fate, there, back) = {
            let mut state = self.stage.state();
            let fate = state.fate(Door::Probe);
            let there = if fate == Fate::Slow { Duration::from_secs(9) } else { short(&mut state.random) };
            (fate, there, short(&mut state.random))
        };
        match fate {
            Fate::KilledBefore | Fate::KilledAfter => self.stage.doom(self.pid).await,
            Fate::Interrupted => self.stage.state().interrupt(self.pid),
            _ => {}
        }
        self.stage.sleep(self.pid, there).await;
        if matches!(fate, Fate::Refused | Fate::Lost | Fate::Unheard | Fate::Late) {
            self.stage.state().rares.count(Rare::ProbeBlind);
            if self.stage.has(Bug::UnknownTakenForDone) {
                return Probe::Done(Evidence::default());
            }
            return Probe::Unknown(Failure::new(FailureClass::Failed, "nobody can tell"));
        }
        if self.stage.has(Bug::ProbeSaysYes) {
            return Probe::Done(Evidence::default());
        }
        self.stage.state().model.looked(self.pid);
        let probe = self.stage.world.probe(action).now_or_never().expect("a world in memory answers at once");
        self.stage.sleep(self.pid, back).await;
        probe
    }

    async fn fence(&self, token: u64) -> EffectOutcome {
        if self.stage.has(Bug::FenceNotRaised) {
            return EffectOutcome::Done(Evidence::default());
        }
        let step = StepId(FENCE.to_owned());
        let context = EffectContext { run: FENCE, token, step: &step, progress: &|_| {} };
        self.effect(What::Fence, &context).await
    }

    async fn apply(&self, action: &Action, context: &EffectContext<'_>) -> EffectOutcome {
        match action {
            Action::Require { .. } | Action::RunSuite { .. } | Action::RunLoad { .. } => {
                self.look(action, context).await
            }
            _ => self.effect(What::Apply(action.clone()), context).await,
        }
    }

    async fn undo(&self, undo: &Undo, context: &EffectContext<'_>) -> EffectOutcome {
        self.effect(What::Undo(undo.clone()), context).await
    }
}
