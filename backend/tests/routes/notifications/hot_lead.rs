//! `hot_lead`: a young lead that writes a lot.

use serde_json::{Value, json};

use super::run_checks;
use crate::harness::{Person, TestApp};

/// A lead of a source and status with inbound messages of these ages in minutes, oldest first.
async fn lead(app: &TestApp, source: &str, status: &str, owner: Option<Person>, ages: &[i32]) {
    sqlx::query(
        "WITH lead AS (
           INSERT INTO leads (tenant_id, first_name, lead_source, status, assigned_seller_id) VALUES (1, 'Sofía', $1, $2, $3)
           RETURNING tenant_id, id),
         thread AS (
           INSERT INTO conversations (tenant_id, lead_id, channel, assigned_seller_id) SELECT tenant_id, id, 'whatsapp', $3 FROM lead
           RETURNING tenant_id, id)
         INSERT INTO messages (tenant_id, conversation_id, direction, author, body, created_at)
         SELECT tenant_id, id, 'inbound', 'lead', 'Hola', now() - make_interval(mins => age)
         FROM thread, unnest($4::int[]) WITH ORDINALITY ages(age, n) ORDER BY n",
    )
    .bind(source)
    .bind(status)
    .bind(owner.map(Person::id))
    .bind(ages)
    .execute(&app.database.migrator)
    .await
    .unwrap();
}

async fn hot(app: &TestApp, token: &str) -> Vec<Value> {
    let json = app.get_as(token, "/notifications?type=hot_lead").await.json();
    json["notifications"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_boundary_holds() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    for (source, status, ages, new) in [
        // Two messages, or three of which one is a day old, or a last one two hours ago.
        ("META_ADS", "new", &[30, 20][..], 0),
        ("META_ADS", "new", &[1_441, 30, 20], 0),
        ("META_ADS", "new", &[180, 150, 121], 0),
        ("META_ADS", "new", &[1_439, 30, 119], 1),
        // 3 × 1 × 1.2 is less than four; 4 × 1 × 1 is four.
        ("ORGANIC", "qualified", &[30, 20, 10], 0),
        ("ORGANIC", "won", &[40, 30, 20, 10], 1),
    ] {
        lead(&app, source, status, Some(Person::Setter), ages).await;
        assert_eq!(run_checks(&app, &ceo).await, new, "{source} {status} {ages:?}");
        assert_eq!(run_checks(&app, &ceo).await, 0, "it is told once");
    }
    lead(&app, "META_ADS", "new", Some(Person::Setter), &[30, 20, 10]).await;
    app.sql("UPDATE leads SET created_at = now() - interval '7 days'").await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "a week is no longer young");
    app.sql("DELETE FROM notifications; UPDATE leads SET created_at = now(), is_test = true").await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "a test is never hot");
}

#[tokio::test]
async fn the_owner_is_told_with_reasons_and_the_ceo_when_it_boils() {
    let app = TestApp::start().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    lead(&app, "META_ADS", "new", Some(Person::Setter), &[30, 20, 10]).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    let told = hot(&app, &setter).await;
    assert_eq!(
        (&told[0]["priority"], &told[0]["body"]),
        (&json!("high"), &json!("Sofía escribió 3 veces en 24 h"))
    );
    assert_eq!(told[0]["reasons"][0]["score"], 5.4);
    assert_eq!(hot(&app, &ceo).await, Vec::<Value>::new());
    // Two more: 9. The same burst, so the owner hears nothing new.
    let more = "INSERT INTO messages (tenant_id, conversation_id, direction, author, body) SELECT 1, id, 'inbound', 'lead', '¿?' FROM conversations, generate_series(1, 2)";
    app.sql(more).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(hot(&app, &ceo).await[0]["priority"], "critical");
    assert_eq!(hot(&app, &setter).await.len(), 1);
    // A day of silence ends the burst; the next one is a new fact.
    app.sql(
        "UPDATE messages SET created_at = created_at - interval '30 hours'; UPDATE leads SET status = 'won'",
    )
    .await;
    app.sql("INSERT INTO messages (tenant_id, conversation_id, direction, author, body) SELECT 1, id, 'inbound', 'lead', '¿?' FROM conversations, generate_series(1, 3)").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(hot(&app, &setter).await.len(), 2);
}

#[tokio::test]
async fn in_the_queue_the_ceo_is_told_and_a_tenant_has_limits_of_its_own() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    lead(&app, "ORGANIC", "new", None, &[30, 20]).await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE tenants SET settings = '{\"hot_lead\": {\"messages\": 2, \"high\": 2.4, \"critical\": 100}}' WHERE id = 1").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(hot(&app, &ceo).await[0]["priority"], "high");
}
