//! `followup`: leads and strangers who hear nothing.

use serde_json::json;

use super::run_checks;
use crate::harness::{Person, TestApp};

async fn lead(app: &TestApp, status: &str, owner: Option<Person>, hours: f64) {
    sqlx::query(
        "INSERT INTO leads (tenant_id, first_name, status, assigned_seller_id, created_at, status_changed_at)
         SELECT 1, 'Sofía', $1, $2, at, at FROM (SELECT now() - make_interval(secs => $3 * 3600) AS at) silent",
    )
    .bind(status)
    .bind(owner.map(Person::id))
    .bind(hours)
    .execute(&app.database.migrator)
    .await
    .unwrap();
}

#[tokio::test]
async fn each_status_has_its_silence_and_its_priority() {
    let app = TestApp::start().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    for (status, hours, priority) in [
        ("contacted", 47.9, None),
        ("contacted", 48.1, Some("high")),
        ("qualified", 48.1, Some("high")),
        ("new", 23.9, None),
        ("new", 24.1, Some("medium")),
        ("proposal_sent", 200.0, None),
        ("won", 200.0, None),
        // Silent for more than a month: no follow-up any more.
        ("contacted", 30.5 * 24.0, None),
    ] {
        app.sql("DELETE FROM leads").await;
        lead(&app, status, Some(Person::Setter), hours).await;
        let new = run_checks(&app, &ceo).await;
        assert_eq!(new, i32::from(priority.is_some()), "{status} {hours}");
        assert_eq!(run_checks(&app, &ceo).await, 0, "{status} {hours}: told once");
        if let Some(priority) = priority {
            let json = app.get_as(&setter, "/notifications?type=followup").await.json();
            assert_eq!(json["notifications"][0]["priority"], priority, "{status}");
        }
    }
    lead(&app, "new", None, 100.0).await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "in the queue there is nobody to follow up");
}

#[tokio::test]
async fn strangers_are_told_low_after_three_days_and_a_message_begins_a_new_silence() {
    let app = TestApp::start().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    app.sql(
        "INSERT INTO conversations (tenant_id, channel, contact, assigned_seller_id, last_message_at)
         SELECT 1, 'instagram', 'sofi.paz', id, now() - interval '71 hours' FROM users WHERE email = 'setter@example.com'",
    )
    .await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE conversations SET last_message_at = now() - interval '73 hours'").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let json = app.get_as(&setter, "/notifications").await.json();
    assert_eq!(
        (&json["notifications"][0]["priority"], &json["notifications"][0]["body"]),
        (&json!("low"), &json!("La conversación con sofi.paz está en silencio hace más de 3 d"))
    );
    // It goes stale by itself.
    let stale = "SELECT count(*) FROM notifications WHERE expires_at BETWEEN now() + interval '6 days' AND now() + interval '7 days'";
    assert_eq!(app.count(stale).await, 1);
    app.sql("UPDATE conversations SET last_message_at = now() - interval '74 hours'").await;
    assert_eq!(run_checks(&app, &ceo).await, 1, "another silence is another fact");
    // Where somebody waits it is told as unanswered.
    app.sql("UPDATE conversations SET waiting_since = now(), last_message_at = now() - interval '75 hours'")
        .await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE conversations SET waiting_since = NULL, closed_at = now()").await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "closed is not silent");
}

#[tokio::test]
async fn a_message_or_a_step_forward_is_a_sign_of_work() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    lead(&app, "contacted", Some(Person::Setter), 100.0).await;
    app.sql(
        "INSERT INTO conversations (tenant_id, lead_id, channel, assigned_seller_id, last_message_at)
         SELECT tenant_id, id, 'whatsapp', assigned_seller_id, now() - interval '10 hours' FROM leads",
    )
    .await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE conversations SET last_message_at = now() - interval '50 hours'").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
}
