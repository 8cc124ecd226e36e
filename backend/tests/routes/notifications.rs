//! `/notifications…`

mod daily_report;
mod followup;
mod hot_lead;
mod performance_alert;
mod quiet_summary;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};

const SOFIA: &str = "+5491155550101";
/// Limits of a tenant that works around the clock and is told soon; far enough apart for a machine that is busy.
const AT_ONCE: &str =
    "UPDATE tenants SET settings = jsonb_build_object('unanswered_seconds', '[100, 200, 36000]'::jsonb,
    'working_hours', (SELECT jsonb_object_agg(day, '[[\"00:00\", \"24:00\"]]'::jsonb)
                      FROM unnest(ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) day)) WHERE id = 1";

async fn run_checks(app: &TestApp, token: &str) -> Value {
    let answer = app.json_as(token, Method::POST, "/notifications/run-checks", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["created"].clone()
}

/// The wait of every conversation began this long ago.
async fn waited(app: &TestApp, seconds: i32) {
    sqlx::query("UPDATE conversations SET waiting_since = now() - make_interval(secs => $1) WHERE waiting_since IS NOT NULL")
        .bind(f64::from(seconds))
        .execute(&app.database.migrator)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wait_is_told_once_per_step_and_answering_ends_it() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    assert_eq!(run_checks(&app, &ceo).await, 0);
    waited(&app, 100).await;
    // Nobody owns it, so the CEO is told.
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let listed = app.get_as(&ceo, "/notifications").await.json();
    assert_eq!(listed["notifications"][0]["type"], "unanswered");
    assert_eq!(listed["notifications"][0]["priority"], "high");
    assert_eq!(listed["notifications"][0]["body"], "Sofía Paz espera respuesta hace más de 100 s");
    let link = format!("/conversaciones/{}", receipt["conversation_id"].as_str().unwrap());
    assert_eq!(listed["notifications"][0]["link"], link);
    // Read or not, it is told once.
    let id = listed["notifications"][0]["id"].to_string();
    assert_eq!(run_checks(&app, &ceo).await, 0);
    assert_eq!(app.post_as(&ceo, &format!("/notifications/{id}/read")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE conversations SET waiting_since = waiting_since - interval '0.5 s'").await;
    let path = format!("/crm/conversations/{}/messages", receipt["conversation_id"].as_str().unwrap());
    let reply = json!({ "body": "Sí", "seen_up_to": receipt["message_id"] });
    assert_eq!(app.json_as(&setter, Method::POST, &path, &reply).await.status, StatusCode::CREATED);
    assert_eq!(run_checks(&app, &ceo).await, 0);
    // A new wait is a new fact, and now it has an owner.
    app.write_from(SOFIA, "m2", "¿Y el precio?").await;
    waited(&app, 100).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(
        app.get_as(&setter, "/notifications?type=unanswered").await.json()["notifications"][0]["priority"],
        "high"
    );
    waited(&app, 200).await;
    assert_eq!(run_checks(&app, &ceo).await, 1, "the longer wait goes to the CEO");
    assert_eq!(app.get_as(&ceo, "/notifications/count").await.json()["critical"], 1);
}

#[tokio::test]
async fn answering_or_moving_on_marks_what_said_so_read_and_tells_the_page() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    let assign =
        format!("/admin/core/sellers/conversations/{}", receipt["conversation_id"].as_str().unwrap());
    let to = |person: Person| json!({ "seller_id": person.id() });
    app.json_as(&ceo, Method::POST, &format!("{assign}/assign"), &to(Person::Setter)).await;
    waited(&app, 100).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let unread = async |token: &str| {
        let json = app.get_as(token, "/notifications?unread=true&type=unanswered").await.json();
        json["notifications"].as_array().unwrap().len()
    };
    assert_eq!(unread(&setter).await, 1);
    app.json_as(&ceo, Method::POST, &format!("{assign}/reassign"), &to(Person::Closer)).await;
    assert_eq!(unread(&setter).await, 0);
    let closer = app.token(Person::Closer).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(unread(&closer).await, 1);
    let path = format!("/crm/conversations/{}/messages", receipt["conversation_id"].as_str().unwrap());
    let reply = json!({ "body": "Sí", "seen_up_to": receipt["message_id"] });
    assert_eq!(app.json_as(&closer, Method::POST, &path, &reply).await.status, StatusCode::CREATED);
    assert_eq!(unread(&closer).await, 0);
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE event = 'notification_marked_read'").await, 2);
}

#[tokio::test]
async fn all_read_is_bounded_by_what_was_seen() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO notifications (tenant_id, recipient_id, type, priority, dedupe_key, text_key)
         SELECT tenant_id, id, 'followup', 'low', 'k' || n, 'notification.followup'
         FROM users, generate_series(1, 3) n WHERE email IN ('ceo@example.com', 'setter@example.com')",
    )
    .await;
    let ceo = app.token(Person::Ceo).await;
    let listed = app.get_as(&ceo, "/notifications").await.json();
    let second = listed["notifications"][1]["id"].clone();
    let answer =
        app.json_as(&ceo, Method::POST, "/notifications/read-all", &json!({ "up_to": second })).await;
    assert_eq!(answer.json()["marked"], 2);
    assert_eq!(app.get_as(&ceo, "/notifications/count").await.json()["unread"], 1);
    // Nobody else's.
    let setter = app.token(Person::Setter).await;
    assert_eq!(app.get_as(&setter, "/notifications/count").await.json()["unread"], 3);
    let foreign = app.get_as(&setter, "/notifications").await.json()["notifications"][0]["id"].to_string();
    for id in [foreign.as_str(), "0", "-1", "99999999999999999999", "x"] {
        let answer = app.post_as(&ceo, &format!("/notifications/{id}/read")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
    let since = app.get_as(&ceo, &format!("/notifications?since={second}")).await.json();
    assert_eq!(since["notifications"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn settings_are_kept_checked_and_honoured() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    let ceo = app.token(Person::Ceo).await;
    let settings = "/notifications/settings";
    let usual = app.get_as(&ceo, settings).await.json();
    assert_eq!((&usual["muted_types"], &usual["critical_pierces"]), (&json!([]), &json!(true)));
    let put = async |body: &Value| app.json_as(&ceo, Method::PUT, settings, body).await;
    let with = |muted: Value, from: Value, until: Value| json!({ "muted_types": muted, "mute_until": null, "quiet_from": from, "quiet_until": until, "critical_pierces": true });
    for (bad, field) in [
        (with(json!(["nothing"]), Value::Null, Value::Null), "muted_types"),
        (with(json!([]), json!("22:00"), Value::Null), "quiet_until"),
        (with(json!([]), Value::Null, json!("07:00")), "quiet_from"),
        (with(json!([]), json!("22:00"), json!("22:00")), "quiet_until"),
    ] {
        let answer = put(&bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["error"]["fields"][0]["field"], field);
    }
    assert_eq!(put(&with(json!([]), json!("25:00"), json!("07:00"))).await.status, StatusCode::BAD_REQUEST);
    let kept = put(&with(json!(["unanswered", "hot_lead"]), json!("22:00"), json!("07:30"))).await.json();
    assert_eq!(kept, app.get_as(&ceo, settings).await.json());
    assert_eq!((&kept["quiet_from"], &kept["quiet_until"]), (&json!("22:00"), &json!("07:30")));
    // A muted type is not stored, unless it is critical and that comes through.
    app.write_from(SOFIA, "m1", "Hola").await;
    waited(&app, 100).await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    waited(&app, 200).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(app.get_as(&ceo, "/notifications/count").await.json()["critical"], 1);
}

#[tokio::test]
async fn in_quiet_hours_it_is_stored_and_does_not_ring() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    // An hour around now in the zone of the reader, over midnight when it is late.
    app.sql(
        "UPDATE users SET time_zone = 'America/Mexico_City';
         INSERT INTO notification_settings (tenant_id, user_id, quiet_from, quiet_until, critical_pierces)
         SELECT tenant_id, id, (now() AT TIME ZONE 'America/Mexico_City' - interval '30 minutes')::time(0),
                (now() AT TIME ZONE 'America/Mexico_City' + interval '30 minutes')::time(0), false
         FROM users WHERE email = 'ceo@example.com'",
    )
    .await;
    let ceo = app.token(Person::Ceo).await;
    app.write_from(SOFIA, "m1", "Hola").await;
    waited(&app, 200).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let rang = "SELECT count(*) FROM outbox WHERE event = 'new_notification'";
    assert_eq!(app.count(rang).await, 0);
    assert_eq!(app.get_as(&ceo, "/notifications/count").await.json()["unread"], 1);
    app.sql("DELETE FROM notifications; UPDATE notification_settings SET critical_pierces = true").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(app.count(rang).await, 1, "critical ones come through");
}

#[tokio::test]
async fn test_and_merged_leads_are_told_of_nowhere() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    let ceo = app.token(Person::Ceo).await;
    app.write_from(SOFIA, "m1", "Hola").await;
    app.sql("UPDATE leads SET is_test = true").await;
    waited(&app, 200).await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
}

#[tokio::test]
async fn without_016_there_is_no_bell_and_nothing_else_notices() {
    let app = TestApp::with_channel().await;
    app.sql(AT_ONCE).await;
    app.sql("DROP TABLE notifications, notification_settings").await;
    let ceo = app.token(Person::Ceo).await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    waited(&app, 200).await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    for path in ["/notifications", "/notifications/settings", "/notifications/count"] {
        let answer = app.get_as(&ceo, path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable")
        );
    }
    let assign =
        format!("/admin/core/sellers/conversations/{}/assign", receipt["conversation_id"].as_str().unwrap());
    let to = json!({ "seller_id": Person::Setter.id() });
    assert_eq!(app.json_as(&ceo, Method::POST, &assign, &to).await.status, StatusCode::OK);
    let path = format!("/crm/conversations/{}/messages", receipt["conversation_id"].as_str().unwrap());
    let reply = json!({ "body": "Sí", "seen_up_to": receipt["message_id"] });
    assert_eq!(app.json_as(&ceo, Method::POST, &path, &reply).await.status, StatusCode::CREATED);
}
