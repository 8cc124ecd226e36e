//! What all verbs that make a run share: open, lease, observe, plan, run, tell, end.

use std::sync::{Mutex, PoisonError};

use phases::engine::event::Ending;
use phases::engine::ledger::Lease;
use phases::engine::report::RunReport;
use phases::engine::run::Engine;
use phases::plan::{Phase, Plan};
use phases::request::{PlanError, Request, Verb};

use super::Context;
use super::aftermath::{self, Keeper};
use super::fence;
use crate::cli::ResumeArgs;
use crate::clock::SystemClock;
pub use crate::error::ledger_error;
use crate::error::{Error, Exit};
use crate::interrupt::Interrupt;
use crate::notify::Notifier;
use crate::observe::observe;
use crate::report::json::{self, EventBody};
use crate::report::live::Live;
use crate::report::{plan as plan_report, summary};
use crate::run_id::{self, RunId};
use crate::site::lease::Otherwise;
use crate::site::{Needs, Site, secrets_gate};
use crate::{actor, requirements};

mod unfinished;

use unfinished::Way;

/// Runs a request on an environment, or only prints its plan.
///
/// # Errors
/// What refuses the run before it has a plan.
pub async fn command(
    context: &Context,
    name: &str,
    request: Request,
    only_plan: bool,
) -> Result<Exit, Error> {
    if only_plan {
        let site = context.site(name, needs(&request))?;
        let plan = plan(&site, &request).await?;
        plan_report::print(&context.terminal, &plan);
        return Ok(Exit::Done);
    }
    let run = Run::new(context, name, request.verb.as_str());
    run.told(run.start(&request).await).await
}

/// `crmctl resume`: any operator finishes an unfinished run; with `--run`, only that one.
///
/// # Errors
/// What refuses it.
pub async fn resume(context: &Context, arguments: &ResumeArgs) -> Result<Exit, Error> {
    let run = Run::new(context, &arguments.on.environment, "resume");
    run.told(run.go_on(Way::Resume, arguments.run.as_ref()).await).await
}

/// `crmctl rollback`: unwinds an unfinished run, else goes back to an earlier good release. A run that is named is
/// unwound or nothing is done.
///
/// # Errors
/// What refuses it.
pub async fn rollback(
    context: &Context,
    name: &str,
    request: Request,
    only_plan: bool,
    named: Option<&RunId>,
) -> Result<Exit, Error> {
    if only_plan {
        return command(context, name, request, true).await;
    }
    let run = Run::new(context, name, Phase::Rollback.as_str());
    let outcome = match (named, unfinished::hinders(context, name).await) {
        (Some(_), _) => run.go_on(Way::Unwind, named).await,
        (None, Ok(true)) if request.to.is_none() => run.go_on(Way::Unwind, None).await,
        (None, Ok(_)) => run.start(&request).await,
        (None, Err(error)) => Err(error),
    };
    run.told(outcome).await
}

/// One run of one process.
pub(super) struct Run<'c> {
    context: &'c Context,
    live: Live<'c>,
    name: &'c str,
    id: String,
    verb: String,
    notifier: Mutex<Option<Notifier>>,
}

impl<'c> Run<'c> {
    pub(super) fn new(context: &'c Context, name: &'c str, verb: &str) -> Self {
        let id = run_id::fresh();
        let live = Live::new(&context.terminal, &id, name);
        Self { context, live, name, id, verb: verb.to_owned(), notifier: Mutex::default() }
    }

    async fn start(&self, request: &Request) -> Result<(Site, RunReport), Error> {
        let site = self.context.site(self.name, needs(request))?;
        let lease = self.lease(&site).await?;
        let report = self.start_under(&site, &lease, request).await;
        self.give_back(&site, &lease).await;
        Ok((site, report?))
    }

    async fn start_under(&self, site: &Site, lease: &Lease, request: &Request) -> Result<RunReport, Error> {
        let in_hand = fence::raise(site, lease).await?;
        if request.verb.uses_schema() {
            fence::nothing_in_hand(in_hand)?;
        }
        let plan = plan(site, request).await?;
        self.with_engine(site, &self.id, async |engine| engine.run(lease, &plan).await).await
    }

