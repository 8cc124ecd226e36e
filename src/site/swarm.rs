//! An environment on a swarm: its engine, its registry, the way users come, and what its releases are made of. Reads files and
//! values; asks nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use phases::engine::failure::{Failure, FailureClass};
use phases::release::ReleaseId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Place, Site, release_environment};
use crate::docker::{Engine, EngineError, RegistryLogin};
use crate::environment::{LoadedEnvironment, keys};
use crate::error::{Error, chain};
use crate::image;
use crate::platform::process::EnvironmentVariable;
use crate::platform::swarm::{Door, Limits, ReleaseRecord, SecretValue, SwarmOptions, SwarmPlatform, Way};
use crate::release_directory;

/// Keys of the secrets file.
pub(crate) const CANDIDATE_KEY: &str = "CANDIDATE_KEY";
const REGISTRY_USER: &str = "REGISTRY_USER";
const REGISTRY_PASSWORD: &str = "REGISTRY_PASSWORD";
/// Longest name of a secret. Source: the engine's rule.
const LONGEST_SECRET: usize = 64;
/// Digits of a value's hash in the name of its secret.
const DIGITS: usize = 12;
const MIB: i64 = 1024 * 1024;
const NANO: f64 = 1e9;

/// Where images go.
pub struct Images {
    /// Who makes and keeps them.
    pub engine: Engine,
    /// Where all nodes find them; none: the engine is the only node.
    pub registry: Option<Registry>,
    environment: String,
}

/// A registry, as images are pushed to it.
pub struct Registry {
    /// `registry.example/team/crm`.
    pub repository: String,
    /// Who pushes; none: whoever comes.
    pub login: Option<RegistryLogin>,
}

impl Images {
    /// `repository:tag` of a release.
    pub fn reference(&self, release: &ReleaseId) -> String {
        let repository = match &self.registry {
            Some(registry) => registry.repository.clone(),
            None => format!("crm-{}", self.environment),
        };
        format!("{repository}:{}", image::tag(release))
    }

    /// Repository of something beside the releases.
    pub fn repository_of(&self, what: &str) -> String {
        match &self.registry {
            Some(registry) => format!("{}-{what}", registry.repository),
            None => format!("crm-{}-{what}", self.environment),
        }
    }

    /// Whether nodes find it: its registry has it; while that cannot be asked, or there is none, the engine.
    ///
    /// # Errors
    /// Nobody can say.
    pub async fn has(&self, packed: &str) -> Result<bool, EngineError> {
        if let Some(registry) = &self.registry
            && let Ok(answer) = self.engine.registry_has(packed, registry.login.as_ref()).await
        {
            return Ok(answer);
        }
        self.engine.has_image(packed).await
    }
}

impl Registry {
    /// What a push that failed tells.
    pub fn failure(&self, error: &EngineError) -> Failure {
        let said = chain(error);
        let denied = ["unauthorized", "denied", "authentication required", "no basic auth"];
        let hint = if denied.iter().any(|word| said.contains(word)) {
            format!("look at `{REGISTRY_USER}` and `{REGISTRY_PASSWORD}` in the secrets file")
        } else if said.contains("x509") || said.contains("certificate") {
            "let the engine's host trust the registry's authority: `/etc/docker/certs.d/<registry>/ca.crt`"
                .to_owned()
        } else {
            format!("see whether the engine's host reaches `{}`", self.repository)
        };
        Failure::new(FailureClass::Failed, said).hint(hint)
    }
}

/// What it takes to run a release: the record of it, and the secrets that the record names.
pub struct Content {
    /// What the engine keeps.
    pub record: ReleaseRecord,
    /// Values on their way.
    pub secrets: Vec<SecretValue>,
}

/// The platform of an environment.
///
/// # Errors
/// What its file says cannot be used.
pub(super) fn platform(environment: &LoadedEnvironment, place: &Place) -> Result<SwarmPlatform, Error> {
    let hosting = &environment.hosting;
    let mut engine = Engine::new(environment.engine_address()?);
    if let Some(config) = &hosting.engine.ssh_config {
        engine = engine.with_ssh_config(place.root.join(config));
    }
    let login = login(environment).map(|login| {
        let repository = hosting.registry.repository.as_deref().unwrap_or_default();
        (crate::docker::registry_of(repository).to_owned(), login)
    });
    Ok(SwarmPlatform::new(SwarmOptions {
        environment: environment.facts.name.clone(),
        engine,
        door: door(environment, place)?,
        ready_deadline: Duration::from_secs(environment.backend.ready_deadline_seconds),
        login,
    }))
}

fn login(environment: &LoadedEnvironment) -> Option<RegistryLogin> {
    environment.hosting.registry.repository.as_ref()?;
    let user = environment.secrets.get(REGISTRY_USER)?.expose_secret().to_owned();
    let password = environment.secrets.get(REGISTRY_PASSWORD)?.clone();
    Some(RegistryLogin { user, password })
}

