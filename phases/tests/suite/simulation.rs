//! Thousands of stories of two operators, each decided by its seed, and one fault in every place.
//!
//! `SIMULATION_SEED=n` replays one story; `SIMULATION_SEEDS=n` says how many are lived through (10,000), and with
//! `SIMULATION_EVERYWHERE=1` the faults strike in every situation a planner can meet.

use phases::testing::simulation::bug::Bug;
use phases::testing::simulation::exhaustive::{retell as retell_strike, strike_each_call};
use phases::testing::simulation::fate::Fate;
use phases::testing::simulation::rare::{Rare, Rares};
use phases::testing::simulation::story::{live, retell};
use phases::testing::situation;

/// Stories that `make test` lives through.
const SEEDS: u64 = 10_000;
/// Stories are dealt out to this many tests, which run at the same time.
const HANDS: u64 = 4;
/// With fewer stories than this a rare path may be missed by chance.
const ENOUGH: u64 = 2_000;
/// A planted bug must be found within so many stories.
const PATIENCE: u64 = 30_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("`{name}` is no number: {text}")))
}

/// Lives through one hand of stories.
fn hand(hand: u64) {
    let first = number("SIMULATION_SEED");
    let count = number("SIMULATION_SEEDS").unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let first = first.unwrap_or(0);
    let mut rares = Rares::default();
    let mut lived = 0;
    for seed in (first..first + count).filter(|seed| seed % HANDS == hand) {
        match live(seed, None) {
            Ok(taken) => rares.add(&taken),
            Err(breach) => {
                let story = retell(seed, None).join("\n");
                let replay =
                    format!("SIMULATION_SEED={seed} cargo nextest run -p phases -E 'test(simulation::hand)'");
                panic!(
                    "{story}\n\nseed {seed} breaks {:?}: {}\nreplay: {replay}",
                    breach.promise, breach.what
                );
            }
        }
        lived += 1;
    }
    let missed: Vec<_> = Rare::ALL.iter().filter(|rare| rares.of(**rare) == 0).collect();
    assert!(lived < ENOUGH || missed == [&Rare::Struck], "never happened in {lived} stories: {missed:?}");
}

#[test]
fn hand_of_seeds_keeps_every_promise_1() {
    hand(0);
}

#[test]
fn hand_of_seeds_keeps_every_promise_2() {
    hand(1);
}

#[test]
fn hand_of_seeds_keeps_every_promise_3() {
    hand(2);
}

#[test]
fn hand_of_seeds_keeps_every_promise_4() {
    hand(3);
}

#[test]
fn same_seed_tells_the_same_story() {
    for seed in 0..50 {
        let story = retell(seed, None);
        assert!(story.len() > 5, "nothing happens under seed {seed}");
        assert_eq!(story, retell(seed, None));
    }
    assert_ne!(retell(1, None), retell(2, None));
}

#[test]
fn every_planted_bug_is_found() {
    let mut hidden = Vec::new();
    for bug in Bug::ALL {
        match (0..PATIENCE).find_map(|seed| live(seed, Some(bug)).err().map(|breach| (seed, breach))) {
            Some((seed, breach)) => {
                println!("{bug:?}: seed {seed} breaks {:?}: {}", breach.promise, breach.what)
            }
            None => hidden.push(bug),
        }
    }
    assert!(hidden.is_empty(), "not found in {PATIENCE} stories: {hidden:?}");
}

/// Situations that differ in what a run goes through; the others only repeat parts of these.
const TELLING: [&str; 6] = [
    "first deploy",
    "with migrations",
    "again while it drains",
    "next release after a reboot",
    "second rollback",
    "rollback of an unproved release",
];

#[tokio::test]
async fn one_fault_in_every_place_breaks_no_promise() {
    let everywhere = number("SIMULATION_EVERYWHERE").is_some();
    let all = situation::all().await;
    let chosen = all.iter().filter(|situation| everywhere || TELLING.contains(&situation.name.as_str()));
    let chosen: Vec<_> = chosen.collect();
    assert!(everywhere || chosen.len() == TELLING.len(), "a situation has another name now");
    for situation in chosen {
        for fate in Fate::STRIKES {
            match strike_each_call(situation, fate) {
                Ok(calls) => assert!(calls >= 5, "{}: only {calls} calls", situation.name),
                Err(struck) => {
                    let story = retell_strike(situation, struck.strike).join("\n");
                    let (name, strike, breach) = (&struck.situation, struck.strike, &struck.breach);
                    panic!("{story}\n\n{name}: {strike:?} breaks {:?}: {}", breach.promise, breach.what);
                }
            }
        }
    }
}
