//! File + secrets file + process environment → one validated environment, every mistake reported together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phases::environment::{BuildSource, Environment, PerfFacts, PlatformKind};

use super::document::{self, Mistake};
use super::file::Tables;
use super::fingerprint::fingerprint;
use super::given::{given, named_keys};
use super::secrets::Secrets;
use super::tables::hosting::Hosting;
use super::tables::{Backend, Database, Ledger, Notify, Owners, PlatformName, Smoke, Top};
use crate::error::{Error, did_you_mean};

/// An environment with everything that running it needs.
#[derive(Clone)]
pub struct LoadedEnvironment {
    /// What planning sees.
    pub facts: Environment,
    /// Directory with `environments/` and `suites/`.
    pub config: PathBuf,
    /// The tables as written.
    pub top: Top,
    /// `[backend]`.
    pub backend: Backend,
    /// How long compiling may take.
    pub build_deadline: Duration,
    /// `[database]`.
    pub database: Database,
    /// `[ledger]`.
    pub ledger: Ledger,
    /// What only an environment on a swarm has.
    pub hosting: Hosting,
    /// `[smoke]`.
    pub smoke: Smoke,
    /// `[notify]`.
    pub notify: Notify,
    /// `[owners]`.
    pub owners: Owners,
    /// `[contacts]`.
    pub contacts: BTreeMap<String, String>,
    /// What the operator gave.
    pub secrets: Secrets,
    /// What is wrong with the secrets; there are none then. Preflight reports it, [`Self::require_secrets`] refuses.
    pub secret_mistakes: Vec<Mistake>,
    /// Where the secrets file is, when one is read.
    pub secrets_file: Option<PathBuf>,
}

