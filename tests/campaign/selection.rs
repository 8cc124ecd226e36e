//! Which cases are played: all of them, or as many as `make test` has time for, spread over phases, kinds and ways.
//! The places come from the journals of undisturbed runs, so that a new step is a new place by itself.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::case::{Case, Journey, Way, When};
use super::chain::Record;
use super::stage::Stage;
use super::strike::{Kind, Point};

/// The places of one journey, in the order of its journal.
pub(crate) struct Places {
    pub(crate) journey: Journey,
    pub(crate) points: Vec<Point>,
    /// From the first record to the last.
    pub(crate) lasts: Duration,
}

impl Places {
    /// Lets the journey go its way once and reads what it wrote.
    pub(crate) fn of(journey: Journey, stage: &mut Stage) -> Self {
        let records = undisturbed(journey, stage);
        let mut points = Point::of(&records);
        // Before they turn, or measure, they are deploys like any other.
        let own = match journey {
            Journey::Unwinding => points.iter().position(|point| point.kind == "INTERRUPTED"),
            Journey::Measured => {
                points.iter().position(|point| point.kind == "DONE" && point.is_of("smoke.run"))
            }
            _ => Some(0),
        };
        points.drain(..own.unwrap());
        let lasts = points.iter().map(|point| point.lasts).sum();
        Self { journey, points, lasts }
    }

    /// The phase of a place: that of its step, or of the step before.
    fn phase(&self, index: usize) -> &str {
        let step = self.points[..=index].iter().rev().find_map(|point| point.step.as_deref());
        step.and_then(|step| step.split('.').next()).unwrap_or("plan")
    }

    fn phases(&self) -> Vec<&str> {
        let mut phases: Vec<&str> = (0..self.points.len()).map(|index| self.phase(index)).collect();
        phases.dedup();
        phases
    }
}

/// What a journey writes that nobody disturbs.
fn undisturbed(journey: Journey, stage: &mut Stage) -> Vec<Record> {
    for _ in 0..TRIES {
        let before = stage.records().unwrap().len();
        if journey != Journey::Rollback {
            stage.change();
        }
        let code = super::play::undisturbed(stage, journey);
        if stage.load_was_invalid(before) {
            continue;
        }
        assert_eq!(code, journey.code(), "{}: {}", journey.name(), stage.last_words());
        return stage.records().unwrap().split_off(before);
    }
    panic!("the machine is too busy for a load of 20 requests: {}", stage.last_words());
}

/// How often a load is tried on a busy machine.
pub(crate) const TRIES: u32 = 5;

/// A case and its row in the table.
pub(crate) type Placed = (usize, Case);

/// Every place × kind × way, in an order that a seed gives, so that an end before the end leaves out a bit of all.
pub(crate) fn all(journeys: &[Places], seed: u64) -> Vec<Placed> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut cases = Vec::new();
    for places in journeys {
        for (row, point) in places.points.iter().enumerate() {
            let mut add = |kind, way, when| {
                cases.push((row, Case { journey: places.journey, when, kind, way }));
            };
            let at_once = || When::After(point.clone(), Duration::ZERO);
            for way in Way::ALL {
                add(Kind::Kill, way, at_once());
                add(Kind::Kill, way, When::After(point.clone(), later(&mut random, point)));
                if row > 0 && point.kind == "INTENT" {
                    add(Kind::Kill, way, unseen(&mut random, places, row));
                }
            }
            if places.journey == Journey::First {
                continue;
            }
            for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Kill) {
                for way in ways(kind, row) {
                    add(kind, way, at_once());
                }
            }
        }
    }
    cases.shuffle(&mut random);
    // First deploys need a machine each: they come last, one after the other.
    cases.sort_by_key(|(_, case)| case.journey == Journey::First);
    cases
}

/// Where the run comes to its own end, who goes on afterwards matters little: every second place asks for the other.
fn ways(kind: Kind, row: usize) -> Vec<Way> {
    match kind {
        Kind::Hangup | Kind::Pause | Kind::Term => vec![Way::ALL[row % 2]],
        _ => Way::ALL.to_vec(),
    }
}

/// Somewhere before the effect that follows the record ends, as long as it took undisturbed.
fn later(random: &mut StdRng, point: &Point) -> Duration {
    let micros = u64::try_from(point.lasts.as_micros()).unwrap_or(0).max(2_000);
    Duration::from_micros(random.random_range(500..micros))
}

/// `count` cases: phases and kinds in turn, the place in the phase and the way by the seed.
pub(crate) fn some(places: &Places, kinds: &[Kind], ways: &[Way], count: usize, seed: u64) -> Vec<Placed> {
    let mut random = StdRng::seed_from_u64(seed);
    let phases = places.phases();
    let cases = (0..count).map(|number| {
        let phase = phases[number % phases.len()];
        let within: Vec<usize> =
            (0..places.points.len()).filter(|index| places.phase(*index) == phase).collect();
        let row = within[random.random_range(0..within.len())];
        let point = places.points[row].clone();
        let wait = if random.random_bool(0.5) { Duration::ZERO } else { later(&mut random, &point) };
        let (kind, way) = (kinds[number % kinds.len()], ways[random.random_range(0..ways.len())]);
        (row, Case { journey: places.journey, when: When::After(point, wait), kind, way })
    });
    cases.collect()
}

/// `count` cases at the places that `wanted` names. An INTENT is met by time alone, counted from the record before it:
/// who waited for it to appear would never see an effect that comes before its intent.
pub(crate) fn aimed(
    places: &Places,
    wanted: impl Fn(&Point) -> bool,
    kind: Kind,
    way: Way,
    count: usize,
    seed: u64,
) -> Vec<Placed> {
    let mut random = StdRng::seed_from_u64(seed);
    let rows: Vec<usize> = (1..places.points.len()).filter(|row| wanted(&places.points[*row])).collect();
    let cases = (0..count).map(|number| {
        let row = rows[number % rows.len()];
        let when = match &places.points[row] {
            point if point.kind == "INTENT" => unseen(&mut random, places, row),
            point => When::After(point.clone(), Duration::ZERO),
        };
        (row, Case { journey: places.journey, when, kind, way })
    });
    cases.collect()
}

/// In the effect of the INTENT in this row, without waiting for it.
fn unseen(random: &mut StdRng, places: &Places, row: usize) -> When {
    let (before, intent) = (&places.points[row - 1], &places.points[row]);
    When::After(before.clone(), before.lasts + later(random, intent))
}

/// `kill -9` wherever the run happens to be.
pub(crate) fn moments(places: &Places, count: usize, seed: u64) -> Vec<Placed> {
    let mut random = StdRng::seed_from_u64(seed);
    let span = places.lasts.as_secs_f64() + 0.3;
    let cases = (0..count).map(|number| {
        let when = When::Moment(Duration::from_secs_f64(random.random_range(0.0..span)));
        let way = Way::ALL[number % 2];
        (usize::MAX, Case { journey: places.journey, when, kind: Kind::Kill, way })
    });
    cases.collect()
}
