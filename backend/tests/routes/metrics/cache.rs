//! Figures that are kept for a moment: the same numbers, on one replica and on two, whatever becomes of Redis.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::http::{Method, StatusCode};
use crm_backend::Stage;
use serde_json::{Value, json};

use super::routes::{ok, refresh};
use crate::harness::{MACHINE, Person, TestApp, call, eventually, post, state};

const ON: (&str, &str) = ("ENABLE_METRICS_CACHE", "true");
const OVERVIEW: &str = "/admin/core/sellers/dashboard/overview";

/// A Redis of one test, that may be killed.
struct PrivateRedis {
    port: String,
    server: Child,
}

impl PrivateRedis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        Self { server: serve(&port), port }
    }

    fn say(&self, command: &str) -> bool {
        let mut said = Command::new("redis-cli");
        said.args(["-p", &self.port, command]).stdout(Stdio::null()).stderr(Stdio::null());
        said.status().unwrap().success()
    }

    fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    async fn again(&mut self) {
        self.server = serve(&self.port);
        eventually("redis answers", async || self.say("PING")).await;
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(port: &str) -> Child {
    let arguments = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    Command::new("redis-server").args(arguments).stdout(Stdio::null()).spawn().unwrap()
}

/// Whoever is not known yet writes.
async fn write(app: &TestApp, number: u32) -> Value {
    app.write_from(&format!("+54911555{number:05}"), &format!("m{number}"), "Hola").await
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_without_one_nothing_is_computed() {
    let app = TestApp::with(&[ON, ("MACHINE_TOKEN", MACHINE), ("METRICS_BIND", "127.0.0.1:0")]).await;
    let (ceo, other) = (app.token(Person::Ceo).await, app.token(Person::OtherCeo).await);
    let setter = app.token(Person::Setter).await;
    refresh(&app, &ceo).await;
    for number in 0..4 {
        let shown = ok(&app, &ceo, OVERVIEW).await;
        assert_eq!(shown["unanswered"], number);
        assert_eq!(shown["unassigned_conversations"], number);
        assert_eq!(ok(&app, &other, OVERVIEW).await["unanswered"], 0);
        assert_eq!(ok(&app, &setter, OVERVIEW).await["unanswered"], 0, "another scope");
        write(&app, number).await;
    }
    let first = ok(&app, &ceo, OVERVIEW).await;
    // Behind the server's back: what is kept does not know.
    app.sql("DELETE FROM seller_metrics_daily").await;
    let mut again = ok(&app, &ceo, OVERVIEW).await;
    assert_eq!(again["computed_at"], first["computed_at"], "it says when it was true");
    again["period"] = first["period"].clone();
    assert_eq!(again, first);
    // What is made anew is seen.
    assert!(refresh(&app, &ceo).await["differences"].as_i64().unwrap() > 0);
    let mended = ok(&app, &ceo, OVERVIEW).await;
    assert_ne!(mended["computed_at"], first["computed_at"]);
    assert_eq!(mended["unanswered"], 4);
}

#[tokio::test]
async fn switched_off_it_keeps_nothing() {
    let app = TestApp::with(&[("ENABLE_METRICS_CACHE", "false")]).await;
    let ceo = app.token(Person::Ceo).await;
    refresh(&app, &ceo).await;
    let first = ok(&app, &ceo, OVERVIEW).await;
    assert_ne!(ok(&app, &ceo, OVERVIEW).await["computed_at"], first["computed_at"]);
}

/// One more replica on the same database.
fn replica(app: &TestApp, more: &[(&str, &str)]) -> Router {
    let state = state(&app.database.app_dsn(), more);
    state.lifecycle().advance(Stage::Serving);
    crm_backend::app(state)
}

async fn waiting(router: &Router, token: &str) -> i64 {
    let request = axum::http::Request::get(OVERVIEW).header("authorization", format!("Bearer {token}"));
    let answer = call(router, request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["unanswered"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_the_same_whatever_becomes_of_redis() {
    let mut redis = PrivateRedis::start();
    eventually("redis answers", async || redis.say("PING")).await;
    let port = redis.port.clone();
    let settings =
        [ON, ("MACHINE_TOKEN", MACHINE), ("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port.as_str())];
    let app = TestApp::with(&settings).await;
    let other = replica(&app, &settings);
    let ceo = app.token(Person::Ceo).await;
    refresh(&app, &ceo).await;
    let mut written = 0;
    for round in 0..3 {
        // Both have it kept; then the first one changes it.
        assert_eq!(waiting(&other, &ceo).await, written, "round {round}");
        write(&app, u32::try_from(written).unwrap()).await;
        written += 1;
        assert_eq!(waiting(&other, &ceo).await, written, "round {round}");
        assert_eq!(ok(&app, &ceo, OVERVIEW).await["unanswered"], written);
    }
    assert!(redis.say("FLUSHALL"));
    assert_eq!(waiting(&other, &ceo).await, written, "flushed");
    write(&app, u32::try_from(written).unwrap()).await;
    written += 1;
    assert_eq!(waiting(&other, &ceo).await, written, "flushed, then changed");

    redis.kill();
    for _ in 0..3 {
        write(&app, u32::try_from(written).unwrap()).await;
        written += 1;
        assert_eq!(waiting(&other, &ceo).await, written, "without redis everybody computes");
        assert_eq!(ok(&app, &ceo, OVERVIEW).await["unanswered"], written);
    }
    redis.again().await;
    // As soon as they ask it again, whatever they ask it for.
    eventually("both tell what is true, three times in a row", async || {
        let mut right = true;
        for _ in 0..3 {
            right &= waiting(&other, &ceo).await == written;
        }
        right
    })
    .await;
    let close = json!({});
    let conversation = sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM conversations LIMIT 1")
        .fetch_one(&app.database.migrator)
        .await
        .unwrap();
    let path = format!("/crm/conversations/{conversation}/close");
    let closed = app.json_as(&ceo, Method::POST, &path, &close).await;
    assert!(closed.status.is_success(), "{closed:?}");
    assert_eq!(waiting(&other, &ceo).await, written - 1, "back again");
    let login = json!({ "email": Person::Ceo.email(), "password": "x" });
    assert_eq!(call(&other, post("/auth/login", &login)).await.status, StatusCode::UNAUTHORIZED);
}
