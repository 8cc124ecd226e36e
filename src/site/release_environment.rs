//! What a release of an environment finds in its environment: addresses, switches, secrets. Values are put
//! together when a release is started, since some are made by an earlier step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::environment::LoadedEnvironment;
use crate::environment::generated::GeneratedSecrets;
use crate::environment::given::given;
use crate::error::{Error, chain};
use crate::platform::process::postgres::PrivatePostgres;
use crate::platform::process::postgres::provision::APP;
use crate::platform::process::{EnvironmentVariable, ProcessOptions, SupervisorProgram};
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
    let (given, directory) = (environment.clone(), state.clone());
    Ok(ProcessOptions {
        directory: state.clone(),
        address,
        drain: Duration::from_secs(environment.facts.drain_seconds),
        ready_deadline: Duration::from_secs(environment.backend.ready_deadline_seconds),
        supervisor,
        environment: Arc::new(move || variables(&given, &directory)),
    })
}

/// All variables. What the operator gave wins over what the environment file says, and both over what crmctl makes.
fn variables(
    environment: &LoadedEnvironment,
    state: &StateDirectory,
) -> Result<Vec<EnvironmentVariable>, String> {
    environment.require_secrets().map_err(|error| error.message)?;
    let facts = &environment.facts;
    let mut all: BTreeMap<String, SecretString> = BTreeMap::new();
    let mut put = |name: &str, value: SecretString| all.insert(name.to_owned(), value);
    put("CRM_ENVIRONMENT", facts.name.as_str().into());
    put("BACKEND_URL", facts.public_url.as_str().into());
    put("FRONTEND_URL", facts.public_url.as_str().into());
    put("DRAIN_SECONDS", facts.drain_seconds.to_string().into());
    if environment.database.embedded {
        let secrets = GeneratedSecrets::load(&state.secrets_file())
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("`{}` is missing: migrate makes it", state.secrets_file().display()))?;
        let postgres = PrivatePostgres::new(state.clone());
        let dsn = postgres.dsn(APP, &secrets.app_password, &postgres.database_name());
        put("POSTGRES_DSN", dsn.map_err(|error| chain(&error))?);
        put("JWT_SECRET", secrets.jwt_secret);
    }
    for (name, value) in &environment.backend.env {
        put(name, value.as_str().into());
    }
    for (name, value) in given(&environment.secrets, &environment.database, &environment.notify) {
        put(name, value.clone());
    }
    Ok(all.into_iter().map(|(name, value)| EnvironmentVariable::new(name, value.expose_secret())).collect())
}
