//! `performance_alert`: figures of a vendedor fell.

use serde_json::{Value, json};

use super::run_checks;
use crate::harness::{Person, TestApp};

/// The setter has worked here for a month with good figures: four active conversations, one lead of four won.
async fn settled() -> (TestApp, String, String) {
    let app = TestApp::start().await;
    app.sql(
        "UPDATE users SET created_at = now() - interval '30 days' WHERE email = 'setter@example.com';
         INSERT INTO leads (tenant_id, first_name, status, assigned_seller_id)
         SELECT 1, 'Ana ' || n, CASE WHEN n = 1 THEN 'won' ELSE 'negotiation' END, id FROM users, generate_series(1, 4) n
         WHERE email = 'setter@example.com';
         INSERT INTO conversations (tenant_id, lead_id, channel, assigned_seller_id) SELECT tenant_id, id, 'whatsapp', assigned_seller_id FROM leads",
    )
    .await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    (app, ceo, setter)
}

/// In one conversation: asked, and answered by the setter so many minutes later, through a bot that counts nowhere.
async fn answered_after(app: &TestApp, minutes: f64) {
    sqlx::query(
        "INSERT INTO messages (tenant_id, conversation_id, direction, author, author_id, body, delivery, created_at)
         SELECT 1, (SELECT id FROM conversations ORDER BY id LIMIT 1), x.direction, x.author,
                CASE WHEN x.author = 'user' THEN $2::uuid END, 'Hola', x.delivery, now() - interval '1 day' + make_interval(secs => $1 * 60 * x.part)
         FROM (VALUES (1, 'inbound', 'lead', 'delivered', 0.0), (2, 'inbound', 'lead', 'delivered', 0.2),
                      (3, 'outbound', 'bot', 'sent', 0.3), (4, 'outbound', 'user', 'failed', 0.4), (5, 'outbound', 'user', 'sent', 1.0))
              x(n, direction, author, delivery, part) ORDER BY x.n",
    )
    .bind(minutes)
    .bind(Person::Setter.id())
    .execute(&app.database.migrator)
    .await
    .unwrap();
}

async fn told(app: &TestApp, token: &str) -> Vec<Value> {
    let json = app.get_as(token, "/notifications?type=performance_alert").await.json();
    json["notifications"].as_array().unwrap().clone()
}

#[tokio::test]
async fn slow_answers_are_told_to_the_vendedor_and_by_far_to_the_ceo() {
    for (minutes, of_setter, of_ceo) in [(29.9, 0, 0), (30.1, 1, 0), (60.5, 1, 1)] {
        let (app, ceo, setter) = settled().await;
        answered_after(&app, minutes).await;
        assert_eq!(run_checks(&app, &ceo).await, of_setter + of_ceo, "{minutes}");
        assert_eq!(run_checks(&app, &ceo).await, 0, "told once");
        let (own, loud) = (told(&app, &setter).await, told(&app, &ceo).await);
        assert_eq!(
            (own.len(), loud.len()),
            (usize::from(of_setter > 0), usize::from(of_ceo > 0)),
            "{minutes}"
        );
        assert!(
            own.iter().all(|one| one["priority"] == "medium")
                && loud.iter().all(|one| one["priority"] == "critical")
        );
    }
}

#[tokio::test]
async fn the_average_is_over_turns_and_people_who_answer() {
    let (app, ceo, setter) = settled().await;
    // 20 and 42 minutes: 31 on average.
    answered_after(&app, 20.0).await;
    answered_after(&app, 42.0).await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(told(&app, &setter).await[0]["body"], "Setter Prueba responde en 31 min de promedio");
    // Test leads count nowhere.
    let (app, ceo, _) = settled().await;
    answered_after(&app, 500.0).await;
    app.sql(
        "UPDATE leads SET is_test = true WHERE id = (SELECT lead_id FROM conversations ORDER BY id LIMIT 1)",
    )
    .await;
    app.sql("UPDATE tenants SET settings = '{\"performance_alert\": {\"conversion\": 0, \"active\": 0}}'")
        .await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
}

#[tokio::test]
async fn zero_is_a_figure_and_nothing_to_divide_by_is_none() {
    let (app, ceo, setter) = settled().await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql("UPDATE leads SET status = 'negotiation'").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(told(&app, &setter).await[0]["body"], "Setter Prueba convierte el 0 % de sus leads");
    app.sql("UPDATE conversations SET closed_at = now() WHERE id IN (SELECT id FROM conversations LIMIT 1)")
        .await;
    assert_eq!(run_checks(&app, &ceo).await, 0, "three are enough");
    app.sql("UPDATE conversations SET closed_at = now()").await;
    assert_eq!(run_checks(&app, &ceo).await, 1);
    assert_eq!(told(&app, &setter).await[0]["body"], "Setter Prueba tiene 0 conversaciones activas");
    assert_eq!(told(&app, &setter).await[0]["reasons"], json!([{ "figure": "active", "value": 0 }]));
    // Without leads there is no rate, and somebody who came yesterday has no figures.
    let (app, ceo, _) = settled().await;
    app.sql("UPDATE leads SET created_at = now() - interval '31 days', status = 'lost'").await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
    app.sql(
        "UPDATE users SET created_at = now() - interval '6 days'; UPDATE conversations SET closed_at = now()",
    )
    .await;
    assert_eq!(run_checks(&app, &ceo).await, 0);
}
