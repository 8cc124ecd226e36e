//! A database for releases under load: private PostgreSQL, the real migrations, the real seed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crmctl::platform::process::postgres::PrivatePostgres;
use crmctl::platform::process::postgres::provision::{APP, MIGRATOR, Provisioning};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

use super::machine::Machine;

/// Makes it and gives the DSN of the application.
pub(crate) async fn seeded(machine: &Machine) -> String {
    let postgres = PrivatePostgres::new(machine.state());
    let secret = |text: &str| SecretString::from(text.to_owned());
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("backend/migrations");
    let wanted = Provisioning {
        database: postgres.database_name(),
        roles: migrations.join("provision/roles.sql"),
        superuser: secret("s"),
        migrator: secret("m"),
        app: secret("a"),
    };
    postgres.ensure_running(&wanted.superuser).await.unwrap();
    postgres.provision(&wanted).await.unwrap();
    let migrator = postgres.dsn(MIGRATOR, &wanted.migrator, &wanted.database).unwrap();
    let mut connection = PgConnection::connect(migrator.expose_secret()).await.unwrap();
    for file in up_files(&migrations) {
        let sql = std::fs::read_to_string(&file).unwrap();
        raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    seed(migrator.expose_secret());
    postgres.dsn(APP, &wanted.app, &wanted.database).unwrap().expose_secret().to_owned()
}

fn up_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().ends_with(".up.sql")).collect();
    files.sort();
    files
}

fn seed(migrator: &str) {
    let output = Command::new(crate::harness::machine::artifact("crm-server-faults"))
        .args(["seed", "--password-env", "SEED_PASSWORD"])
        .env_clear()
        .env("SEED_PASSWORD", "test123")
        .env("POSTGRES_MIGRATOR_DSN", migrator)
        .env("CRM_ENVIRONMENT", "local")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
