//! One seed from beginning to end: two operators in bad weather, then good weather in which everything must be
//! brought to its end.

use std::time::Duration;

use crate::engine::event::Ending;
use crate::engine::history;
use crate::engine::resume::replay;
use crate::observed::Blockage;
use crate::pipeline;
use crate::plan::Phase;
use crate::request::{PlanError, Request};
use crate::testing::observed::observed;
use crate::testing::scene::Scene;
use crate::testing::simulation::GROWN;
use crate::testing::simulation::bug::Bug;
use crate::testing::simulation::climate::{Climate, Rate};
use crate::testing::simulation::model::{Breach, Promise};
use crate::testing::simulation::operator::{Errand, Exit};
use crate::testing::simulation::random::Random;
use crate::testing::simulation::rare::Rares;
use crate::testing::simulation::scheduler::Scheduler;
use crate::testing::simulation::stage::Stage;

/// Tries at bringing everything to an end in good weather.
const TRIES: usize = 6;

/// Lives through a seed.
///
/// # Errors
/// The first promise that was broken.
pub fn live(seed: u64, bug: Option<Bug>) -> Result<Rares, Breach> {
    Story::new(seed, bug, false).live()
}

/// Lives through a seed again and gives all that happened, for people.
pub fn retell(seed: u64, bug: Option<Bug>) -> Vec<String> {
    let mut story = Story::new(seed, bug, true);
    let _ = story.act();
    story.scheduler.stage.state().story.take().unwrap_or_default()
}

struct Story {
    scheduler: Scheduler,
    random: Random,
}

impl Story {
    fn new(seed: u64, bug: Option<Bug>, told: bool) -> Self {
        let mut random = Random::new(seed);
        let scene = &GROWN[usize::try_from(random.below(GROWN.len() as u64)).expect("it is small")];
        let stage = Stage::new(scene, random.fork(), bug, told);
        let mut scheduler = Scheduler::new(stage);
        for operator in &mut scheduler.operators {
            operator.rate = Some(random.pick(&Rate::ALL));
            operator.ahead = random.between(Duration::ZERO, Duration::from_secs(120));
            let errands = 1 + random.below(2);
            operator.errands = (0..errands).map(|_| errand(&mut random)).collect();
        }
        scheduler.stage.state().climate = Climate::of(&mut random);
        Self { scheduler, random }
    }

    fn live(mut self) -> Result<Rares, Breach> {
        self.act()?;
        Ok(self.scheduler.stage.state().rares)
    }

    fn act(&mut self) -> Result<(), Breach> {
        self.scheduler.work();
        self.settled()?;
        self.scheduler.stage.state().climate = Climate::default();
        finish(&mut self.scheduler, &mut self.random)
    }

    fn settled(&self) -> Result<(), Breach> {
        self.scheduler.stage.state().model.breach().cloned().map_or(Ok(()), Err)
    }
}

/// A command somebody could type.
fn errand(random: &mut Random) -> Errand {
    match random.below(10) {
        0..=4 => {
            let n = u8::try_from(2 + random.below(4)).expect("it is small");
            let migrations: &[i64] = if random.chance(300) { &[1, 8, 9, 16] } else { &[1, 8, 9] };
            let from = (!random.chance(150)).then_some(Phase::Build);
            Errand::Run(Request { from, ..Request::deploy() }, Some(Scene::release_with(n, migrations)))
        }
        5..=7 => Errand::Rollback,
        _ => Errand::Resume,
    }
}

/// Good weather: every run is brought to its end by somebody, and what is left is a clean environment.
pub(super) fn finish(scheduler: &mut Scheduler, random: &mut Random) -> Result<(), Breach> {
    for _ in 0..TRIES {
        let Some(errand) = left_over(scheduler, random) else { return clean(scheduler, random) };
        let operator = usize::try_from(random.below(2)).expect("it is small");
        let exit = scheduler.perform(operator, errand);
        broken(scheduler)?;
        if let Some(Exit::Refused(PlanError::NothingToGoBackTo { .. })) = exit {
            scheduler.perform(operator, Errand::Resolve);
            broken(scheduler)?;
        }
    }
    breach(Promise::EveryRunEnds, "an unfinished run is not brought to an ending in good weather")
}

/// What has to be done before the next deploy.
fn left_over(scheduler: &Scheduler, random: &mut Random) -> Option<Errand> {
    let records = scheduler.stage.state().journal.records.clone();
    let back = random.chance(500);
    match history::blockage(&records).expect("the journal makes sense")? {
        Blockage::Unfinished { .. } if !back => Some(Errand::Resume),
        Blockage::Unfinished { .. } => Some(Errand::Rollback),
        Blockage::Stuck { .. } if !back => Some(Errand::Resolve),
        Blockage::Stuck { .. } => Some(Errand::Rollback),
    }
}

/// A deploy goes through, a second one has nothing to do, the lease is free, the journal is whole.
fn clean(scheduler: &mut Scheduler, random: &mut Random) -> Result<(), Breach> {
    let release = Scene::release_with(9, &[1, 8, 9, 16]);
    let request = Request { from: Some(Phase::Build), ..Request::deploy() };
    let mut exit = None;
    for _ in 0..3 {
        exit = scheduler.perform(0, Errand::Run(request.clone(), Some(release.clone())));
        broken(scheduler)?;
        if !matches!(exit, Some(Exit::NoLease(_))) {
            break;
        }
        // Whoever died with the lease is waited for.
        scheduler.perform(0, Errand::Resume);
        broken(scheduler)?;
    }
    match &exit {
        Some(Exit::Ran(report)) if report.ending == Ending::Deployed => {}
        other => return breach(Promise::NextDeployIsClean, format!("the next deploy: {other:?}")),
    }
    let stage = scheduler.stage.clone();
    let records = stage.state().journal.records.clone();
    for run in history::runs(&records) {
        if let Err(error) = replay(records.iter().filter(|record| record.run == run.run)) {
            return breach(Promise::JournalReplays, error.to_string());
        }
    }
    let observed = observed(&records, &stage.world, Some(&release));
    let again = pipeline::plan(&request, &stage.environment, Some(&release), &observed);
    if again.as_ref().map(crate::plan::Plan::effects) != Ok(0) {
        return breach(Promise::NextDeployIsClean, format!("the second deploy would do: {again:?}"));
    }
    let idle = observed.leftovers(&release.id);
    if !idle.is_empty() {
        return breach(Promise::NextDeployIsClean, format!("the next deploy left {idle:?} without traffic"));
    }
    let mut state = stage.state();
    if let Some(held) = &state.lease.held {
        return breach(Promise::NextDeployIsClean, format!("the lease is held: {held:?}"));
    }
    // Reading every line costs as much as the runs; the simulated journal can break only by its own bug.
    if random.chance(100)
        && let Err(error) = state.journal.verify()
    {
        return breach(Promise::JournalReplays, error.to_string());
    }
    let books = &mut *state;
    books.model.close(&books.journal);
    state.model.breach().cloned().map_or(Ok(()), Err)
}

fn broken(scheduler: &Scheduler) -> Result<(), Breach> {
    scheduler.stage.state().model.breach().cloned().map_or(Ok(()), Err)
}

fn breach(promise: Promise, what: impl Into<String>) -> Result<(), Breach> {
    Err(Breach { promise, what: what.into() })
}
