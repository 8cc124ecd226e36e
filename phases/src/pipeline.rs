//! The only place that composes phases: which ones run, on which release, and what must be true for them to
//! make sense. Pure: the same facts give the same plan.

use crate::engine::step::Step;
use crate::environment::Environment;
use crate::observed::{Blockage, DatabaseState, Observed};
use crate::plan::{Intent, Phase, Plan, PlannedPhase, Recovery, Target};
use crate::release::{Release, ReleaseId, ReleaseState};
use crate::request::{PlanError, Request, Verb};
use crate::{build, deploy, migrate, perf, preflight, rollback, smoke};

/// Plans a run. `release` is what the checkout gives; verbs that only deal with what serves need none.
///
/// # Errors
/// When the request contradicts itself or the world cannot carry it: every error is a refusal.
pub fn plan(
    request: &Request,
    environment: &Environment,
    release: Option<&Release>,
    observed: &Observed,
) -> Result<Plan, PlanError> {
    request.check()?;
    let situation = Situation { request, environment, release, observed };
    situation.check_blockage()?;
    if request.verb == Verb::Phase(Phase::Rollback) { situation.going_back() } else { situation.going_on() }
}

/// Everything a decision may look at.
struct Situation<'a> {
    request: &'a Request,
    environment: &'a Environment,
    release: Option<&'a Release>,
    observed: &'a Observed,
}

/// What is wanted of one phase.
enum Wanted {
    Yes,
    No,
    Skipped(String),
}