/// Names of the environments in a configuration directory, ascending.
pub fn list(config: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(config.join("environments")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

impl LoadedEnvironment {
    /// Reads `config/environments/<name>.toml` and what it names.
    ///
    /// # Errors
    /// Unknown environment (usage), or everything that is wrong in its file (refused).
    pub fn load(
        config: &Path,
        root: &Path,
        name: &str,
        process: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let file = config.join("environments").join(format!("{name}.toml"));
        if !is_name(name) || !file.is_file() {
            return Err(unknown(config, name));
        }
        let shown = file.strip_prefix(root).unwrap_or(&file).to_owned();
        let text = document::read(&file).map_err(|mistake| refused(&[mistake]))?;
        let tables = Tables::parse(&shown, &text).map_err(|mistakes| refused(&mistakes))?;
        tables.into_environment(config, root, name, &shown, process)
    }
}

impl LoadedEnvironment {
    /// Moves an embedded environment to another port of the same address.
    ///
    /// # Errors
    /// The environment is not embedded, so crmctl does not decide where it listens.
    pub fn answer_on(&mut self, port: u16) -> Result<(), Error> {
        if self.facts.platform != PlatformKind::Process {
            return Err(Error::usage("`--port` is for environments with `platform = \"process\"`"));
        }
        let mut url =
            url::Url::parse(&self.facts.public_url).map_err(|error| Error::refused(error.to_string()))?;
        let moved = url.set_port(Some(port));
        moved.map_err(|()| {
            Error::usage(format!("`--port {port}` does not fit `{}`", self.facts.public_url))
        })?;
        self.facts.public_url = url.as_str().trim_end_matches('/').to_owned();
        Ok(())
    }

    /// Refuses to go on without the secrets that the operator gave: a verb that builds, migrates, checks or starts
    /// anything would do it with other values than he means.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn require_secrets(&self) -> Result<(), Error> {
        if self.secret_mistakes.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self.secret_mistakes.iter().map(ToString::to_string).collect();
        Err(Error::refused(lines.join("\n"))
            .hint(format!("mend it, then run `crmctl preflight {}`", self.facts.name)))
    }

    /// Where the supervisor listens for the public address.
    ///
    /// # Errors
    /// The host is no address of a machine.
    pub fn listen_address(&self) -> Result<SocketAddr, String> {
        let url = url::Url::parse(&self.facts.public_url).map_err(|error| error.to_string())?;
        let found =
            url.socket_addrs(|| None).map_err(|error| format!("`{}`: {error}", self.facts.public_url))?;
        found.first().copied().ok_or_else(|| format!("`{}` has no address", self.facts.public_url))
    }
}

impl Tables {
    fn into_environment(
        self,
        config: &Path,
        root: &Path,
        name: &str,
        shown: &Path,
        process: impl Fn(&str) -> Option<String>,
    ) -> Result<LoadedEnvironment, Error> {
        let secrets_file = self.top.secrets_file.as_ref().map(|file| root.join(file));
        let optional = self.database.embedded;
        let secrets_file = secrets_file.filter(|file| !optional || file.exists());
        let named = named_keys(&self.database, &self.ledger);
        let webhook = self.notify.webhook_key.as_deref();
        let loaded = Secrets::load(secrets_file.as_deref(), &named, webhook, process);
        let (secrets, secret_mistakes) = match loaded {
            Ok(secrets) => (secrets, Vec::new()),
            Err(mistakes) => (Secrets::default(), mistakes.into_iter().map(|m| relative(m, root)).collect()),
        };
        let fingerprint = self.fingerprint(&secrets);
        let source = match (self.build.profile.clone(), self.build.artifact.clone()) {
            (Some(profile), None) => BuildSource::Profile(profile),
            (_, Some(artifact)) => BuildSource::Artifact(artifact),
            (None, None) => return Err(refused(&[mistake(shown, "`[build]` names no source")])),
        };
        let facts = Environment {
            name: name.to_owned(),
            platform: match self.top.platform {
                PlatformName::Process => PlatformKind::Process,
                PlatformName::Swarm => PlatformKind::Swarm,
            },
            public_url: self.backend.url.trim_end_matches('/').to_owned(),
            build: source,
            embedded_database: self.database.embedded,
            required_migrations: self.database.required_migrations.clone(),
            jobs: runs_jobs(&self.backend, &secrets),
            smoke_suite: self.smoke.suite.clone(),
            gate_suite: self.smoke.gate.clone(),
            perf: PerfFacts {
                suite: self.perf.suite.clone(),
                rate: self.perf.rate,
                duration_seconds: self.perf.duration_seconds,
                require: self.perf.require.clone(),
                files: String::new(),
            },
            retention: self.top.retention,
            drain_seconds: self.top.drain_seconds,
            watch_window_seconds: self.top.watch_window_seconds,
            fingerprint,
        };
        Ok(LoadedEnvironment {
            facts,
            config: config.to_owned(),
            top: self.top,
            backend: self.backend,
            build_deadline: Duration::from_secs(self.build.deadline_seconds),
            database: self.database,
            ledger: self.ledger,
            hosting: self.hosting,
            smoke: self.smoke,
            notify: self.notify,
            owners: self.owners,
            contacts: self.contacts.0,
            secrets,
            secret_mistakes,
            secrets_file,
        })
    }

    /// What the release would be started with.
    fn fingerprint(&self, secrets: &Secrets) -> String {
        let drain = self.top.drain_seconds.to_string();
        let mut plain = vec![("url", self.backend.url.as_str()), ("drain_seconds", drain.as_str())];
        plain.extend(self.backend.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let limits = match self.top.platform {
            PlatformName::Process => Vec::new(),
            PlatformName::Swarm => self.hosting.limits.by_name(),
        };
        plain.extend(limits.iter().map(|(name, value)| (*name, value.as_str())));
        fingerprint(&plain, &given(secrets, &self.database, &self.ledger, &self.notify))
    }
}

/// Whether releases run background jobs; what the operator gives as a secret wins, as it does in a release.
fn runs_jobs(backend: &Backend, secrets: &Secrets) -> bool {
    const SWITCH: &str = "ENABLE_SCHEDULED_TASKS";
    let given = secrets.get(SWITCH).map(secrecy::ExposeSecret::expose_secret);
    let value = given.or(backend.env.get(SWITCH).map(String::as_str)).unwrap_or("true");
    !["false", "0", "no", "off"].contains(&value.to_ascii_lowercase().as_str())
}

/// All mistakes as one refusal.
pub fn refused(mistakes: &[Mistake]) -> Error {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    Error::refused(lines.join("\n")).hint("every key is explained in `config/example.toml`")
}

fn unknown(config: &Path, name: &str) -> Error {
    let known = list(config);
    let error = Error::usage(format!("unknown environment `{name}`"));
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None if known.is_empty() => {
            error.hint(format!("no environment file in `{}`", config.join("environments").display()))
        }
        None => error.hint(format!("known environments: {}", known.join(", "))),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn mistake(file: &Path, message: &str) -> Mistake {
    Mistake { file: file.to_owned(), line: 0, message: message.to_owned() }
}

fn relative(mut mistake: Mistake, root: &Path) -> Mistake {
    if let Ok(shorter) = mistake.file.strip_prefix(root) {
        mistake.file = shorter.to_owned();
    }
    mistake
}
