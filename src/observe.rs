//! The world → `Observed`: what planning may look at, read in one go. Changes nothing, starts nothing.

use phases::engine::history;
use phases::engine::journal::Record;
use phases::engine::ledger::Ledger;
use phases::engine::platform::Platform;
use phases::observed::{DatabaseState, Observed};
use phases::release::ReleaseId;

use crate::effects::start_jobs;
use crate::error::Error;
use crate::platform::AnyPlatform;
use crate::release_directory;
use crate::site::{Site, database};

/// Looks at platform, journal, release directories, database and jobs.
///
/// # Errors
/// The journal or the platform cannot be read: nothing may be planned on a guess.
pub async fn observe(site: &Site) -> Result<Observed, Error> {
    let (_, remembered) = remembered(site).await?;
    let built = match site.source() {
        Ok(source) => built(site, &source.release.id, &remembered).await?,
        Err(_) => None,
    };
    let jobs_started = match remembered.platform.serving {
        Some(_) => start_jobs::running(site).await.ok(),
        None => None,
    };
    let (database, drifted) = (database::state(site).await, database::drifted(site).await);
    Ok(Observed { built, jobs_started, database, drifted, ..remembered })
}

/// The content digest of a release that could be started without being built: it is on the engine of a swarm, or it lies here,
/// packed where nodes find it.
async fn built(site: &Site, release: &ReleaseId, remembered: &Observed) -> Result<Option<String>, Error> {
    if let AnyPlatform::Swarm(platform) = &site.platform {
        if remembered.is_present(release) {
            return Ok(site.release_file(release).await?.map(|file| file.digest));
        }
        let Some(packed) = release_directory::packed_as(&site.state.releases(), release) else {
            return Ok(None);
        };
        // A registry that cannot be asked is found by preflight, and by the build.
        if !site.images(platform.engine().clone()).has(&packed).await.unwrap_or(false) {
            return Ok(None);
        }
    }
    Ok(release_directory::read(&site.state.releases(), release).map(|file| file.digest))
}

/// What journal and platform know, and the journal itself. Asks neither database nor checkout: these are the
/// facts that a way back rests on.
///
/// # Errors
/// As [`observe`].
pub async fn remembered(site: &Site) -> Result<(Vec<Record>, Observed), Error> {
    let name = &site.environment.facts.name;
    let records = site.ledger.records().await.map_err(|error| crate::error::ledger_error(&error))?;
    let platform = site.platform.state().await.map_err(|error| {
        Error::refused(error.to_string()).hint(format!("run `crmctl logs {name}` and look at the supervisor"))
    })?;
    let broken = |error: &dyn std::error::Error| {
        Error::refused(format!("the journal contradicts itself: {error}"))
            .hint(format!("run `crmctl history {name}`"))
    };
    let blockage = history::blockage(&records).map_err(|error| broken(&error))?;
    let observed = Observed {
        releases: history::known_releases(&records),
        trail: history::trail(&records),
        blockage,
        built: None,
        database: DatabaseState::Absent,
        drifted: Vec::new(),
        jobs_started: None,
        perf: history::perf_verdict(&records),
        platform,
    };
    Ok((records, observed))
}
