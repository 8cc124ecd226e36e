//! Tables of an environment on a swarm, judged for values that make no sense, and read as what the rest of the program knows.

use url::{Host, Url};

use super::load::LoadedEnvironment;
use super::tables::hosting::{CertificatesName, Hosting, Limits};
use crate::docker::EngineAddress;
use crate::error::Error;
use crate::platform::swarm::LONGEST_ENVIRONMENT;

/// Most tasks of one release.
const MOST_REPLICAS: u32 = 100;
/// Least memory of a task, in MiB, and least processes.
const LEAST: u32 = 64;
/// Least part of a processor.
const LEAST_CPUS: f64 = 0.1;
/// Longest repository. Source: the distribution project's reference grammar.
const LONGEST_REPOSITORY: usize = 255;

/// What is wrong, by the key it stands at.
pub(super) fn senseless(hosting: &Hosting, url: &str) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let mut check = |right: bool, key: &'static str, message: String| {
        if !right {
            wrong.push((key, message));
        }
    };
    match hosting.engine.address.as_deref().map(str::parse::<EngineAddress>) {
        None => check(
            false,
            "engine",
            "`[engine]` wants `address`: `unix:///var/run/docker.sock` or `ssh://user@host`".to_owned(),
        ),
        Some(Err(error)) => check(false, "address", format!("`[engine] address`: {error}")),
        Some(Ok(_)) => {}
    }
    if let Some(repository) = &hosting.registry.repository {
        let message = format!(
            "`repository = \"{repository}\"` is no `host/name` of images, in small letters, without a tag"
        );
        check(is_repository(repository), "repository", message);
    }
    let edge = &hosting.edge;
    check(
        edge.http_port != 0 && edge.https_port != 0 && edge.http_port != edge.https_port,
        "http_port",
        "`http_port` and `https_port` must be two ports".to_owned(),
    );
    check(!edge.image.trim().is_empty(), "image", "`[edge] image` is empty".to_owned());
    let files = edge.certificate.is_some() && edge.key.is_some();
    let none = edge.certificate.is_none() && edge.key.is_none();
    check(
        if edge.certificates == CertificatesName::Files { files } else { none },
        "certificates",
        "`certificates = \"files\"` goes with `certificate` and `key`, and they with it".to_owned(),
    );
    let api = Url::parse(url).ok();
    let encrypted = edge.certificates != CertificatesName::None;
    for (key, place, url) in [("url", "[backend] url", api), ("page", "[page] url", page_url(hosting))] {
        let Some(url) = url else { continue };
        check(
            matches!(url.host(), Some(Host::Domain(_))) || !encrypted,
            key,
            format!("`{place}` needs the name of a host: certificates are for names"),
        );
        check(
            (url.scheme() == "https") == encrypted,
            key,
            format!(
                "`{place}` and `[edge] certificates` disagree: with certificates it begins with `https://`, without with `http://`"
            ),
        );
    }
    if let Some(page) = &hosting.page.url {
        check(
            page_url(hosting).is_some(),
            "page",
            format!("`[page] url = \"{page}\"` is no http or https address"),
        );
    }
    let limits = &hosting.limits;
    check(
        (1..=MOST_REPLICAS).contains(&limits.replicas),
        "replicas",
        format!("`replicas` must be 1 to {MOST_REPLICAS}"),
    );
    check(limits.memory_mib >= LEAST, "memory_mib", format!("`memory_mib` must be at least {LEAST}"));
    check(limits.pids >= LEAST, "pids", format!("`pids` must be at least {LEAST}"));
    let cpus = limits.cpus >= LEAST_CPUS && limits.cpus <= 1e3;
    check(cpus, "cpus", format!("`cpus` must be {LEAST_CPUS} to 1000"));
    wrong
}

