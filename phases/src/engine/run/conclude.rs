//! The end of a run: what is decided about the release, the last record and the report.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::conclusion::Conclusion;
use crate::engine::event::{PhaseStatus, StepStatus};
use crate::engine::failure::{Failure, FailureClass};
use crate::engine::history::decision::Verdict;
use crate::engine::journal::{Kind, Record};
use crate::engine::report::{PhaseReport, RunReport, StepReport};
use crate::engine::resume::{FailedStep, StepState};
use crate::engine::run::active::{Active, Halt};
use crate::engine::run::unwind::Stuck;
use crate::engine::step::Step;
use crate::plan::{Intent, Phase, Plan, Target};
use crate::rollback;

/// Where a recovery can lead before the ending is known.
enum Recovered {
    Well,
    Unwell(FailureClass),
    Stuck(Failure),
}

impl Active<'_> {
    /// Brings the run to its end, whatever stopped it.
    pub(super) async fn conclude(mut self, halt: Option<Halt>) -> RunReport {
        let plan = Arc::clone(&self.plan);
        let decided = match halt {
            None => self.succeed(&plan).await,
            Some(Halt::Failed) => self.give_up(&plan).await,
            Some(Halt::Interrupted) => self.stop(&plan).await,
            Some(Halt::TakenBack) => self.go_back(&plan).await,
            Some(halt) => Err(halt),
        };
        let ended = match decided {
            Ok((conclusion, failure)) => {
                self.end(conclusion, failure.as_ref()).await.map(|()| (conclusion, failure))
            }
            Err(halt) => Err(halt),
        };
        match ended {
            Ok((conclusion, failure)) => self.report(conclusion, failure),
            Err(halt) => self.abandon(halt).await,
        }
    }

    /// Leaves the run as it is: nothing more may be written.
    pub(super) async fn abandon(self, halt: Halt) -> RunReport {
        let unpinned = matches!(halt, Halt::Unwritable(_)) && self.is_unpinned().await;
        let (conclusion, failure) = match halt {
            Halt::Refused(failure) => (Conclusion::Refused, Some(failure)),
            Halt::Lost(failure) => (Conclusion::LeaseLost, Some(failure)),
            Halt::Unwritable(failure) if unpinned => (Conclusion::Refused, Some(failure)),
            Halt::Unwritable(failure) | Halt::Unfenced(failure) => (Conclusion::Resumable, Some(failure)),
            Halt::Failed | Halt::Interrupted | Halt::TakenBack => (Conclusion::Resumable, None),
        };
        self.report(conclusion, failure)
    }

    /// Whether the journal surely knows nothing of this run. Of a first record without an answer only the journal can
    /// tell: when it is there, anybody may go on with the run, and may have done so already.
    async fn is_unpinned(&self) -> bool {
        if self.progress.records > 0 {
            return false;
        }
        let is_of_it = |record: &Record| record.run == self.progress.run;
        !self.pinning || self.engine.ledger.records().await.is_ok_and(|records| !records.iter().any(is_of_it))
    }

    async fn succeed(&mut self, plan: &Plan) -> Result<(Conclusion, Option<Failure>), Halt> {
        if plan.proves && !self.progress.judged {
            self.judge(Verdict::Good(plan.previous.as_ref())).await?;
        }
        let conclusion = match plan.verb.as_str() {
            "rollback" => {
                let failures = &self.progress.failures;
                let smoke =
                    failures.iter().find(|failed| failed.step == rollback::SMOKE).or(failures.first());
                let smoke = smoke.map(|failed| failed.failure.clone());
                return Ok((Conclusion::went_back(smoke.as_ref().map(|failure| failure.class)), smoke));
            }
            "deploy" if plan.includes(Phase::Deploy) => Conclusion::Deployed,
            _ => Conclusion::Done,
        };
        Ok((conclusion, None))
    }

    async fn give_up(&mut self, plan: &Plan) -> Result<(Conclusion, Option<Failure>), Halt> {
        let mut failure = self.cause(plan);
        if self.is_preflight(plan) {
            return Ok((Conclusion::Refused, Some(failure)));
        }
        if self.blames_target(plan) {
            self.block(plan, &mut failure).await?;
        }
        let changed = self.progress.changed();
        let conclusion = match self.recover_all(plan).await? {
            Recovered::Stuck(stuck) => {
                failure.detail.push(format!("taking it back failed: {}", stuck.message));
                failure.detail.extend(stuck.detail);
                failure.hint = stuck.hint.or(failure.hint);
                Conclusion::Stuck
            }
            Recovered::Unwell(FailureClass::CheckFailed) => {
                failure.detail.push(format!(
                    "the release that serves again fails its smoke too{}",
                    self.why_unwell(plan)
                ));
                Conclusion::Stuck
            }
            Recovered::Well | Recovered::Unwell(_) if self.rolled_back(plan) => Conclusion::RolledBack,
            Recovered::Well | Recovered::Unwell(_) if changed => Conclusion::Unwound,
            Recovered::Well | Recovered::Unwell(_) => Conclusion::untouched(failure.class),
        };
        Ok((conclusion, Some(failure)))
    }

    async fn stop(&mut self, plan: &Plan) -> Result<(Conclusion, Option<Failure>), Halt> {
        if !self.progress.interrupted {
            self.record(Kind::Interrupted, None, [Value::Null, Value::Null, Value::Null]).await?;
        }
        Ok(match self.recover_all(plan).await? {
            Recovered::Stuck(failure) => (Conclusion::Stuck, Some(failure)),
            Recovered::Unwell(class @ FailureClass::CheckFailed) => {
                let message =
                    format!("the release that serves again fails its smoke{}", self.why_unwell(plan));
                (Conclusion::Stuck, Some(Failure::new(class, message)))
            }
            Recovered::Well | Recovered::Unwell(_) => (Conclusion::Interrupted, None),
        })
    }

    async fn go_back(&mut self, plan: &Plan) -> Result<(Conclusion, Option<Failure>), Halt> {
        let smoke = plan.recovery.smoke.as_ref().map(|step| step.id.0.clone());
        if self.blames_target(plan) {
            let mut failure = self.cause(plan);
            self.block(plan, &mut failure).await?;
        }
        Ok(match self.recover_all(plan).await? {
            Recovered::Stuck(failure) => (Conclusion::Stuck, Some(failure)),
            Recovered::Well => (Conclusion::WentBack, None),
            Recovered::Unwell(class) => {
                let failure = smoke.and_then(|step| self.progress.reported(&step).cloned());
                (Conclusion::went_back(Some(class)), failure)
            }
        })
    }

    async fn recover_all(&mut self, plan: &Plan) -> Result<Recovered, Halt> {
        if let Err(Stuck(failure)) = self.unwind(plan).await? {
            return Ok(Recovered::Stuck(failure));
        }
        let unwell = self.prove_recovery(plan).await?;
        self.clean(plan).await?;
        Ok(unwell.map_or(Recovered::Well, Recovered::Unwell))
    }

    fn why_unwell(&self, plan: &Plan) -> String {
        let smoke = plan.recovery.smoke.as_ref().and_then(|step| self.progress.reported(&step.id.0));
        smoke.map(|failure| format!(": {}", failure.message)).unwrap_or_default()
    }

    /// The way back went past the switch, to a release that served before.
    fn rolled_back(&self, plan: &Plan) -> bool {
        self.progress.traffic_restored && plan.restores().is_some() && !plan.goes_back()
    }

    /// The failure that stopped the run; of preflight, all of them in one.
    fn cause(&self, plan: &Plan) -> Failure {
        let fatal: Vec<&FailedStep> = self
            .progress
            .failures
            .iter()
            .filter(|failed| !self.progress.only_reports(&failed.step))
            .collect();
        match fatal.as_slice() {
            [] => Failure::new(FailureClass::Failed, "the run was being taken back"),
            [only] => only.failure.clone(),
            [first, ..] if !self.is_preflight(plan) => first.failure.clone(),
            several => {
                let message = format!("{} requirements are not met", several.len());
                let lines =
                    several.iter().map(|failed| format!("{}: {}", failed.step, failed.failure.message));
                let first = several.iter().find_map(|failed| failed.failure.hint.clone());
                Failure { hint: first, ..Failure::new(FailureClass::Refused, message).detail(lines) }
            }
        }
    }

    fn is_preflight(&self, plan: &Plan) -> bool {
        let preflight = plan.phases.iter().filter(|planned| planned.phase == Phase::Preflight);
        let mut steps = preflight.flat_map(|planned| &planned.steps);
        self.progress.fatal().is_some_and(|failed| steps.any(|step| step.id.0 == failed.step))
    }

    /// What serves once the run is taken back.
    fn kept(&self) -> Option<Target> {
        let id = self.plan.previous.clone()?;
        Some(Target { id, commit: None, digest: None })
    }

    pub(super) async fn end(
        &mut self,
        conclusion: Conclusion,
        failure: Option<&Failure>,
    ) -> Result<(), Halt> {
        let evidence = json!({
            "ending": conclusion.ending(),
            "exit_code": conclusion.exit_code(),
            "failure": failure,
        });
        self.record(Kind::End, None, [Value::Null, Value::Null, evidence]).await
    }

    pub(super) fn report(mut self, conclusion: Conclusion, failure: Option<Failure>) -> RunReport {
        let plan = Arc::clone(&self.plan);
        for planned in plan.phases.iter().skip(self.phases.len()) {
            let status = match planned.intent {
                Intent::Skipped { .. } => PhaseStatus::Skipped,
                _ => PhaseStatus::NotRun,
            };
            self.phases.push(PhaseReport { phase: planned.phase, status, seconds: 0.0, steps: Vec::new() });
        }
        let verb = if self.progress.taken_back { Phase::Rollback.as_str() } else { &plan.verb };
        RunReport {
            run: self.progress.run.clone(),
            verb: verb.to_owned(),
            ending: conclusion.ending(),
            exit_code: conclusion.exit_code(),
            release: if self.progress.taken_back { self.kept() } else { self.target() },
            next: conclusion.next(&plan.environment),
            phases: self.phases,
            recovery: self.recovery,
            failure,
        }
    }

    /// Phases of a run that is only taken back, as the journal has them.
    pub(super) fn recall(&mut self, plan: &Plan) {
        for planned in &plan.phases {
            let known: Vec<_> = planned
                .steps
                .iter()
                .filter(|step| self.progress.state(&step.id.0) != StepState::Untouched)
                .map(|step| self.remembered(step))
                .collect();
            let failed = known.iter().any(|step| step.status != StepStatus::Done);
            let status = match planned.intent {
                Intent::Skipped { .. } => PhaseStatus::Skipped,
                _ if failed => PhaseStatus::Failed,
                _ if known.len() < planned.steps.len() => PhaseStatus::NotRun,
                Intent::Unchanged { .. } => PhaseStatus::Unchanged,
                Intent::NotRun => PhaseStatus::NotRun,
                Intent::Run => PhaseStatus::Done,
            };
            self.phases.push(PhaseReport { phase: planned.phase, status, seconds: 0.0, steps: known });
        }
    }

    /// A step as the journal has it.
    pub(super) fn remembered(&self, step: &Step) -> StepReport {
        let id = step.id.0.clone();
        let failure = self.progress.reported(&id).cloned();
        let evidence = self.progress.evidence.get(&id);
        let summary =
            evidence.and_then(|evidence| evidence["summary"].as_str()).unwrap_or_default().to_owned();
        let status = match self.progress.state(&id) {
            StepState::Found | StepState::Done => StepStatus::Done,
            StepState::Undone => StepStatus::Undone,
            StepState::UndoFailed => StepStatus::UndoFailed,
            _ => StepStatus::Failed,
        };
        StepReport { step: id, status, summary, seconds: 0.0, failure }
    }
}
