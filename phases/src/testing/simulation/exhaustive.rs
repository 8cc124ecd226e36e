//! One fault in every place: strikes the first call of a run, then the second, until there is none left to
//! strike; afterwards everything must be brought to its end in good weather. No chance decides what is tried.

use crate::testing::simulation::fate::{Fate, Strike};
use crate::testing::simulation::model::Breach;
use crate::testing::simulation::operator::Errand;
use crate::testing::simulation::random::Random;
use crate::testing::simulation::rare::Rare;
use crate::testing::simulation::scheduler::Scheduler;
use crate::testing::simulation::stage::Stage;
use crate::testing::simulation::story::finish;
use crate::testing::situation::Situation;

/// A strike that broke a promise.
#[derive(Debug, Clone)]
pub struct Struck {
    /// Situation.
    pub situation: String,
    /// Strike.
    pub strike: Strike,
    /// Promise.
    pub breach: Breach,
}

/// Strikes every call of a run with one fate. Gives how many calls there were.
///
/// # Errors
/// The first strike that broke a promise.
pub fn strike_each_call(situation: &Situation, fate: Fate) -> Result<usize, Struck> {
    for call in 1.. {
        let strike = Strike { call, fate };
        match strike_once(situation, strike, false).0 {
            Ok(true) => {}
            Ok(false) => return Ok(call - 1),
            Err(breach) => return Err(Struck { situation: situation.name.clone(), strike, breach }),
        }
    }
    Ok(0)
}

/// Tells one strike again, for people.
pub fn retell(situation: &Situation, strike: Strike) -> Vec<String> {
    strike_once(situation, strike, true).1
}

/// True when there was such a call.
fn strike_once(situation: &Situation, strike: Strike, told: bool) -> (Result<bool, Breach>, Vec<String>) {
    let mut random = Random::new(strike.call as u64);
    let stage = Stage::new(&situation.scene, random.fork(), None, told);
    let mut scheduler = Scheduler::new(stage);
    scheduler.stage.state().strike = Some(strike);
    scheduler.perform(0, Errand::Run(situation.request.clone(), situation.release.clone()));
    let broken = scheduler.stage.state().model.breach().cloned();
    let struck = scheduler.stage.state().rares.of(Rare::Struck) > 0;
    scheduler.stage.state().strike = None;
    let ended = match broken {
        Some(breach) => Err(breach),
        None if struck => finish(&mut scheduler, &mut random).map(|()| true),
        None => Ok(false),
    };
    let story = scheduler.stage.state().story.take().unwrap_or_default();
    (ended, story)
}
