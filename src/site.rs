//! Everything a command on one environment needs, opened once: facts, state directory, platform, ledger and,
//! where the verb makes a release, the source. It wires; it decides nothing.

pub mod database;
pub mod lease;
mod perf_files;
pub mod release_environment;
pub mod resume_gate;
pub mod secrets_gate;
mod suites;
pub mod swarm;
pub mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use phases::engine::history;
use phases::engine::ledger::{Ledger, LedgerError};
use phases::environment::PlatformKind;
use phases::observed::KnownRelease;
use phases::release::ReleaseId;
use secrecy::SecretString;

use crate::environment::LoadedEnvironment;
use crate::error::{Error, chain, did_you_mean};
use crate::git::Checkout;
use crate::ledger::EnvironmentLedger;
use crate::ledger::shared::Tell;
use crate::platform::AnyPlatform;
use crate::platform::process::ProcessPlatform;
use crate::platform::process::postgres::PrivatePostgres;
use crate::release_directory::{self, ReleaseFile};
use crate::source::Source;
use crate::state_directory::StateDirectory;
use suites::suite_names;
pub use suites::{read_suite, read_thresholds};

/// Password of the seed's accounts; impossible outside an embedded environment.
const EMBEDDED_SMOKE_PASSWORD: &str = "test123";
/// Session of the smoke suite that may start jobs.
const SMOKE_SESSION: &str = "ceo";

/// Where the configuration is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Directory with `environments/` and `suites/`.
    pub config: PathBuf,
    /// What paths in an environment file are relative to.
    pub root: PathBuf,
    /// The checkout around it, when there is one.
    pub checkout: Option<Checkout>,
}

impl Place {
    /// Finds `config`: the directory given, or the one at the top of the checkout around the working directory.
    ///
    /// # Errors
    /// There is none.
    pub fn find(given: Option<&Path>) -> Result<Self, Error> {
        let here = std::env::current_dir()
            .map_err(|error| Error::refused(format!("no working directory: {error}")))?;
        let start = given.map_or_else(|| here.clone(), |given| here.join(given));
        if given.is_some() && !start.is_dir() {
            let message = format!("`--config {}` is no directory", start.display());
            return Err(Error::usage(message));
        }
        let checkout = Checkout::around(&start);
        let config = match (given, &checkout) {
            (Some(_), _) => start,
            (None, Ok(checkout)) => checkout.root.join("config"),
            (None, Err(_)) => here.join("config"),
        };
        if !config.join("environments").is_dir() {
            let message = format!("no configuration: `{}` is missing", config.join("environments").display());
            return Err(Error::refused(message)
                .hint("run crmctl inside a clone of the project, or give `--config DIR`"));
        }
        let root = match &checkout {
            Ok(checkout) => checkout.root.clone(),
            Err(_) => config.parent().map_or(here, Path::to_owned),
        };
        Ok(Self { config, root, checkout: checkout.ok() })
    }
}

/// Account that smoke tests use.
#[derive(Clone)]
pub struct Account {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: SecretString,
}

/// One environment, opened.
pub struct Site {
    /// Its facts and secrets.
    pub environment: LoadedEnvironment,
    /// Its state directory.
    pub state: StateDirectory,
    /// What runs its releases.
    pub platform: AnyPlatform,
    /// Its memory.
    pub ledger: EnvironmentLedger,
    /// What paths in the environment file are relative to.
    pub root: PathBuf,
    source: Result<Source, Error>,
    tell: Tell,
}

/// Whether a verb makes a release from the checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It does.
    Source,
    /// It deals with what is there.
    WhatIsThere,
}

impl Site {
    /// Opens an environment. Changes nothing, starts nothing. `tell` hears what a person has to know of the ledger.
    ///
    /// # Errors
    /// Unknown environment, mistakes in its file, a state directory that cannot be used.
    pub fn open(
        place: &Place,
        name: &str,
        port: Option<u16>,
        needs: Needs,
        tell: Tell,
    ) -> Result<Self, Error> {
        let mut environment = LoadedEnvironment::load(&place.config, &place.root, name, process_variable)?;
        environment.facts.perf.files = perf_files::fingerprint(&environment.config, &environment.facts.perf);
        let state = StateDirectory::locate(name).map_err(|error| {
            let hint = error.hint();
            let refused = Error::refused(error.to_string());
            match hint {
                Some(hint) => refused.hint(hint),
                None => refused,
            }
        })?;
        if let Some(port) = chosen_port(name, port, ProcessPlatform::listening_on(&state))? {
            environment.answer_on(port)?;
        }
        let source = match (needs, &place.checkout) {
            (Needs::Source, Some(checkout)) => Source::read(checkout.clone(), &environment.facts),
            (Needs::Source, None) => Err(Error::refused("the configuration is in no git checkout")
                .hint("a release names a commit: run crmctl inside a clone of the project")),
            (Needs::WhatIsThere, _) => Err(Error::refused("this verb makes no release")),
        };
        let ledger = lease::ledger_of(&environment, &state, tell.clone());
        let platform = match environment.facts.platform {
            PlatformKind::Process => {
                let options = release_environment::platform_options(&environment, &state)?;
                AnyPlatform::Process(ProcessPlatform::new(options))
            }
            PlatformKind::Swarm => AnyPlatform::Swarm(Box::new(swarm::platform(&environment, place)?)),
        };
        Ok(Self { environment, state, platform, ledger, root: place.root.clone(), source, tell })
    }

