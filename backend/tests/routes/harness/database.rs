//! A database per test, copied from a template that is migrated once per state of the migrations.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use url::Url;
use uuid::Uuid;

/// Lock under which the template is made; a number nobody else uses.
const TEMPLATE_LOCK: i64 = 0x0063_726d_7465_7374;

/// A database of one test.
pub(crate) struct TestDatabase {
    server: Url,
    name: String,
    /// As the role that owns everything.
    pub(crate) migrator: PgPool,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let server = server();
        let template = template(&server).await;
        let name = format!("crm_routes_{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let options: PgConnectOptions = dsn(&server, "crm_migrator", &name).parse().unwrap();
        let migrator = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { server, name, migrator }
    }

    /// Ends every connection the server has to this database.
    pub(crate) async fn cut_connections(&self) {
        let mut admin = PgConnection::connect(self.server.as_str()).await.unwrap();
        let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                   WHERE application_name = 'crm-server' AND datname = $1";
        sqlx::query(cut).bind(&self.name).execute(&mut admin).await.unwrap();
    }

    /// The connection text of the server's own role.
    pub(crate) fn app_dsn(&self) -> String {
        dsn(&self.server, "crm_app", &self.name)
    }
}

impl Drop for TestDatabase {
    /// In a thread of its own, since a drop cannot wait.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
                run(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("the test's database is dropped");
        }
    }
}

fn server() -> Url {
    let text = std::env::var("TEST_DATABASE_URL");
    let text = text.expect("TEST_DATABASE_URL is missing: run make test or scripts/with-services");
    Url::parse(&text).unwrap()
}

fn dsn(server: &Url, role: &str, name: &str) -> String {
    let mut url = server.clone();
    url.set_username(role).unwrap();
    url.set_path(name);
    url.to_string()
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// The name of the migrated template, made by whoever comes first.
async fn template(server: &Url) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let name = format!("crm_template_{}", fingerprint(&directory));
    let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await.unwrap();
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !there {
        // Under another name until it is whole.
        let draft = format!("{name}_draft");
        run(&mut admin, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        run(&mut admin, format!("CREATE DATABASE {draft}")).await;
        migrate(server, &draft, &directory).await;
        run(&mut admin, format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    // The lock goes with the connection.
    admin.close().await.unwrap();
    name
}

async fn migrate(server: &Url, name: &str, directory: &Path) {
    let mut superuser = PgConnection::connect(&dsn(server, server.username(), name)).await.unwrap();
    let roles = std::fs::read_to_string(directory.join("provision/roles.sql")).unwrap();
    run(&mut superuser, roles).await;
    superuser.close().await.unwrap();
    let mut migrator = PgConnection::connect(&dsn(server, "crm_migrator", name)).await.unwrap();
    Migrator::new(directory).await.unwrap().run(&mut migrator).await.unwrap();
    migrator.close().await.unwrap();
}

/// Changes with any migration.
fn fingerprint(directory: &Path) -> String {
    let mut files: Vec<PathBuf> = ["", "provision"]
        .iter()
        .flat_map(|below| std::fs::read_dir(directory.join(below)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(std::fs::read(file).unwrap());
    }
    hex::encode(&digest.finalize()[..8])
}
