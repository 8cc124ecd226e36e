//! Reads a fake world and a journal as crmctl reads the real ones before it plans.

use crate::engine::history;
use crate::engine::journal::Record;
use crate::observed::{DatabaseState, Observed};
use crate::release::Release;
use crate::testing::world::FakeWorld;

/// What planning may look at. `release` is what the checkout gives.
pub fn observed(records: &[Record], world: &FakeWorld, release: Option<&Release>) -> Observed {
    let (site, machine) = world.snapshot();
    let database = if site.database_runs {
        let applied = site.database.applied.iter().copied().collect();
        DatabaseState::Ready { applied, seeded: site.database.seeded }
    } else {
        DatabaseState::Absent
    };
    let built = release.filter(|release| machine.present.contains(&release.id));
    Observed {
        platform: machine.state(),
        releases: history::known_releases(records),
        trail: history::trail(records),
        blockage: history::blockage(records).expect("the journal makes sense"),
        built: built.and_then(|release| site.built.get(&release.id).cloned()),
        database,
        drifted: site.database.drifted.iter().copied().filter(|_| site.database_runs).collect(),
        jobs_started: machine.answers().map(|_| site.jobs),
        perf: history::perf_verdict(records),
    }
}
