//! One environment in memory with everything a run needs: world, ledger, clock. Observes, plans and runs as
//! crmctl does.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use futures_util::future::{Either, select};

use crate::engine::cancel::{Cancel, Never};
use crate::engine::event::Event;
use crate::engine::history;
use crate::engine::history::decision::Verdict;
use crate::engine::journal::{Actor, Record};
use crate::engine::ledger::{Claim, Lease, Ledger};
use crate::engine::report::RunReport;
use crate::engine::run::Engine;
use crate::environment::{BuildSource, Environment, PerfFacts, PlatformKind};
use crate::observed::Observed;
use crate::pipeline;
use crate::plan::{Plan, Target};
use crate::release::{PinnedMigration, Release, ReleaseId};
use crate::request::{PlanError, Request};
use crate::testing::clock::FakeClock;
use crate::testing::ledger::MemoryLedger;
use crate::testing::observed::observed;
use crate::testing::world::FakeWorld;

/// Migrations of the fixture that take something away.
const CONTRACT: [i64; 1] = [20];

/// An environment in memory.
#[derive(Debug)]
pub struct Scene {
    /// What effects change.
    pub world: FakeWorld,
    /// What runs remember.
    pub ledger: MemoryLedger,
    /// Time.
    pub clock: FakeClock,
    /// Facts of the environment.
    pub environment: Environment,
}

impl Clone for Scene {
    /// A scene of its own in the same state.
    fn clone(&self) -> Self {
        Self {
            world: self.world.clone(),
            ledger: self.ledger.copy(),
            clock: FakeClock::default(),
            environment: self.environment.clone(),
        }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            world: FakeWorld::default(),
            ledger: MemoryLedger::default(),
            clock: FakeClock::default(),
            environment: environment(),
        }
    }
}