impl Situation<'_> {
    fn going_back(&self) -> Result<Plan, PlanError> {
        let to = rollback::target(self.environment, self.request.to.as_ref(), self.observed)?;
        let phases = vec![rollback::plan(self.environment, &to, self.observed)];
        let previous = deploy::previous(&to, self.observed);
        Ok(self.assemble(None, Some(self.target(&to)), previous, phases, Recovery::default()))
    }

    fn going_on(&self) -> Result<Plan, PlanError> {
        let phases: Vec<Phase> = match self.request.verb {
            Verb::Pipeline => Phase::PIPELINE.to_vec(),
            Verb::Phase(phase) => vec![phase],
        };
        let release = if self.makes_release() { Some(self.release()?) } else { None };
        self.check_needs(release)?;
        let target = self.subject(release)?;
        let phases =
            phases.into_iter().map(|phase| self.phase(phase, release, target.as_ref())).collect::<Vec<_>>();
        let previous = self.previous(target.as_ref());
        let recovery = self.recovery(release, previous.as_ref(), &phases);
        let target = target.map(|id| self.target(&id));
        let plan = self.assemble(release, target, previous, phases, recovery);
        Ok(Plan { proves: self.proves(&plan), ..plan })
    }

    /// Smoke is part of the run, and its target is new or nothing was ever decided about it.
    fn proves(&self, plan: &Plan) -> bool {
        let undecided = |target: &Target| self.observed.known(&target.id).is_none();
        self.runs(Phase::Smoke) && (plan.introduces() || plan.target.as_ref().is_some_and(undecided))
    }

    fn assemble(
        &self,
        release: Option<&Release>,
        target: Option<Target>,
        previous: Option<ReleaseId>,
        phases: Vec<PlannedPhase>,
        recovery: Recovery,
    ) -> Plan {
        Plan {
            environment: self.environment.name.clone(),
            verb: self.request.verb.as_str().to_owned(),
            release: release.cloned(),
            target,
            previous,
            fingerprint: self.environment.fingerprint.clone(),
            phases,
            proves: false,
            recovery,
        }
    }

    fn phase(&self, phase: Phase, release: Option<&Release>, target: Option<&ReleaseId>) -> PlannedPhase {
        let empty = |intent| PlannedPhase { phase, intent, steps: Vec::new() };
        match self.wants(phase) {
            Wanted::No => return empty(Intent::NotRun),
            Wanted::Skipped(reason) => return empty(Intent::Skipped { reason }),
            Wanted::Yes => {}
        }
        let (environment, observed) = (self.environment, self.observed);
        let planned = match phase {
            Phase::Preflight => Some(preflight::plan(environment)),
            Phase::Build => release.map(|release| build::plan(environment, release, observed)),
            Phase::Migrate => release.map(|release| self.migrate(release)),
            Phase::Deploy => release.map(|release| deploy::plan(environment, release, observed)),
            Phase::Smoke => target.map(|target| smoke::plan(environment, target)),
            Phase::Perf if self.may_reuse() => target.map(|id| perf::plan(environment, id, observed)),
            Phase::Perf => target.map(|target| perf::measure(environment, target)),
            Phase::Rollback => None,
        };
        planned.unwrap_or_else(|| empty(Intent::NotRun))
    }

    fn migrate(&self, release: &Release) -> PlannedPhase {
        let plan = if self.request.contract { migrate::contract } else { migrate::plan };
        plan(self.environment, release, self.observed)
    }

    /// A verdict is reused when perf is one phase among others, not when it was asked for by name.
    fn may_reuse(&self) -> bool {
        self.request.verb == Verb::Pipeline && !self.request.only.contains(&Phase::Perf)
    }

    fn wants(&self, phase: Phase) -> Wanted {
        let request = self.request;
        if let Some(skip) = request.skip.iter().find(|skip| skip.phase == phase) {
            return Wanted::Skipped(skip.reason.clone());
        }
        let named = request.only.is_empty() || request.only.contains(&phase);
        let reached = request.from.is_none_or(|from| phase >= from);
        let typed = request.verb == Verb::Pipeline || request.verb == Verb::Phase(phase);
        if named && reached && typed { Wanted::Yes } else { Wanted::No }
    }

    fn runs(&self, phase: Phase) -> bool {
        matches!(self.wants(phase), Wanted::Yes)
    }

    /// A phase of the run makes or uses the release of the checkout.
    fn makes_release(&self) -> bool {
        self.runs(Phase::Build) || self.runs(Phase::Migrate) || self.runs(Phase::Deploy)
    }

    fn release(&self) -> Result<&Release, PlanError> {
        self.release.ok_or_else(|| PlanError::NoRelease { verb: self.request.verb.as_str().to_owned() })
    }

    /// What the run is about: the release it deploys or prepares, else what serves.
    fn subject(&self, release: Option<&Release>) -> Result<Option<ReleaseId>, PlanError> {
        let serving = self.observed.platform.serving.as_ref();
        let checks = self.runs(Phase::Smoke) || self.runs(Phase::Perf);
        if checks && !self.runs(Phase::Deploy) {
            let environment = self.environment.name.clone();
            return serving.cloned().map(Some).ok_or(PlanError::NothingServes { environment });
        }
        Ok(release.or(self.release).map(|release| release.id.clone()))
    }

    fn target(&self, id: &ReleaseId) -> Target {
        if let Some(release) = self.release.filter(|release| &release.id == id) {
            let (commit, digest) = (Some(release.commit.clone()), self.observed.built.clone());
            return Target { id: id.clone(), commit, digest };
        }
        let known = self.observed.known(id);
        let commit = known.map(|known| known.commit.clone());
        Target { id: id.clone(), commit, digest: known.map(|known| known.digest.clone()) }
    }

    fn previous(&self, target: Option<&ReleaseId>) -> Option<ReleaseId> {
        deploy::previous(target?, self.observed)
    }

    fn recovery(
        &self,
        release: Option<&Release>,
        previous: Option<&ReleaseId>,
        phases: &[PlannedPhase],
    ) -> Recovery {
        let starts = |step: &Step| step.id.0 == "deploy.start";
        let Some(release) = release.filter(|_| phases.iter().flat_map(|phase| &phase.steps).any(starts))
        else {
            return Recovery::default();
        };
        Recovery {
            smoke: previous.map(|previous| smoke::step(rollback::SMOKE, self.environment, previous)),
            retire: Some(deploy::clean_up(self.environment, &release.id, self.observed)),
        }
    }

    /// An unfinished or stuck run refuses whatever changes things; looking and going back stay possible.
    fn check_blockage(&self) -> Result<(), PlanError> {
        let looks = matches!(self.request.verb, Verb::Phase(Phase::Preflight | Phase::Smoke | Phase::Perf));
        let goes_back = self.request.verb == Verb::Phase(Phase::Rollback);
        let environment = self.environment.name.clone();
        match self.observed.blockage.clone() {
            Some(Blockage::Unfinished { run, verb }) if !looks => {
                Err(PlanError::Unfinished { run, verb, environment })
            }
            Some(Blockage::Stuck { run, verb }) if !looks && !goes_back => {
                Err(PlanError::Stuck { run, verb, environment })
            }
            _ => Ok(()),
        }
    }

    fn check_needs(&self, release: Option<&Release>) -> Result<(), PlanError> {
        let Some(release) = release else { return Ok(()) };
        if self.runs(Phase::Deploy) {
            self.check_not_blocked(release)?;
            self.check_not_foreign(release)?;
        }
        let (migrates, deploys) = (self.runs(Phase::Migrate), self.runs(Phase::Deploy));
        let (id, environment) = (release.id.clone(), self.environment.name.clone());
        let idle = |planned: PlannedPhase| planned.steps.is_empty();
        let uses_bytes = migrates && !idle(self.migrate(release))
            || deploys && !idle(deploy::plan(self.environment, release, self.observed));
        if uses_bytes && self.observed.built.is_none() && !self.runs(Phase::Build) {
            return Err(PlanError::NotBuilt { id, environment });
        }
        self.check_schema(release, migrates, deploys)
    }

    fn check_not_blocked(&self, release: &Release) -> Result<(), PlanError> {
        match self.observed.known(&release.id) {
            Some(known) if known.state == ReleaseState::Blocked => Err(PlanError::Blocked {
                id: release.id.clone(),
                reason: known.reason.clone().unwrap_or_else(|| "no reason was given".to_owned()),
                environment: self.environment.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// A switch writes the whole service: what somebody else has put there goes only on the operator's word.
    fn check_not_foreign(&self, release: &Release) -> Result<(), PlanError> {
        let foreign = &self.observed.platform.foreign;
        let switches = self.observed.alive() != Some(&release.id);
        if foreign.is_empty() || self.request.adopt || !switches {
            return Ok(());
        }
        let environment = self.environment.name.clone();
        Err(PlanError::Foreign { what: foreign.join("; "), environment })
    }

    fn check_schema(&self, release: &Release, migrates: bool, deploys: bool) -> Result<(), PlanError> {
        let (id, environment) = (release.id.clone(), self.environment.name.clone());
        if let Some((contract, waiting)) = migrate::behind_contract(release, self.observed)
            && (migrates || deploys)
            && !self.request.contract
        {
            let waiting = waiting.iter().map(|v| format!("{v:03}")).collect::<Vec<_>>().join(" ");
            return Err(PlanError::BehindContract { contract, waiting, environment });
        }
        match &self.observed.database {
            DatabaseState::Unreachable { reason }
                if (migrates || deploys) && !self.runs(Phase::Preflight) =>
            {
                Err(PlanError::DatabaseUnreachable { reason: reason.clone(), environment })
            }
            DatabaseState::Absent if deploys && !migrates => {
                let missing = "the database does not run".to_owned();
                Err(PlanError::NotMigrated { id, missing, environment })
            }
            DatabaseState::Ready { .. } if deploys && !migrates => {
                let pending = migrate::due(release, self.observed);
                let missing = pending.iter().map(|v| format!("{v:03}")).collect::<Vec<_>>().join(" ");
                if pending.is_empty() {
                    Ok(())
                } else {
                    Err(PlanError::NotMigrated { id, missing, environment })
                }
            }
            _ => Ok(()),
        }
    }
}
