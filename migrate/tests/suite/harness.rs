//! A database and a folder of migrations per test. It owns their making and their end, and no promise.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use migrate::{
    Applied, ApplyOptions, Author, Database, Error, Event, MigrationSet, Observer, Patience, Reverted,
    RollbackOptions, Scope, Status,
};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// A database owned by `crm_migrator`, dropped at the end, and a folder of migrations for it.
pub(crate) struct World {
    name: String,
    admin: PgConnectOptions,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL is not set; hint: run `make test` or `scripts/with-services cargo test`",
        );
        let admin: PgConnectOptions = url.parse().expect("TEST_DATABASE_URL is a PostgreSQL URL");
        let name = format!(
            "migrate_{}_{}_{:x}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            rand::random::<u32>()
        );
        let mut conn = admin.connect().await.unwrap();
        // Tests of several processes make the role at once.
        sqlx::raw_sql(
            "DO $$ BEGIN
               IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crm_migrator') THEN
                 CREATE ROLE crm_migrator LOGIN BYPASSRLS;
               END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
        )
        .execute(&mut conn)
        .await
        .unwrap();
        run(&mut conn, &format!("CREATE DATABASE {name} OWNER crm_migrator")).await;
        conn.close().await.unwrap();
        Self { name, admin, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes the three files of a migration.
    pub(crate) fn migration(&self, stem: &str, up: &str, down: &str, verify: &str) -> &Self {
        self.file(&format!("{stem}.up.sql"), up).file(&format!("{stem}.down.sql"), down);
        self.file(&format!("verify/{stem}.sql"), verify)
    }

    /// `migration` that makes the table `name` with a few rows.
    pub(crate) fn table(&self, stem: &str, name: &str) -> &Self {
        self.migration(
            stem,
            &format!("CREATE TABLE {name} (id int PRIMARY KEY, note text);\nINSERT INTO {name} VALUES (1, 'a'), (2, NULL), (3, 'c');"),
            &format!("DROP TABLE {name};"),
            &format!("SELECT count(*) = 3 FROM {name};"),
        )
    }

    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn set(&self) -> MigrationSet {
        MigrationSet::load(self.dir()).unwrap()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.admin.clone().database(&self.name).username("crm_migrator")
    }

    /// A session of the migrator role beside the runner, bearing `application`.
    pub(crate) async fn session(&self, application: &str) -> PgConnection {
        self.options().application_name(application).connect().await.unwrap()
    }

    pub(crate) fn database(&self) -> Database {
        self.database_of("test-run")
    }

    pub(crate) fn database_of(&self, run: &str) -> Database {
        let url = self.options().to_url_lossy();
        Database::new(&SecretString::from(url.to_string()), run).unwrap()
    }

    pub(crate) async fn apply(&self) -> Result<Applied, Error> {
        migrate::apply(&self.database(), &self.set(), &apply_options(), &migrate::Silent).await
    }

    pub(crate) async fn status(&self) -> Status {
        migrate::status(&self.database(), &self.set()).await.unwrap()
    }

    pub(crate) async fn rollback(&self, version: i64, options: &RollbackOptions) -> Result<Reverted, Error> {
        migrate::rollback(&self.database(), &self.set(), version, options, &migrate::Silent).await
    }

    /// One value from the database, as text.
    pub(crate) async fn value(&self, sql: &str) -> Option<String> {
        let mut conn = self.session("look").await;
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        row.try_get::<Option<String>, _>(0).unwrap()
    }

    /// Runs statements beside the runner.
    pub(crate) async fn sql(&self, sql: &str) {
        let mut conn = self.session("hand").await;
        run(&mut conn, sql).await;
        conn.close().await.unwrap();
    }

    /// Runs statements as the owner of the server.
    pub(crate) async fn as_superuser(&self, sql: &str) {
        let mut conn = self.admin.clone().database(&self.name).connect().await.unwrap();
        run(&mut conn, sql).await;
        conn.close().await.unwrap();
    }

    /// Everything in the database that a refused run must leave alone, as one text.
    pub(crate) async fn fingerprint(&self) -> String {
        let catalog = self
            .value(
                "SELECT coalesce(string_agg(concat_ws(' ', c.oid, c.relname, c.relfilenode, c.relkind), ',' ORDER BY c.oid), '')
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')",
            )
            .await
            .unwrap();
        let mut all = catalog;
        for table in ["public._sqlx_migrations", "crmctl.fence", "crmctl.migration", "crmctl.migration_event"]
        {
            if self.value(&format!("SELECT to_regclass('{table}')::text")).await.is_some() {
                let rows =
                    format!("SELECT coalesce(string_agg(t::text, ',' ORDER BY t::text), '') FROM {table} t");
                all.push_str(&self.value(&rows).await.unwrap());
            }
        }
        all
    }

    /// Nobody holds the migration lock.
    pub(crate) async fn lock_is_free(&self) -> bool {
        let held = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.value(held).await.as_deref() == Some("0")
    }

    /// Waits until `sql`, a single boolean, is true.
    pub(crate) async fn until(&self, what: &str, sql: &str) {
        let mut conn = self.session("until").await;
        let started = Instant::now();
        loop {
            let yes: bool =
                sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await.unwrap();
            if yes {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        conn.close().await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut conn = admin.connect().await.unwrap();
                run(&mut conn, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            });
        });
        let dropped = dropped.join();
        assert!(std::thread::panicking() || dropped.is_ok(), "the test's database could not be dropped");
    }
}

pub(crate) async fn run(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.unwrap();
}

pub(crate) fn author() -> Author {
    Author { run: "20261124T120000Z-test".into(), actor: "ana".into(), host: "pc1".into() }
}

/// Patient enough for a busy machine, and no more.
pub(crate) fn patience() -> Patience {
    Patience {
        migration_lock: Duration::from_secs(30),
        attempts: Duration::from_secs(60),
        ..Patience::default()
    }
}

pub(crate) fn apply_options() -> ApplyOptions {
    ApplyOptions { author: author(), token: None, scope: Scope::All, patience: patience() }
}

pub(crate) fn rollback_options() -> RollbackOptions {
    RollbackOptions {
        author: author(),
        token: None,
        serving_needs: Vec::new(),
        while_serving: false,
        accept_loss: None,
        patience: patience(),
    }
}

pub(crate) fn accepting(rows: u64) -> RollbackOptions {
    RollbackOptions { accept_loss: Some(rows), ..rollback_options() }
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Diary(Mutex<Vec<Event>>);

impl Observer for Diary {
    fn observe(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Diary {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until an event for which `wanted` holds was told.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Event) -> bool) {
        let started = Instant::now();
        while !self.events().iter().any(&wanted) {
            assert!(started.elapsed() < Duration::from_secs(20), "never told: {what}: {:?}", self.events());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