    /// What the checkout would release.
    ///
    /// # Errors
    /// It could not be read, or the verb did not ask for it.
    pub fn source(&self) -> Result<&Source, &Error> {
        self.source.as_ref()
    }

    /// The private PostgreSQL of an embedded environment. `CRMCTL_POSTGRES_BIN` names the directory of its server
    /// programs where they are in no usual place.
    pub fn postgres(&self) -> PrivatePostgres {
        let postgres = PrivatePostgres::new(self.state.clone());
        match std::env::var_os("CRMCTL_POSTGRES_BIN") {
            Some(directory) => postgres.with_binaries(directory),
            None => postgres,
        }
    }

    /// One machine, one person: checks of branch and upstream only warn.
    pub fn is_local(&self) -> bool {
        self.environment.database.embedded
    }

    /// Reads `config/suites/<name>.toml`.
    ///
    /// # Errors
    /// Unknown suite (usage), or everything wrong in its file.
    pub fn suite(&self, name: &str) -> Result<checks::Suite, Error> {
        let directory = self.environment.config.join("suites");
        let file = directory.join(format!("{name}.toml"));
        if !file.is_file() {
            let names = suite_names(&directory);
            let error = Error::usage(format!("unknown suite `{name}`: `{}` is missing", file.display()));
            return Err(match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint(format!("known suites: {}", names.join(", "))),
            });
        }
        read_suite(&file)
    }

    /// Reads `config/thresholds.toml`.
    ///
    /// # Errors
    /// Everything wrong in it.
    pub fn thresholds(&self) -> Result<checks::Thresholds, Error> {
        read_thresholds(&self.environment.config)
    }

    /// What suites may refer to.
    pub fn variables(&self, release: Option<&ReleaseId>) -> checks::Variables {
        let mut secrets: std::collections::BTreeMap<String, SecretString> =
            self.environment.secrets.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        // With mistakes in the secrets nobody knows which password was meant.
        if self.environment.database.embedded && self.environment.secret_mistakes.is_empty() {
            secrets.entry("SMOKE_PASSWORD".to_owned()).or_insert_with(|| EMBEDDED_SMOKE_PASSWORD.into());
        }
        checks::Variables {
            tenant_id: Some(i64::from(self.environment.smoke.tenant_id)),
            release: release.map(ToString::to_string),
            secrets,
        }
    }

    /// Account of the smoke suite's CEO.
    ///
    /// # Errors
    /// The suite names none, or its password is missing.
    pub fn smoke_account(&self) -> Result<Account, String> {
        let name = &self.environment.facts.smoke_suite;
        let suite = self.suite(name).map_err(|error| error.to_string())?;
        let session = suite.session(SMOKE_SESSION);
        let session = session.ok_or_else(|| format!("suite `{name}` has no `[session.{SMOKE_SESSION}]`"))?;
        let secrets = self.variables(None).secrets;
        let password = secrets.get(session.password_key);
        let password = password.ok_or_else(|| format!("`{}` is missing", session.password_key))?.clone();
        Ok(Account { email: session.email.to_owned(), password })
    }

    /// `release.json` of a release: from where it was built, or from the engine that keeps it.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub async fn release_file(&self, release: &ReleaseId) -> Result<Option<ReleaseFile>, Error> {
        if let Some(file) = release_directory::read(&self.state.releases(), release) {
            return Ok(Some(file));
        }
        let AnyPlatform::Swarm(platform) = &self.platform else { return Ok(None) };
        let record = platform.record(release).await;
        let record = record.map_err(|error| Error::refused(chain(&error)).hint(error.hint()))?;
        Ok(record.map(|record| record.file))
    }

    /// Releases with a decision, folded from the journal.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn known_releases(&self) -> Result<Vec<KnownRelease>, LedgerError> {
        Ok(history::known_releases(&self.ledger.records().await?))
    }
}

/// The port asked for; without one, the port that the environment listens on already.
fn chosen_port(name: &str, asked: Option<u16>, listening: Option<SocketAddr>) -> Result<Option<u16>, Error> {
    match (asked, listening.map(|address| address.port())) {
        (Some(asked), Some(now)) if asked != now => {
            Err(Error::refused(format!("`{name}` listens on port {now} already, not on {asked}"))
                .hint(format!("run `crmctl down {name}` first, then again with `--port {asked}`")))
        }
        (asked, now) => Ok(asked.or(now)),
    }
}

/// A variable of this process; it wins over the secrets file.
pub fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
