//! What releases of an environment find in their environment: what the operator gave (switches, secrets), and
//! what crmctl knows itself (addresses, its own secrets). Keeps nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::environment::LoadedEnvironment;
use crate::environment::generated::GeneratedSecrets;
use crate::environment::given::given;
use crate::error::{Error, chain};
use crate::platform::process::postgres::PrivatePostgres;
use crate::platform::process::postgres::provision::APP;
use crate::platform::process::{EnvironmentVariable, ProcessOptions, ReleaseEnvironment, SupervisorProgram};
use crate::state_directory::StateDirectory;

/// Options of the process platform for an environment.
///
/// # Errors
/// The address is none of this machine, or this program cannot tell its own path.
pub fn platform_options(
    environment: &LoadedEnvironment,
    state: &StateDirectory,
) -> Result<ProcessOptions, Error> {
    let address = environment.listen_address().map_err(|reason| {
        Error::refused(format!("`[backend] url`: {reason}"))
            .hint("give an address of this machine, as `http://127.0.0.1:8000`")
    })?;
    let supervisor = SupervisorProgram::own()
        .map_err(|error| Error::refused(format!("this program cannot tell its own path: {error}")))?;
    let (configuration, place, directory) = (environment.clone(), environment.clone(), state.clone());
    Ok(ProcessOptions {
        directory: state.clone(),
        address,
        ready_deadline: Duration::from_secs(environment.backend.ready_deadline_seconds),
        supervisor,
        environment: ReleaseEnvironment {
            given: Arc::new(move || configured(&configuration)),
            own: Arc::new(move || own(&place, &directory)),
        },
    })
}

/// What the operator gave, which the configuration fingerprint covers. Secrets win over the environment file.
///
/// # Errors
/// What is wrong with the secrets.
pub(super) fn configured(environment: &LoadedEnvironment) -> Result<Vec<EnvironmentVariable>, String> {
    environment.require_secrets().map_err(|error| error.message)?;
    let facts = &environment.facts;
    let mut all: BTreeMap<String, SecretString> = BTreeMap::new();
    let mut put = |name: &str, value: SecretString| all.insert(name.to_owned(), value);
    put("CRM_ENVIRONMENT", facts.name.as_str().into());
    put("DRAIN_SECONDS", facts.drain_seconds.to_string().into());
    for (name, value) in &environment.backend.env {
        put(name, value.as_str().into());
    }
    for (name, value) in
        given(&environment.secrets, &environment.database, &environment.ledger, &environment.notify)
    {
        put(name, value.clone());
    }
    Ok(variables(all))
}

/// What crmctl knows: where the environment answers now, and its private database.
fn own(environment: &LoadedEnvironment, state: &StateDirectory) -> Result<Vec<EnvironmentVariable>, String> {
    let mut all: BTreeMap<String, SecretString> = BTreeMap::new();
    let mut put = |name: &str, value: SecretString| all.insert(name.to_owned(), value);
    put("BACKEND_URL", environment.facts.public_url.as_str().into());
    put("FRONTEND_URL", environment.facts.public_url.as_str().into());
    if environment.database.embedded {
        let secrets = GeneratedSecrets::load(&state.secrets_file())
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("`{}` is missing: migrate makes it", state.secrets_file().display()))?;
        let postgres = PrivatePostgres::new(state.clone());
        let dsn = postgres.dsn(APP, &secrets.app_password, &postgres.database_name());
        put("POSTGRES_DSN", dsn.map_err(|error| chain(&error))?);
        put("JWT_SECRET", secrets.jwt_secret);
    }
    Ok(variables(all))
}

fn variables(all: BTreeMap<String, SecretString>) -> Vec<EnvironmentVariable> {
    all.into_iter().map(|(name, value)| EnvironmentVariable::new(name, value)).collect()
}
