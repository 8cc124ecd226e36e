//! `EnsureDatabase`: the private PostgreSQL runs, with roles, database and extensions. Forward only.

use phases::engine::effects::{EffectContext, EffectOutcome, Evidence, Probe, Progress};
use phases::engine::failure::{Failure, FailureClass};

use crate::environment::generated::{GeneratedError, GeneratedSecrets};
use crate::error::chain;
use crate::platform::process::postgres::provision::Provisioning;
use crate::platform::process::postgres::{PostgresError, PostgresState, PrivatePostgres};
use crate::site::{Site, database};
use crate::source::MIGRATIONS;

/// Roles, extensions and rights that the schema stands on, below the migrations.
const ROLES: &str = "provision/roles.sql";

/// Does it answer as both roles?
pub(super) async fn probe(site: &Site) -> Probe {
    if !site.environment.database.embedded {
        return external(site).await;
    }
    let secrets = match GeneratedSecrets::load(&site.state.secrets_file()) {
        Ok(Some(secrets)) => secrets,
        Ok(None) => return Probe::NotDone,
        Err(error) => return Probe::Unknown(no_secrets(&error)),
    };
    let postgres = site.postgres();
    match postgres.is_provisioned(&provisioning(site, &postgres, &secrets)).await {
        Ok(true) => Probe::Done(Evidence { summary: "it runs".to_owned(), ..Evidence::default() }),
        Ok(false) => Probe::NotDone,
        Err(error) => Probe::Unknown(failure(&error)),
    }
}

/// A database that somebody else runs is only asked.
async fn external(site: &Site) -> Probe {
    let dsn = match database::migrator_dsn(site) {
        Ok(dsn) => dsn,
        Err(message) => return Probe::Unknown(Failure::new(FailureClass::Refused, message)),
    };
    match database::connect(&dsn).await {
        Ok(_) => Probe::Done(Evidence { summary: "it answers".to_owned(), ..Evidence::default() }),
        Err(error) => Probe::Unknown(Failure::new(
            FailureClass::Refused,
            format!("the database does not answer: {error}"),
        )),
    }
}

/// Makes what is missing.
pub(super) async fn apply(site: &Site, context: &EffectContext<'_>) -> EffectOutcome {
    if !site.environment.database.embedded {
        return match external(site).await {
            Probe::Done(evidence) => EffectOutcome::Done(evidence),
            Probe::Unknown(failure) => EffectOutcome::NotDone(failure),
            Probe::NotDone => {
                EffectOutcome::NotDone(Failure::new(FailureClass::Refused, "the database does not answer"))
            }
        };
    }
    let postgres = site.postgres();
    let secrets = match secrets(site, &postgres) {
        Ok(secrets) => secrets,
        Err(failure) => return EffectOutcome::NotDone(failure),
    };
    (context.progress)(Progress::Message("starting the private PostgreSQL".to_owned()));
    let readiness = match postgres.ensure_running(&secrets.superuser_password).await {
        Ok(readiness) => readiness,
        Err(error) => return EffectOutcome::NotDone(failure(&error)),
    };
    (context.progress)(Progress::Message("making roles and database".to_owned()));
    match postgres.provision(&provisioning(site, &postgres, &secrets)).await {
        Ok(()) => {
            if let Err(failure) = super::fence::make(site, context.token).await {
                return EffectOutcome::NotDone(failure);
            }
            let how = if readiness.created {
                "made and started"
            } else if readiness.started {
                "started"
            } else {
                "ran already"
            };
            let summary = format!("private PostgreSQL {how}, ready after {} ms", readiness.took.as_millis());
            EffectOutcome::Done(Evidence { summary, ..Evidence::default() })
        }
        // The server may still be at it.
        Err(error @ PostgresError::TimedOut { .. }) => EffectOutcome::Unknown(failure(&error)),
        Err(error) => EffectOutcome::NotDone(failure(&error)),
    }
}

/// The secrets of the server, made with it. Data without them can be opened by nobody.
fn secrets(site: &Site, postgres: &PrivatePostgres) -> Result<GeneratedSecrets, Failure> {
    let file = site.state.secrets_file();
    let found = GeneratedSecrets::load(&file).map_err(|error| no_secrets(&error))?;
    match (found, postgres.state().map_err(|error| failure(&error))?) {
        (Some(secrets), _) => Ok(secrets),
        (None, PostgresState::Absent) => {
            GeneratedSecrets::load_or_create(&file).map_err(|error| no_secrets(&error))
        }
        (None, _) => {
            let name = &site.environment.facts.name;
            let message = format!("`{}` is missing, and the database knows its passwords", file.display());
            let hint = format!("bring it back from a copy, or start anew: `crmctl down {name} --purge`");
            Err(Failure::new(FailureClass::Refused, message).hint(hint))
        }
    }
}

fn no_secrets(error: &GeneratedError) -> Failure {
    let failure = Failure::new(FailureClass::Refused, chain(error));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn provisioning(site: &Site, postgres: &PrivatePostgres, secrets: &GeneratedSecrets) -> Provisioning {
    let migrations = match site.source() {
        Ok(source) => source.checkout.root.join(MIGRATIONS),
        Err(_) => site.root.join(MIGRATIONS),
    };
    Provisioning {
        database: postgres.database_name(),
        roles: migrations.join(ROLES),
        superuser: secrets.superuser_password.clone(),
        migrator: secrets.migrator_password.clone(),
        app: secrets.app_password.clone(),
    }
}

fn failure(error: &PostgresError) -> Failure {
    let failure = Failure::new(FailureClass::Failed, chain(error)).detail(error.detail().to_vec());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
