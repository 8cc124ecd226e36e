//! An environment on the tests' engine, as an operator has one: a checkout with an upstream, secrets of its own, a database and a
//! Redis that containers reach. Its end takes everything away.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::engine::{docker, edge_image, engine, sweep};
use super::machine::{Machine, Said, artifact};

/// Of the Redis of an environment.
const REDIS_PASSWORD: &str = "r3d1s-0f-a-story";

/// An environment with `platform = "swarm"`.
pub(crate) struct Staging {
    pub(crate) machine: Machine,
    pub(crate) name: String,
    /// Where users come in.
    pub(crate) port: u16,
    redis: Child,
}

impl Staging {
    /// Provides everything up to what `crmctl provision` makes.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with lines of its environment file replaced.
    pub(crate) async fn with(replacements: &[(&str, &str)]) -> Self {
        // Fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let machine = Machine::new();
        let (port, redis_port) = (free_port(), free_port());
        let name = format!("s{}-{port}", std::process::id());
        let redis = Command::new("redis-server")
            .args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1", &gateway()])
            .args(["--requirepass", REDIS_PASSWORD, "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let staging = Self { machine, name, port, redis };
        let edge = edge_image(&engine()).await;
        staging.write_environment(&edge, replacements);
        staging.write_secrets(redis_port);
        let checkout = staging.machine.checkout();
        let origin = checkout.with_file_name("origin.git");
        staging.machine.git(&["init", "--quiet", "--bare", &origin.to_string_lossy()]);
        staging.machine.git(&["remote", "add", "origin", &origin.to_string_lossy()]);
        staging.commit("staging");
        staging
    }

    fn write_environment(&self, edge: &str, replacements: &[(&str, &str)]) {
        let mut text = format!(
            r#"schema = 1
platform = "swarm"
secrets_file = ".env.{name}"
drain_seconds = 2
branch = "main"
[backend]
url = "http://127.0.0.1:{port}"
env = {{ REQUEST_TIMEOUT_SECONDS = "5" }}
[engine]
address = "{engine}"
[edge]
image = "{edge}"
certificates = "none"
http_port = {port}
[limits]
replicas = 1
[build]
artifact = "{server}"
[database]
dsn_key = "POSTGRES_DSN"
migrator_dsn_key = "POSTGRES_MIGRATOR_DSN"
required_migrations = [16, 18]
[perf]
rate = 20
duration_seconds = 3
require = ["api_p95_ms"]
[owners]
dev = "@devlead"
"#,
            name = self.name,
            port = self.port,
            engine = engine().address(),
            server = artifact("crm-server").display(),
        );
        for (from, to) in replacements {
            assert!(text.contains(from), "`{from}` is not in the environment file");
            text = text.replace(from, to);
        }
        let file = format!("config/environments/{}.toml", self.name);
        std::fs::write(self.machine.checkout().join(file), text).unwrap();
    }

    fn write_secrets(&self, redis_port: u16) {
        let (server, gateway) = (database_port(), gateway());
        let dsn =
            |role: &str| format!("postgresql://{role}:0f1e2d3c4b5a@{gateway}:{server}/{}", self.database());
        let text = format!(
            "POSTGRES_DSN={app}\nPOSTGRES_MIGRATOR_DSN={migrator}\nPOSTGRES_ADMIN_DSN=postgresql://postgres:0f1e2d@{gateway}:{server}/postgres\n\
             REDIS_HOST={gateway}\nREDIS_PORT={redis_port}\nREDIS_PASSWORD={REDIS_PASSWORD}\n\
             JWT_SECRET=0f1e2d3c4b5a69788796a5b4c3d2e1f0\nMACHINE_TOKEN=0123456789abcdef0123456789abcdef\n\
             FRONTEND_URL=http://127.0.0.1:{port}\nBACKEND_URL=http://127.0.0.1:{port}\n\
             SMOKE_PASSWORD=0f1e2d3c4b\nCANDIDATE_KEY=0123456789abcdef01234567\n",
            app = dsn("crm_app"),
            migrator = dsn("crm_migrator"),
            port = self.port,
        );
        let file = self.machine.checkout().join(format!(".env.{}", self.name));
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Adds a line to the secrets file, or takes away the one of that key.
    pub(crate) fn give(&self, key: &str, value: Option<&str>) {
        let file = self.machine.checkout().join(format!(".env.{}", self.name));
        let text = std::fs::read_to_string(&file).unwrap();
        let kept = text.lines().filter(|line| !line.starts_with(&format!("{key}=")));
        let mut lines: Vec<String> = kept.map(str::to_owned).collect();
        lines.extend(value.map(|value| format!("{key}={value}")));
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }

    /// Kills its Redis.
    pub(crate) fn end_redis(&mut self) {
        let _ = self.redis.kill();
        let _ = self.redis.wait();
    }

    /// The engine's own command line.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Said {
        docker(arguments)
    }

    /// Name of the service that serves.
    pub(crate) fn service(&self) -> String {
        format!("crm-{}-backend", self.name)
    }

    pub(crate) fn database(&self) -> String {
        format!("crm_{}", self.name.replace('-', "_"))
    }

    /// A commit that the upstream has too.
    pub(crate) fn commit(&self, message: &str) {
        self.machine.commit(message);
        self.machine.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
    }

    /// `crmctl <verb> <environment> …`, to its end.
    pub(crate) fn crmctl(&self, verb: &str, arguments: &[&str]) -> Said {
        let mut all = vec![verb, self.name.as_str()];
        all.extend(arguments);
        self.machine.crmctl(&all)
    }

    /// The release that answers users, over a new connection.
    pub(crate) async fn answering(&self) -> Option<String> {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap();
        let answer = client.get(format!("http://127.0.0.1:{}/health/live", self.port)).send().await.ok()?;
        Some(answer.headers().get("x-crm-release")?.to_str().ok()?.to_owned())
    }

    /// Removes a database that the environment has besides its own, and the role of that name.
    pub(crate) fn drop_database(&self, name: &str) {
        let url = std::env::var("TEST_DATABASE_URL").unwrap();
        for statement in [format!("DROP DATABASE {name} WITH (FORCE)"), format!("DROP ROLE {name}")] {
            let status =
                Command::new("psql").args(["--no-psqlrc", "--quiet", &url, "-c", &statement]).status();
            assert!(status.unwrap().success(), "{statement}");
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let swept = sweep(&self.name);
        let url = std::env::var("TEST_DATABASE_URL").unwrap();
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database());
        let dropped = Command::new("psql").args(["--no-psqlrc", "--quiet", &url, "-c", &drop]).status();
        let _ = self.redis.kill();
        let _ = self.redis.wait();
        if !std::thread::panicking() {
            assert!(swept && dropped.unwrap().success());
        }
    }
}

/// Where containers of the tests' engine find this machine.
pub(crate) fn gateway() -> String {
    std::env::var("TEST_GATEWAY").expect("run make test, or scripts/with-services")
}

/// Where PostgreSQL listens.
pub(crate) fn database_port() -> u16 {
    let url = std::env::var("TEST_DATABASE_URL").expect("run make test, or scripts/with-services");
    url::Url::parse(&url).unwrap().port().unwrap()
}

/// A port that nobody has.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}
