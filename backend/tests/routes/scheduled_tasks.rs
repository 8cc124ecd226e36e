//! `/scheduled-tasks/…`

use std::time::Duration;

use axum::http::StatusCode;
use crm_backend::jobs::engine::Engine;
use crm_backend::{Database, jobs};

use crate::harness::{Person, TestApp, eventually};

/// Lets the real jobs of `app` run, as the server does.
fn run_jobs(app: &TestApp) -> tokio::task::JoinHandle<()> {
    let database = Database::lazy(app.state.settings());
    let engine = Engine::new(database, jobs::all(), "test");
    tokio::spawn(engine.work(app.state.lifecycle().clone(), Duration::from_secs(1)))
}

#[tokio::test]
async fn a_fresh_server_is_healthy_before_its_first_run() {
    let app = TestApp::start().await;
    let answer = app.get("/scheduled-tasks/health").await;
    let json = answer.json();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((json["status"].as_str(), json["scheduler_running"].as_bool()), (Some("healthy"), Some(true)));
    assert_eq!(json["total_tasks"], 5);
    assert_eq!(json["tasks"][0]["id"], "cleanup");
    assert!(json["tasks"][0]["last_success"].is_null());
    assert!(json["timestamp"].is_string());
}

#[tokio::test]
async fn soon_after_the_start_a_real_run_has_succeeded() {
    let app = TestApp::start().await;
    app.login(Person::Ceo).await;
    app.sql(
        "UPDATE sessions SET created_at = now() - interval '40 days', expires_at = now() - interval '1 day'",
    )
    .await;
    let jobs = run_jobs(&app);
    eventually("the first run of each", async || {
        let json = app.get("/scheduled-tasks/health").await.json();
        json["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|task| task["last_success"].is_string() && task["next_run"].is_string())
    })
    .await;
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&app.database.migrator).await.unwrap();
    assert_eq!(left, 0, "the ended session is cleaned away");
    jobs.abort();
}

#[tokio::test]
async fn one_tenants_trouble_keeps_nobody_else_from_being_told() {
    let app = TestApp::start().await;
    app.sql(
        "WITH made AS (INSERT INTO leads (tenant_id, first_name) SELECT id, 'Ana' FROM tenants WHERE id IN (1, 2)
                       RETURNING tenant_id, id)
         INSERT INTO conversations (tenant_id, lead_id, channel, waiting_since)
         SELECT tenant_id, id, 'whatsapp', now() - interval '90 days' FROM made;
         CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.tenant_id = 1 THEN RAISE EXCEPTION 'spoilt'; END IF;
           RETURN NEW; END $$;
         CREATE TRIGGER spoilt BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION spoilt()",
    )
    .await;
    let jobs = run_jobs(&app);
    eventually("the second tenant is told", async || {
        app.count("SELECT count(*) FROM notifications WHERE tenant_id = 2").await > 0
    })
    .await;
    assert_eq!(app.count("SELECT count(*) FROM notifications WHERE tenant_id = 1").await, 0);
    jobs.abort();
}

#[tokio::test]
async fn stop_and_start_are_idempotent_and_kept() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    for (command, running, status) in [
        ("stop", false, "idle"),
        ("stop", false, "idle"),
        ("start", true, "healthy"),
        ("start", true, "healthy"),
    ] {
        let answer = app.post_as(&ceo, &format!("/scheduled-tasks/{command}")).await;
        assert_eq!(
            (answer.status, answer.json()["scheduler_running"].as_bool()),
            (StatusCode::OK, Some(running))
        );
        let health = app.get("/scheduled-tasks/health").await;
        assert_eq!((health.status, health.json()["status"].as_str()), (StatusCode::OK, Some(status)));
        assert_eq!(
            app.get_as(&ceo, "/scheduled-tasks/status").await.json()["started"].as_bool(),
            Some(running)
        );
    }
    let by: Option<uuid::Uuid> = sqlx::query_scalar("SELECT changed_by FROM scheduler_state")
        .fetch_one(&app.database.migrator)
        .await
        .unwrap();
    assert_eq!(by, Some(Person::Ceo.id()));
}

#[tokio::test]
async fn while_stopped_nothing_begins() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    app.post_as(&ceo, "/scheduled-tasks/stop").await;
    let refused = app.post_as(&ceo, "/scheduled-tasks/run/cleanup").await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "scheduler_stopped"));
    let jobs = run_jobs(&app);
    eventually("the jobs are announced", async || {
        !app.get_as(&ceo, "/scheduled-tasks/status").await.json()["tasks"][0]["next_run"].is_null()
    })
    .await;
    // That nothing happens can only be waited for: longer than the engine rests between two looks.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let runs: i64 = sqlx::query_scalar("SELECT count(*) FROM scheduled_run")
        .fetch_one(&app.database.migrator)
        .await
        .unwrap();
    assert_eq!(runs, 0);
    app.post_as(&ceo, "/scheduled-tasks/start").await;
    eventually("the first run", async || {
        app.get("/scheduled-tasks/health").await.json()["tasks"][0]["last_success"].is_string()
    })
    .await;
    jobs.abort();
}

#[tokio::test]
async fn a_task_runs_when_asked_and_once_when_asked_twice() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let first = app.post_as(&ceo, "/scheduled-tasks/run/cleanup").await;
    let again = app.post_as(&ceo, "/scheduled-tasks/run/cleanup").await;
    assert_eq!((first.status, again.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(first.json(), again.json());
    assert_eq!(app.post_as(&ceo, "/scheduled-tasks/run/nothing").await.status, StatusCode::NOT_FOUND);
    let jobs = run_jobs(&app);
    eventually("the run", async || {
        app.get("/scheduled-tasks/health").await.json()["tasks"][0]["last_success"].is_string()
    })
    .await;
    jobs.abort();
}

#[tokio::test]
async fn switched_off_is_idle() {
    let app = TestApp::with(&[("ENABLE_SCHEDULED_TASKS", "false")]).await;
    let answer = app.get("/scheduled-tasks/health").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (StatusCode::OK, Some("idle")));
    assert_eq!(answer.json()["scheduler_running"], false);
}

#[tokio::test]
async fn a_task_that_keeps_failing_is_an_error() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO job_state (job, interval_seconds, next_run_at, consecutive_failures)
         VALUES ('cleanup', 3600, now() + interval '1 hour', 3)",
    )
    .await;
    let answer = app.get("/scheduled-tasks/health").await;
    assert_eq!(
        (answer.status, answer.json()["status"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("error"))
    );
}
