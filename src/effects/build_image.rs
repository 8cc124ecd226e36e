//! `BuildImage`: the image of a built release, given to the engine and, where there is a registry, pushed and pinned by the
//! digest that the registry gives it. Which image that is stays with the release.

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};
use phases::release::{Release, ReleaseId};

use crate::docker::EngineError;
use crate::error::chain;
use crate::image::{self, Image};
use crate::platform::AnyPlatform;
use crate::release_directory;
use crate::site::Site;
use crate::site::swarm::Images;
use crate::terminal;

/// Does the engine or the registry have what the release was packed as?
pub(super) async fn probe(site: &Site, release: &Release) -> Probe {
    let Ok(images) = images(site) else { return Probe::NotDone };
    let Some(packed) = release_directory::packed_as(&site.state.releases(), &release.id) else {
        return Probe::NotDone;
    };
    match images.has(&packed).await {
        Ok(true) => Probe::Done(evidence(&packed, "already packed")),
        Ok(false) => Probe::NotDone,
        Err(error) => Probe::Unknown(failure(&error)),
    }
}

/// Packs, loads and pushes.
pub(super) async fn apply(site: &Site, release: &Release, context: &EffectContext<'_>) -> EffectOutcome {
    let started = std::time::Instant::now();
    match pack(site, &release.id, context).await {
        Ok((packed, size)) => {
            let took = terminal::seconds(started.elapsed().as_secs_f64());
            let megabytes = size.div_ceil(1_000_000);
            EffectOutcome::Done(evidence(&packed, &format!("{megabytes} MB packed in {took}")))
        }
        Err(failure) => EffectOutcome::NotDone(failure),
    }
}

async fn pack(
    site: &Site,
    release: &ReleaseId,
    context: &EffectContext<'_>,
) -> Result<(String, u64), Failure> {
    let images = images(site)?;
    let reference = images.reference(release);
    let image = assemble(site, release, &reference).await?;
    let size = image.size;
    let tell = |text: String| (context.progress)(Progress::Message(text));
    if !images.engine.has_image(&image.id).await.map_err(|error| failure(&error))? {
        tell("loading".to_owned());
    }
    // Again, even when it is there: the engine may know it by another name only.
    images.engine.load(image.archive).await.map_err(|error| failure(&error))?;
    let packed = match &images.registry {
        None => reference,
        Some(registry) => {
            tell(format!("pushing to {}", registry.repository));
            let pushed = images
                .engine
                .push(&registry.repository, image::tag(release), registry.login.as_ref())
                .await
                .map_err(|error| registry.failure(&error))?;
            format!("{}@{}", registry.repository, pushed.digest)
        }
    };
    release_directory::pack_as(&site.state.releases(), release, &packed).map_err(|error| {
        Failure::new(FailureClass::Failed, format!("the release cannot be written: {error}"))
            .hint("look at the state directory, then run it again")
    })?;
    Ok((packed, size))
}

async fn assemble(site: &Site, release: &ReleaseId, reference: &str) -> Result<Image, Failure> {
    let (directory, reference) = (site.state.release(release), reference.to_owned());
    let assembled = tokio::task::spawn_blocking(move || image::assemble(&directory, &reference)).await;
    let assembled = assembled.map_err(|error| Failure::new(FailureClass::Failed, error.to_string()))?;
    assembled.map_err(|error| Failure::new(FailureClass::Failed, chain(&error)).hint(error.hint()))
}

fn images(site: &Site) -> Result<Images, Failure> {
    match &site.platform {
        AnyPlatform::Swarm(platform) => Ok(site.images(platform.engine().clone())),
        AnyPlatform::Process(_) => {
            Err(Failure::new(FailureClass::Refused, "processes of this machine need no image"))
        }
    }
}

fn failure(error: &EngineError) -> Failure {
    Failure::new(FailureClass::Failed, chain(error)).hint(error.hint())
}

fn evidence(packed: &str, how: &str) -> Evidence {
    let facts = serde_json::json!({ "image": packed });
    Evidence { summary: how.to_owned(), facts, checks: Vec::new() }
}
