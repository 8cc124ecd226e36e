//! `crm-server seed`: demonstration data, written as the migrator role.

use secrecy::SecretString;
use sqlx::postgres::PgPoolOptions;

use super::{Failure, block_on, print};
use crate::seed::{SeedOptions, seed};

/// Name of the variable with the migrator's connection.
const DSN: &str = "POSTGRES_MIGRATOR_DSN";
/// The one environment where a well-known password is allowed.
const LOCAL: &str = "local";

/// What was typed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Name of the environment variable that holds the password of the accounts
    #[arg(long, value_name = "NAME")]
    password_env: String,
    /// Leads of the first tenant; the second gets a third
    #[arg(long, value_name = "COUNT", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    leads: u32,
    /// Messages of the first tenant, about; the second gets a third
    #[arg(long, value_name = "COUNT", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: u32,
    /// Vendedores of the first tenant
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    sellers: u32,
}

/// Seeds, and prints what was made as one JSON object.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let dsn = variable(DSN)?;
    let mut options = SeedOptions::new(SecretString::from(variable(&arguments.password_env)?));
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    options.leads = count(arguments.leads);
    options.messages = count(arguments.messages);
    options.sellers = count(arguments.sellers);
    options.allow_weak_password = std::env::var("CRM_ENVIRONMENT").is_ok_and(|name| name == LOCAL);
    let report = block_on(async {
        // Its text could show the password, so it is not repeated.
        let pool = PgPoolOptions::new().max_connections(1).connect(&dsn).await;
        let pool = pool.map_err(|error| Failure {
            message: format!("`{DSN}` cannot be connected to: {}", plain(&error)),
            hint: Some("start the database, and check user, password and port".to_owned()),
        })?;
        seed(&pool, options).await.map_err(|error| Failure::of(&error, error.hint()))
    })??;
    print(&serde_json::to_string(&report).map_err(|error| Failure::of(&error, None))?)
}

fn variable(name: &str) -> Result<String, Failure> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or_else(|| Failure {
        message: format!("`{name}` is missing"),
        hint: Some(format!("set `{name}` in the environment")),
    })
}

/// The cause without the connection text.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(_) => "it is no valid connection text".to_owned(),
        other => other.to_string(),
    }
}