fn page_url(hosting: &Hosting) -> Option<Url> {
    let url = Url::parse(hosting.page.url.as_deref()?).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Source: the distribution project's reference grammar, with a host.
fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(inner)
            && part.ends_with(inner)
            && part.chars().all(|c| inner(c) || ".-_".contains(c))
    };
    let Some((host, path)) = text.split_once('/') else { return part(text) };
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    text.len() <= LONGEST_REPOSITORY
        && part(name)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && path.split('/').all(part)
}

impl Limits {
    /// Values by name, as a fingerprint covers them.
    pub(super) fn by_name(&self) -> Vec<(&'static str, String)> {
        vec![
            ("replicas", self.replicas.to_string()),
            ("memory_mib", self.memory_mib.to_string()),
            ("cpus", self.cpus.to_string()),
            ("pids", self.pids.to_string()),
        ]
    }
}

impl LoadedEnvironment {
    /// The engine of an environment on a swarm.
    ///
    /// # Errors
    /// The name of the environment is too long for one.
    pub fn engine_address(&self) -> Result<EngineAddress, Error> {
        let name = &self.facts.name;
        if name.len() > LONGEST_ENVIRONMENT {
            let message = format!(
                "`{name}` is too long a name on a swarm, where names have {LONGEST_ENVIRONMENT} characters at most"
            );
            return Err(Error::refused(message).hint("rename its file in `config/environments`"));
        }
        let address = self.hosting.engine.address.as_deref().unwrap_or_default();
        address.parse().map_err(|error| Error::refused(format!("`[engine] address`: {error}")))
    }

    /// Hosts that the edge answers to; the first is the backend's.
    pub fn hosts(&self) -> Vec<String> {
        let api = Url::parse(&self.facts.public_url).ok();
        let all = api.into_iter().chain(page_url(&self.hosting));
        let mut hosts: Vec<String> = Vec::new();
        for host in all.filter_map(|url| url.host_str().map(str::to_owned)) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosting(text: &str) -> Hosting {
        Hosting {
            engine: super::super::tables::hosting::Engine {
                address: Some("ssh://deploy@staging.example".to_owned()),
                ssh_config: None,
            },
            registry: super::super::tables::hosting::Registry { repository: Some(text.to_owned()) },
            ..Hosting::default()
        }
    }

    #[test]
    fn repositories_are_told_from_what_is_none() {
        for good in [
            "crm",
            "team/crm",
            "registry.example/team/crm",
            "registry.example:5000/crm",
            "localhost:5000/a-b_c.d",
        ] {
            assert_eq!(senseless(&hosting(good), "https://api.example.com"), [], "{good}");
        }
        for bad in [
            "",
            "Team/crm",
            "crm:latest",
            "https://registry.example/crm",
            "a//b",
            "host:port/crm",
            "-a/b",
            "a/b/",
        ] {
            let wrong = senseless(&hosting(bad), "https://api.example.com");
            assert_eq!(wrong.len(), 1, "{bad}: {wrong:?}");
            assert_eq!(wrong[0].0, "repository");
        }
    }

    #[test]
    fn every_value_that_makes_no_sense_is_told_at_its_key() {
        let mut all = hosting("crm");
        all.engine.address = Some("tcp://10.0.0.1:2375".to_owned());
        all.edge.https_port = 80;
        all.page.url = Some("staging.example.com".to_owned());
        all.limits = Limits { replicas: 0, memory_mib: 1, cpus: 0.0, pids: 1 };
        let keys: Vec<&str> =
            senseless(&all, "http://api.example.com").into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["address", "http_port", "url", "page", "replicas", "memory_mib", "pids", "cpus"]);
    }

    #[test]
    fn without_certificates_an_address_will_do() {
        let mut all = hosting("crm");
        assert_eq!(senseless(&all, "https://127.0.0.1").len(), 1);
        all.edge.certificates = CertificatesName::None;
        assert_eq!(senseless(&all, "http://127.0.0.1:8080"), []);
        assert_eq!(senseless(&all, "https://api.example.com").len(), 1);
    }
}