    /// A word of a person, under the lease.
    pub(super) async fn word(
        &self,
        site: &Site,
        say: impl AsyncFnOnce(Engine<'_>, &Lease) -> RunReport,
    ) -> Result<RunReport, Error> {
        let lease = self.lease(site).await?;
        let report = self.with_engine(site, &self.id, async |engine| say(engine, &lease).await).await;
        self.give_back(site, &lease).await;
        report
    }

    async fn with_engine(
        &self,
        site: &Site,
        run: &str,
        drive: impl AsyncFnOnce(Engine<'_>) -> RunReport,
    ) -> Result<RunReport, Error> {
        let cancel = Interrupt::listen(self.context.terminal.clone(), self.name, self.last_words(run))
            .map_err(|error| Error::new(Exit::Bug, format!("signals cannot be caught: {error}")))?;
        let doors = self.context.doors;
        let (effects, cancel) = (doors.effects(site, &self.verb), doors.cancel(cancel));
        let (clock, actor) = (SystemClock::start(), actor::current());
        let keeper = Keeper::new(site, run, self.context, &self.notifier);
        let engine = Engine {
            effects: &*effects,
            ledger: doors.ledger(site),
            clock: &clock,
            cancel: &*cancel,
            events: &|event| {
                self.live.tell(&event);
                keeper.tell(&event);
            },
            actor: &actor,
        };
        Ok(drive(engine).await)
    }

    /// What a machine is told by a run that is left at once.
    fn last_words(&self, run: &str) -> impl Fn(&Error) + Send + 'static {
        let terminal = self.context.terminal.clone();
        let (run, name, verb) = (run.to_owned(), self.name.to_owned(), self.verb.clone());
        move |error| {
            if terminal.json {
                let body = json::refused(&verb, Ending::Interrupted, error);
                Live::new(&terminal, &run, &name).tell_machine(EventBody::RunFinished(Box::new(body)));
            }
        }
    }

    async fn lease(&self, site: &Site) -> Result<Lease, Error> {
        let (ledger, otherwise) = (self.context.doors.ledger(site), Otherwise::of(&self.verb));
        site.take_lease_from(ledger, &self.id, &self.verb, otherwise).await
    }

    async fn give_back(&self, site: &Site, lease: &Lease) {
        if let Err(error) = self.context.doors.ledger(site).release(lease).await {
            tracing::warn!(%error, "the lease could not be given back");
        }
    }

    /// Tells how it ended, in every form; the exit code is the report's.
    pub(super) async fn told(&self, outcome: Result<(Site, RunReport), Error>) -> Result<Exit, Error> {
        let terminal = &self.context.terminal;
        match outcome {
            Ok((site, report)) => {
                let result = aftermath::keep(self.context, &site, &report).await;
                if terminal.json {
                    let mut finished = json::run_finished(&report);
                    finished.report.clone_from(&result.report);
                    self.live.tell_machine(EventBody::RunFinished(Box::new(finished)));
                }
                for line in summary::lines(&site, &result, terminal.paint) {
                    terminal.line(&line);
                }
                let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(notifier) = notifier {
                    notifier.ended(&result).await;
                }
                Ok(Exit::of(report.exit_code))
            }
            Err(error) => {
                if terminal.json {
                    let body = json::refused(&self.verb, Ending::Refused, &error);
                    self.live.tell_machine(EventBody::RunFinished(Box::new(body)));
                }
                aftermath::refused(self.context, self.name, &self.id, &self.verb, &error);
                Err(error)
            }
        }
    }
}

/// Observes and plans.
async fn plan(site: &Site, request: &Request) -> Result<Plan, Error> {
    let release = match needs(request) {
        Needs::Source => Some(&site.source().map_err(Error::copy)?.release),
        Needs::WhatIsThere => None,
    };
    secrets_gate::before_planning(site, request)?;
    check_files(site, request)?;
    let observed = observe(site).await?;
    let plan = phases::pipeline::plan(request, &site.environment.facts, release, &observed)
        .map_err(|error| plan_error(&error))?;
    secrets_gate::before_running(site, &plan)?;
    Ok(plan)
}

/// Suites and thresholds that the run will ask for are read before anything begins.
fn check_files(site: &Site, request: &Request) -> Result<(), Error> {
    if matches!(request.verb, Verb::Phase(Phase::Preflight | Phase::Build | Phase::Migrate | Phase::Rollback))
    {
        return Ok(());
    }
    let facts = &site.environment.facts;
    for suite in [&facts.smoke_suite, &facts.gate_suite, &facts.perf.suite] {
        site.suite(suite)?;
    }
    if request.verb == Verb::Pipeline && facts.jobs {
        // Its CEO starts the jobs once traffic has moved: too late to find that there is none.
        site.smoke_account().map_err(|message| Error::refused(message).hint(requirements::secrets::CEO))?;
    }
    let unknown = site.thresholds()?.unknown(&facts.perf.require);
    if unknown.is_empty() {
        return Ok(());
    }
    let message =
        format!("config/environments/{}.toml: `[perf] require`: {}", facts.name, unknown.join("; "));
    Err(Error::refused(message).hint("known thresholds are in `config/thresholds.toml`"))
}

/// Smoke, perf and rollback deal with what serves; everything else makes a release.
fn needs(request: &Request) -> Needs {
    match request.verb {
        Verb::Phase(Phase::Smoke | Phase::Perf | Phase::Rollback) => Needs::WhatIsThere,
        Verb::Phase(_) | Verb::Pipeline => Needs::Source,
    }
}

fn plan_error(error: &PlanError) -> Error {
    Error::refused(error.to_string()).maybe_hint(error.hint())
}
