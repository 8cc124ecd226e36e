//! A database of its own for each test, on the server of `TEST_DATABASE_URL`, gone at its end; and the
//! migration files, run as the deployment runs them: as crm_migrator, each in one transaction.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use futures_util::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};

/// Versions in the order they are applied.
pub(crate) const VERSIONS: [u32; 16] = [1, 8, 9, 10, 11, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26];

/// One empty database with the three roles.
pub(crate) struct TestDatabase {
    name: String,
    server: PgConnectOptions,
}

/// Runs `test` in a database of its own, with nothing in it but the roles.
pub(crate) async fn with_empty_database(test: impl AsyncFnOnce(&TestDatabase)) {
    let dsn = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is not set: run make test or scripts/with-services");
    let server = PgConnectOptions::from_str(&dsn).unwrap();
    let name = format!("schema_{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect_with(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    let database = TestDatabase { name, server };
    let outcome = AssertUnwindSafe(async {
        let mut superuser =
            PgConnection::connect_with(&database.server.clone().database(&database.name)).await.unwrap();
        run(&mut superuser, &read("provision/roles.sql")).await.unwrap();
        superuser.close().await.unwrap();
        test(&database).await;
    })
    .catch_unwind()
    .await;
    let drop = format!("DROP DATABASE {} WITH (FORCE)", database.name);
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Runs `test` in a database of its own with every migration applied.
pub(crate) async fn with_database(test: impl AsyncFnOnce(&TestDatabase)) {
    with_empty_database(async |database| {
        let mut migrator = database.connect("crm_migrator").await;
        for version in VERSIONS {
            apply(&mut migrator, version).await;
        }
        migrator.close().await.unwrap();
        test(database).await;
    })
    .await;
}

impl TestDatabase {
    pub(crate) async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect_with(&self.options(role)).await.unwrap()
    }

    pub(crate) async fn pool(&self, role: &str) -> PgPool {
        PgPoolOptions::new().max_connections(3).connect_with(self.options(role)).await.unwrap()
    }

    /// Address of the database for a role.
    pub(crate) fn dsn(&self, role: &str) -> String {
        let dsn = std::env::var("TEST_DATABASE_URL").unwrap();
        let mut url = url::Url::parse(&dsn).unwrap();
        url.set_username(role).unwrap();
        url.set_path(&self.name);
        url.to_string()
    }

    fn options(&self, role: &str) -> PgConnectOptions {
        self.server.clone().database(&self.name).username(role)
    }
}

/// Applies one migration.
pub(crate) async fn apply(db: &mut PgConnection, version: u32) {
    in_transaction(db, &file(version, "up")).await.unwrap_or_else(|error| panic!("{version} up: {error}"));
}

/// Reverts one migration.
pub(crate) async fn revert(db: &mut PgConnection, version: u32) {
    in_transaction(db, &file(version, "down"))
        .await
        .unwrap_or_else(|error| panic!("{version} down: {error}"));
}

/// Runs the verify file of a migration inside the open transaction or outside of any; its complaint on failure.
pub(crate) async fn verify(db: &mut PgConnection, version: u32) -> Result<(), String> {
    let mut transaction = db.begin().await.unwrap();
    let result = run(&mut transaction, &file(version, "verify")).await;
    transaction.rollback().await.unwrap();
    result.map_err(|error| error.to_string())
}

/// Text of a migration's `up`, `down` or `verify` file.
pub(crate) fn file(version: u32, kind: &str) -> String {
    let prefix = format!("{version:03}_");
    let (folder, suffix) =
        if kind == "verify" { ("verify", ".sql".to_owned()) } else { ("", format!(".{kind}.sql")) };
    let names = std::fs::read_dir(migrations().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(&prefix) && name.ends_with(&suffix));
    let name = found.next().unwrap_or_else(|| panic!("there is no {kind} file of {version:03}"));
    read(Path::new(folder).join(name))
}

/// Text of a file under `migrations/`.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(migrations().join(path)).unwrap()
}

/// Runs statements as they are.
pub(crate) async fn run(db: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.map(drop)
}

pub(crate) fn migrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")
}

async fn in_transaction(db: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    let mut transaction = db.begin().await?;
    run(&mut transaction, sql).await?;
    transaction.commit().await
}