fn door(environment: &LoadedEnvironment, place: &Place) -> Result<Door, Error> {
    checks::install_tls();
    let url = Url::parse(&environment.facts.public_url)
        .map_err(|error| Error::refused(format!("`[backend] url`: {error}")))?;
    let edge = &environment.hosting.edge;
    let roots = match &edge.trust {
        None => Vec::new(),
        Some(name) => {
            let file = place.root.join(name);
            let broken = |reason: String| {
                Error::refused(format!("`[edge] trust`: `{}`: {reason}", file.display()))
                    .hint("name a PEM file with the authority's certificate")
            };
            let text = std::fs::read(&file).map_err(|error| broken(error.to_string()))?;
            checks::read_roots(&text).map_err(|error| broken(error.to_string()))?
        }
    };
    // Without the key the gate cannot be passed; preflight says so, and going back needs none.
    let candidate = environment.secrets.get(CANDIDATE_KEY).cloned().unwrap_or_default();
    Door::new(url, candidate, Way { ip: edge.ip, roots })
        .map_err(|error| Error::refused(format!("no HTTP client: {}", chain(&error))))
}

impl Site {
    /// Where images of this environment go.
    pub fn images(&self, engine: Engine) -> Images {
        let environment = &self.environment;
        let repository = environment.hosting.registry.repository.clone();
        let registry = repository.map(|repository| Registry { repository, login: login(environment) });
        Images { engine, registry, environment: environment.facts.name.clone() }
    }

    /// What it takes to run a release that was built here.
    ///
    /// # Errors
    /// It was not, or the secrets are not fit.
    pub fn content(&self, release: &ReleaseId) -> Result<Content, Error> {
        let (environment, releases) = (&self.environment, self.state.releases());
        let name = &environment.facts.name;
        let file = release_directory::read(&releases, release);
        let (Some(file), Some(image)) = (file, release_directory::packed_as(&releases, release)) else {
            return Err(Error::refused(format!("release {release} is neither on the engine nor built here"))
                .hint(format!("run `crmctl build {name}` from a checkout of its commit")));
        };
        let (mut variables, mut objects, mut secrets) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let given = release_environment::configured(environment).map_err(Error::refused)?;
        for variable in with_addresses(environment, given) {
            if is_secret(&variable.name) {
                let object = object(name, &variable.name, &variable.value);
                objects.insert(variable.name, object.clone());
                secrets.push(SecretValue { object, value: variable.value });
            } else {
                variables.insert(variable.name, variable.value.expose_secret().to_owned());
            }
        }
        let record = ReleaseRecord {
            schema: 1,
            release: release.clone(),
            image,
            file,
            variables,
            secrets: objects,
            replicas: environment.hosting.limits.replicas,
            limits: limits(environment),
            drain_seconds: environment.facts.drain_seconds,
        };
        Ok(Content { record, secrets })
    }
}

/// The same, and where page and API are, unless the operator says so.
pub(super) fn with_addresses(
    environment: &LoadedEnvironment,
    mut given: Vec<EnvironmentVariable>,
) -> Vec<EnvironmentVariable> {
    let api = &environment.facts.public_url;
    let page = environment.hosting.page.url.as_ref().unwrap_or(api);
    for (name, address) in [("BACKEND_URL", api), ("FRONTEND_URL", page)] {
        if !given.iter().any(|variable| variable.name == name) {
            given.push(EnvironmentVariable::new(name, address.as_str()));
        }
    }
    given
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a part of a processor is at most 1000, and whole billionths will do"
)]
fn limits(environment: &LoadedEnvironment) -> Limits {
    let limits = &environment.hosting.limits;
    Limits {
        memory_bytes: i64::from(limits.memory_mib) * MIB,
        nano_cpus: (limits.cpus * NANO) as i64,
        pids: i64::from(limits.pids),
    }
}

/// What nobody knows may be one.
fn is_secret(name: &str) -> bool {
    const PLAIN: [&str; 2] = ["CRM_ENVIRONMENT", "DRAIN_SECONDS"];
    !PLAIN.contains(&name) && keys::find(name).is_none_or(|key| key.secret)
}

/// Name of the engine's secret: another value has another name, so a changed secret is another release.
pub(super) fn object(environment: &str, name: &str, value: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update([0]);
    hash.update(value.expose_secret());
    let digits = &hex::encode(hash.finalize())[..DIGITS];
    let room = LONGEST_SECRET - "crm--".len() - environment.len() - digits.len() - 1;
    let name: String = name.chars().take(room).collect();
    format!("crm-{environment}-{name}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_secret_changes_with_its_value_and_fits() {
        let object = |name: &str, value: &str| object(&"e".repeat(24), name, &value.into());
        assert_ne!(object("JWT_SECRET", "one"), object("JWT_SECRET", "two"));
        assert_eq!(object("JWT_SECRET", "one"), object("JWT_SECRET", "one"));
        assert_ne!(object("A", "BC"), object("AB", "C"));
        let long = object(&"N".repeat(100), "v");
        assert_eq!(long.len(), LONGEST_SECRET, "{long}");
        assert_ne!(long, object(&"N".repeat(101), "v"));
    }

    #[test]
    fn what_nobody_knows_is_kept_secret() {
        assert!(is_secret("JWT_SECRET") && is_secret("OUR_OWN_TOKEN"));
        assert!(!is_secret("LOG_LEVEL") && !is_secret("CRM_ENVIRONMENT"));
    }
}