/// What a process does with a run.
#[derive(Debug, Clone)]
pub enum Errand<'a> {
    /// Runs a plan.
    Run(&'a Plan),
    /// Goes on with the unfinished run.
    Resume,
    /// Takes the unfinished run back.
    Unwind,
    /// Writes down that a release is free again.
    Unblock(&'a Target),
    /// Writes down that a person has looked.
    Resolve,
}

impl Scene {
    /// The n-th release of the fixture, with migrations 1, 8 and 9.
    pub fn release(n: u8) -> Release {
        Self::release_with(n, &[1, 8, 9])
    }

    /// The n-th release with a migration set of its own.
    pub fn release_with(n: u8, migrations: &[i64]) -> Release {
        let commit = format!("{n:02x}").repeat(20);
        let id = ReleaseId::new(&commit, false, &format!("{n:08x}")).expect("both parts are hexadecimal");
        let pinned = |version: &i64| PinnedMigration {
            version: *version,
            name: format!("step_{version}"),
            checksum: "00".repeat(48),
            down: "sha256:down".to_owned(),
            verify: "sha256:verify".to_owned(),
            contract: CONTRACT.contains(version),
        };
        Release {
            id,
            commit,
            dirty: false,
            inputs: format!("sha256:inputs-{n}"),
            needs_schema: migrations.last().copied().unwrap_or(0),
            migrations: migrations.iter().map(pinned).collect(),
        }
    }

    /// A scene in which releases 1 to `n` have been deployed one after the other.
    pub async fn grown(n: u8) -> Self {
        let scene = Self::default();
        for n in 1..=n {
            let report = scene.perform(&Request::deploy(), Some(&Self::release(n))).await;
            assert_eq!(report.exit_code, 0, "the fixture itself failed: {report:?}");
            scene.world.platform.machine().settle();
        }
        scene
    }

    /// The machine was switched off and on: nothing runs, everything stored is there.
    pub fn reboot(&self) {
        self.world.platform.machine().instances.clear();
        self.world.site().database_runs = false;
    }

    /// All records, verified.
    pub fn records(&self) -> Arc<Vec<Record>> {
        self.ledger.verified().expect("the journal is whole")
    }

    /// Reads the world and the journal, as crmctl does before it plans.
    pub fn observe(&self, release: Option<&Release>) -> Observed {
        observed(&self.records(), &self.world, release)
    }

    /// Plans a request on the world as it is.
    ///
    /// # Errors
    /// Those of the planner.
    pub fn plan(&self, request: &Request, release: Option<&Release>) -> Result<Plan, PlanError> {
        pipeline::plan(request, &self.environment, release, &self.observe(release))
    }

    /// Plans and runs a request; it must be possible.
    pub async fn perform(&self, request: &Request, release: Option<&Release>) -> RunReport {
        let plan = self.plan(request, release).expect("the request can be planned");
        self.process(&Errand::Run(&plan), &Never, &|_| {}).await.expect("nothing kills this process")
    }

    /// Runs one process to its end. `None` when it was killed.
    pub async fn process(
        &self,
        errand: &Errand<'_>,
        cancel: &dyn Cancel,
        events: &(dyn Fn(Event) + Send + Sync),
    ) -> Option<RunReport> {
        let ledger = self.ledger.another();
        let lease = ledger.acquire(&self.claim(errand)).await.expect("the lease is free");
        let actor = Actor { user: "ana".to_owned(), host: "pc1".to_owned() };
        let clock = &self.clock;
        let engine = Engine { effects: &self.world, ledger: &ledger, clock, cancel, events, actor: &actor };
        let run = pin!(self.errand(&engine, &lease, errand));
        match select(run, pin!(self.ledger.death())).await {
            Either::Left((report, _)) => {
                ledger.release(&lease).await.expect("giving back never fails");
                Some(report)
            }
            Either::Right(_) => None,
        }
    }

    /// Runs a process and keeps its news.
    pub async fn listened(
        &self,
        errand: &Errand<'_>,
        cancel: &dyn Cancel,
    ) -> (Option<RunReport>, Vec<Event>) {
        let heard = Mutex::new(Vec::new());
        let listen = |event| heard.lock().expect("no listener panics").push(event);
        let report = self.process(errand, cancel, &listen).await;
        (report, heard.into_inner().expect("no listener panics"))
    }

    async fn errand(&self, engine: &Engine<'_>, lease: &Lease, errand: &Errand<'_>) -> RunReport {
        let unfinished = || {
            let unfinished = history::unfinished(&self.records()).expect("the journal makes sense");
            unfinished.expect("a run has no end")
        };
        match errand {
            Errand::Run(plan) => engine.run(lease, plan).await,
            Errand::Resume => engine.resume(lease, unfinished()).await,
            Errand::Unwind => engine.unwind(lease, unfinished()).await,
            Errand::Unblock(target) => {
                engine.decide(lease, "local", target, Verdict::Unblocked("mended")).await
            }
            Errand::Resolve => engine.resolve(lease, "local", "looked at it").await,
        }
    }

    fn claim(&self, errand: &Errand<'_>) -> Claim {
        let run = format!("run-{}", history::runs(&self.records()).len() + 1);
        let verb = match errand {
            Errand::Run(plan) => plan.verb.clone(),
            Errand::Resume => "resume".to_owned(),
            Errand::Unwind => "rollback".to_owned(),
            Errand::Unblock(_) => "release".to_owned(),
            Errand::Resolve => "resolve".to_owned(),
        };
        Claim { holder: "ana@pc1".to_owned(), run, verb, above: 0 }
    }
}

/// Facts of the fixture's environment.
fn environment() -> Environment {
    let owned = str::to_owned;
    Environment {
        name: owned("local"),
        platform: PlatformKind::Process,
        public_url: owned("http://127.0.0.1:8000"),
        build: BuildSource::Profile(owned("release")),
        embedded_database: true,
        required_migrations: vec![1],
        jobs: true,
        smoke_suite: owned("smoke"),
        gate_suite: owned("smoke"),
        perf: PerfFacts {
            suite: owned("smoke"),
            rate: 100,
            duration_seconds: 5,
            require: vec![owned("api_p95_ms"), owned("database_p95_ms")],
            files: owned("sha256:files"),
        },
        retention: 3,
        drain_seconds: 10,
        watch_window_seconds: 0,
        fingerprint: "ab".repeat(32),
    }
}
