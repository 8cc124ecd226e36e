//! Network and edge: made once. A deploy never touches them.

use std::path::Path;

use super::State;
use crate::docker::EngineError;
use crate::environment::tables::hosting::CertificatesName;
use crate::error::{Error, chain};
use crate::image;
use crate::platform::swarm::SwarmPlatform;
use crate::platform::swarm::edge::{ARGUMENTS, Certificates, EdgeOptions};
use crate::site::Site;
use crate::site::swarm::CANDIDATE_KEY;

/// Tag of its image.
const TAG: &str = "packed";

pub(super) async fn look(platform: &SwarmPlatform) -> State {
    match platform.has_edge().await {
        Ok(true) => State::There("there".to_owned()),
        Ok(false) => State::Missing("network and edge".to_owned()),
        // Before there is a swarm there are no services.
        Err(error) if error.hint().contains("swarm init") => State::Missing("network and edge".to_owned()),
        Err(error) => State::Wrong { said: chain(&error), hint: error.hint() },
    }
}

pub(super) async fn make(site: &Site, platform: &SwarmPlatform) -> Result<String, Error> {
    let environment = &site.environment;
    environment.require_secrets()?;
    let candidate = environment.secrets.get(CANDIDATE_KEY).cloned().ok_or_else(|| {
        Error::refused(format!("`{CANDIDATE_KEY}` is missing"))
            .hint(format!("run `crmctl env init {}`", environment.facts.name))
    })?;
    let edge = &environment.hosting.edge;
    let image = match &edge.program {
        None => edge.image.clone(),
        Some(program) => packed(site, platform, &site.root.join(program)).await?,
    };
    let hosts = environment.hosts();
    let options = EdgeOptions {
        image,
        hosts: hosts.clone(),
        http_port: edge.http_port,
        https_port: edge.https_port,
        certificates: match edge.certificates {
            CertificatesName::Acme => Certificates::Acme,
            CertificatesName::Internal => Certificates::Internal,
            CertificatesName::None => Certificates::None,
            CertificatesName::Files => Certificates::Files {
                certificate: read(site, edge.certificate.as_deref())?,
                key: read(site, edge.key.as_deref())?.into(),
            },
        },
        candidate,
    };
    platform.ensure_edge(&options).await.map_err(|error| Error::refused(chain(&error)).hint(error.hint()))?;
    platform
        .until_edge_runs()
        .await
        .map_err(|failure| Error::refused(failure.message).hint(failure.hint.unwrap_or_default()))?;
    Ok(format!("{} on ports {} and {}", hosts.join(", "), edge.http_port, edge.https_port))
}

fn read(site: &Site, name: Option<&str>) -> Result<String, Error> {
    let file = site.root.join(name.unwrap_or_default());
    std::fs::read_to_string(&file).map_err(|error| {
        Error::refused(format!("`{}`: {error}", file.display()))
            .hint("look at `certificate` and `key` of `[edge]`")
    })
}

/// The Caddy of this machine as an image that every node finds; gives its reference.
async fn packed(site: &Site, platform: &SwarmPlatform, program: &Path) -> Result<String, Error> {
    let images = site.images(platform.engine().clone());
    let repository = images.repository_of("edge");
    let (file, reference) = (program.to_owned(), format!("{repository}:{TAG}"));
    let packing = {
        let reference = reference.clone();
        tokio::task::spawn_blocking(move || image::of_program(&file, &ARGUMENTS, &reference))
    };
    let packed = packing.await.map_err(|error| Error::refused(error.to_string()))?;
    let packed = packed.map_err(|error| Error::refused(chain(&error)).hint(error.hint()))?;
    let refused = |error: EngineError| Error::refused(chain(&error)).hint(error.hint());
    images.engine.load(packed.archive).await.map_err(refused)?;
    let Some(registry) = &images.registry else { return Ok(reference) };
    let pushed = images.engine.push(&repository, TAG, registry.login.as_ref()).await;
    let pushed = pushed.map_err(|error| {
        let failure = registry.failure(&error);
        Error::refused(failure.message).hint(failure.hint.unwrap_or_default())
    })?;
    Ok(format!("{repository}@{}", pushed.digest))
}
