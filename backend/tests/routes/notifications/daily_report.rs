//! `metric_alert`: the report of the day, once per tenant and day.

use std::sync::Arc;
use std::time::Duration;

use crm_backend::jobs::engine::{Engine, Job};
use crm_backend::{Database, jobs};
use serde_json::json;

use crate::harness::{Person, TestApp, eventually};

/// The tenant's report is due `minutes` from now; less than nothing: it is overdue. Away from midnight of the tenant.
async fn due_in(app: &TestApp, minutes: i32) {
    sqlx::query(
        "UPDATE tenants SET time_zone = zone, settings = jsonb_build_object('metric_alert', jsonb_build_object('at',
           to_char(now() AT TIME ZONE zone + make_interval(mins => $1), 'HH24:MI')))
         FROM (SELECT CASE WHEN extract(hour FROM now() AT TIME ZONE 'UTC') BETWEEN 2 AND 21 THEN 'UTC' ELSE 'Asia/Tokyo' END AS zone) z",
    )
    .bind(minutes)
    .execute(&app.database.migrator)
    .await
    .unwrap();
}

fn replica(app: &TestApp) -> tokio::task::JoinHandle<()> {
    let only: Vec<Arc<dyn Job>> =
        jobs::all().into_iter().filter(|job| job.name() == "daily_report").collect();
    let engine = Engine::new(Database::lazy(app.state.settings()), only, "test");
    tokio::spawn(engine.work(app.state.lifecycle().clone(), Duration::ZERO))
}

/// Two servers look again and again, until this many runs are done.
async fn run(app: &TestApp, runs: i64) {
    app.sql("DELETE FROM scheduled_run").await;
    let more = "INSERT INTO scheduled_run (job, scheduled_for) SELECT 'daily_report', now() - n * interval '1 second' FROM generate_series(1, 6) n";
    app.sql(more).await;
    let servers = [replica(app), replica(app)];
    let done = "SELECT count(*) FROM scheduled_run WHERE outcome = 'succeeded'";
    eventually("the runs", async || app.count(done).await >= runs).await;
    servers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn it_is_told_once_per_tenant_and_day_on_two_servers() {
    let app = TestApp::start().await;
    due_in(&app, 30).await;
    run(&app, 6).await;
    assert_eq!(app.count("SELECT count(*) FROM notifications").await, 0, "it is not time yet");
    due_in(&app, -1).await;
    app.sql(
        "INSERT INTO leads (tenant_id, first_name, created_at, is_test)
         SELECT 1, 'Ana', (date_trunc('day', now() AT TIME ZONE time_zone) - interval '12 hours') AT TIME ZONE time_zone, n = 3
         FROM tenants, generate_series(1, 3) n WHERE id = 1;
         INSERT INTO leads (tenant_id, first_name) VALUES (1, 'De hoy');
         INSERT INTO lead_status_history (tenant_id, lead_id, from_status, to_status, changed_at)
         SELECT tenant_id, id, 'new', 'won', created_at FROM leads WHERE first_name = 'Ana' AND NOT is_test LIMIT 1;
         INSERT INTO conversations (tenant_id, channel, contact, waiting_since) VALUES (1, 'web', 'x', now())",
    )
    .await;
    run(&app, 6).await;
    run(&app, 6).await;
    let told = "SELECT count(*) FROM notifications WHERE type = 'metric_alert'";
    // The CEOs of the two tenants that are active.
    assert_eq!(app.count(told).await, 2);
    let ceo = app.token(Person::Ceo).await;
    let json = app.get_as(&ceo, "/notifications").await.json();
    assert_eq!(json["notifications"][0]["priority"], "medium");
    let body = json["notifications"][0]["body"].as_str().unwrap();
    assert!(body.ends_with(": 2 leads nuevos, 1 ganados, 1 sin respuesta"), "{body}");
    // Read or not, it was told.
    app.post_as(&ceo, &format!("/notifications/{}/read", json["notifications"][0]["id"])).await;
    run(&app, 6).await;
    assert_eq!(app.count(told).await, 2);
    // The next day is another report.
    app.sql("UPDATE notifications SET dedupe_key = 'daily:2020-01-01'").await;
    run(&app, 6).await;
    assert_eq!(app.count(told).await, 4);
    assert_eq!(app.get_as(&ceo, "/notifications/count").await.json()["medium"], json!(1));
}

#[tokio::test]
async fn twenty_at_once_tell_it_once() {
    let app = TestApp::start().await;
    due_in(&app, -1).await;
    app.sql("INSERT INTO scheduled_run (job, scheduled_for) SELECT 'daily_report', now() - n * interval '1 second' FROM generate_series(1, 20) n").await;
    let servers: Vec<_> = (0..4).map(|_| replica(&app)).collect();
    let done = "SELECT count(*) FROM scheduled_run WHERE outcome = 'succeeded'";
    eventually("the runs", async || app.count(done).await >= 20).await;
    servers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(app.count("SELECT count(*) FROM notifications WHERE type = 'metric_alert'").await, 2);
}
