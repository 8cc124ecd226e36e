//! The one summary after quiet hours, and what goes stale.

use serde_json::json;

use super::{SOFIA, run_checks};
use crate::harness::{Person, TestApp};

/// The CEO's quiet hours end so many minutes from now, in a zone of their own, and began eight hours before.
async fn quiet_until(app: &TestApp, minutes: i32) {
    sqlx::query(
        "INSERT INTO notification_settings (tenant_id, user_id, quiet_from, quiet_until)
         SELECT tenant_id, id, (until - interval '8 hours')::time, until::time
         FROM users, (SELECT date_trunc('minute', now() AT TIME ZONE 'America/Mexico_City') + make_interval(mins => $1) AS until) z
         WHERE email = 'ceo@example.com'
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET quiet_from = EXCLUDED.quiet_from, quiet_until = EXCLUDED.quiet_until",
    )
    .bind(minutes)
    .execute(&app.database.migrator)
    .await
    .unwrap();
}

const TOLD: &str = "INSERT INTO notifications (tenant_id, recipient_id, type, priority, dedupe_key, text_key, created_at)
    SELECT tenant_id, id, 'followup', priority, 'k' || n, 'notification.followup', now() - ago
    FROM users, (VALUES (1, 'high', interval '1 hour'), (2, 'low', interval '7 hours'), (3, 'critical', interval '1 hour'),
                        (4, 'high', interval '9 hours')) x(n, priority, ago) WHERE email = 'ceo@example.com'";

#[tokio::test]
async fn what_came_while_it_was_quiet_is_summed_up_once_afterwards() {
    let app = TestApp::with_channel().await;
    app.sql("UPDATE users SET time_zone = 'America/Mexico_City'").await;
    let ceo = app.token(Person::Ceo).await;
    app.sql(TOLD).await;
    quiet_until(&app, 5).await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "it is quiet still");
    quiet_until(&app, -1).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let json = app.get_as(&ceo, "/notifications").await.json();
    assert_eq!(json["notifications"][0]["type"], "quiet_summary");
    // The critical one rang, and one came before.
    assert_eq!(json["notifications"][0]["body"], "Avisos recibidos en sus horas de silencio: 2");
    let rang = "SELECT count(*) FROM outbox WHERE event = 'new_notification'";
    assert_eq!(app.count(rang).await, 1);
    assert_eq!(run_checks(&app, &ceo).await, 0);
    // The next night, with nothing in it.
    app.sql("UPDATE notification_settings SET quiet_summary_at = quiet_summary_at - interval '1 day'; UPDATE notifications SET read_at = now()").await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    assert_eq!(app.count(rang).await, 1);
}

#[tokio::test]
async fn while_muted_nothing_is_summed_up() {
    let app = TestApp::start().await;
    app.sql("UPDATE users SET time_zone = 'America/Mexico_City'").await;
    let ceo = app.token(Person::Ceo).await;
    app.sql(TOLD).await;
    quiet_until(&app, -1).await;
    app.sql("UPDATE notification_settings SET mute_until = now() + interval '1 hour'").await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE notification_settings SET mute_until = NULL").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
}

#[tokio::test]
async fn low_and_medium_ones_go_stale_after_a_week_and_are_not_told_again() {
    let app = TestApp::with_channel().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    app.write_from(SOFIA, "m1", "Hola").await;
    app.sql(
        "UPDATE conversations SET waiting_since = NULL;
         UPDATE leads SET assigned_seller_id = (SELECT id FROM users WHERE email = 'setter@example.com'), status_changed_at = now() - interval '30 hours';
         UPDATE conversations SET last_message_at = now() - interval '30 hours'",
    )
    .await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let unread = async || app.get_as(&setter, "/notifications/count").await.json();
    assert_eq!(unread().await["medium"], 1);
    app.sql("UPDATE notifications SET expires_at = expires_at - interval '7 days'").await;
    assert_eq!(
        unread().await,
        json!({ "total": 0, "unread": 0, "critical": 0, "high": 0, "medium": 0, "low": 0 })
    );
    assert_eq!(app.get_as(&setter, "/notifications").await.json()["notifications"], json!([]));
    assert_eq!(run_checks(&app, &ceo).await, 0);
}
