//! Rules give away what is born, what is freed and what waits; the log says why.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{SOFIA, path};
use crate::harness::{Person, TestApp, eventually};

/// The tenant works around the clock.
pub(crate) const ALWAYS: &str = "UPDATE tenants SET settings = jsonb_build_object('working_hours',
    (SELECT jsonb_object_agg(day, '[[\"00:00\", \"24:00\"]]'::jsonb)
     FROM unnest(ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) day))";

/// A server whose first tenant has one rule.
pub(super) async fn with_rule(rule: Value) -> (TestApp, String) {
    let app = TestApp::with_crowd().await;
    app.sql(ALWAYS).await;
    let ceo = app.token(Person::Ceo).await;
    let mut body = json!({ "name": "Turnos", "priority": 1 });
    body.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    let answer = app.json_as(&ceo, Method::POST, "/admin/core/sellers/rules", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    (app, ceo)
}

async fn assignment(app: &TestApp, token: &str, receipt: &Value) -> Value {
    app.get_as(token, &path(receipt, "assignment")).await.json()
}

fn phone(number: u32) -> String {
    format!("+54911555502{number:02}")
}

/// Runs the sweep until it has succeeded once.
pub(crate) async fn sweep(app: &TestApp) {
    app.sql("DELETE FROM scheduled_run; DELETE FROM job_state").await;
    let jobs = crm_backend::jobs::all().into_iter().filter(|job| job.name() == "assignment_sweep").collect();
    let database = crm_backend::Database::lazy(app.state.settings());
    let engine = crm_backend::jobs::engine::Engine::new(database, jobs, "test");
    let work = tokio::spawn(engine.work(app.state.lifecycle().clone(), std::time::Duration::ZERO));
    let done = "SELECT count(*) FROM scheduled_run WHERE job = 'assignment_sweep' AND outcome = 'succeeded'";
    eventually("the sweep", async || app.count(done).await > 0).await;
    work.abort();
}

#[tokio::test]
async fn whoever_writes_first_gets_an_owner_at_once_and_the_log_says_why() {
    let (app, ceo) = with_rule(json!({ "strategy": "round_robin" })).await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let json = assignment(&app, &ceo, &receipt).await;
    let owner = Person::Setter.id().to_string();
    assert_eq!(json["assigned_seller_id"], owner);
    assert_eq!(json["log"][0]["reason"], "rule");
    assert_eq!(json["log"][0]["rule"], "Turnos");
    assert!(json["log"][0]["assigned_by"].is_null());
    assert_eq!(
        json["log"][0]["candidates"],
        json!([
            { "seller_id": Person::Setter.id(), "name": "Setter Prueba", "chosen": true, "reason": "longest_without" },
            { "seller_id": Person::Closer.id(), "name": "Closer Prueba", "chosen": false, "reason": "not_their_turn" },
        ])
    );
    // The owner can read it too, and hears of it; the message was told to the owner.
    let setter = app.token(Person::Setter).await;
    assert_eq!(assignment(&app, &setter, &receipt).await, json);
    assert_eq!(
        app.get_as(&setter, "/notifications?type=assignment").await.json()["notifications"][0]["priority"],
        "high"
    );
    let told = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM outbox WHERE event = 'NEW_MESSAGE' AND recipient_id = $1",
    )
    .bind(Person::Setter.id())
    .fetch_one(&app.database.migrator)
    .await
    .unwrap();
    assert_eq!(told, 1);
    // The next one goes to the next; the same person stays.
    let second = app.write_from("+5491155550102", "m2", "Hola").await;
    assert_eq!(assignment(&app, &ceo, &second).await["assigned_seller_id"], Person::Closer.id().to_string());
    app.write_from(SOFIA, "m3", "¿Hola?").await;
    assert_eq!(app.count("SELECT count(*) FROM assignment_log").await, 2);
}

#[tokio::test]
async fn a_lead_that_a_ceo_types_in_is_given_by_the_rule_and_told_to_the_ceo() {
    let (app, ceo) = with_rule(json!({ "strategy": "least_open", "lead_sources": ["REFERRAL"] })).await;
    let create = async |source: &str| {
        let body = json!({ "first_name": "Ana", "lead_source": source });
        app.json_as(&ceo, Method::POST, "/crm/leads", &body).await.json()
    };
    assert_eq!(create("REFERRAL").await["assigned_seller_id"], Person::Setter.id().to_string());
    assert!(create("ORGANIC").await["assigned_seller_id"].is_null());
    // A rule did it, so the CEO who typed it in is told.
    let listed = app.get_as(&ceo, "/notifications?type=assignment").await.json();
    assert_eq!(listed["notifications"][0]["body"], "Ana ahora es de Setter Prueba");
}

#[tokio::test]
async fn strangers_are_given_away_and_who_knew_them_gets_them_again() {
    let (app, ceo) = with_rule(json!({ "strategy": "sticky" })).await;
    let write = async |contact: &str, id: &str| {
        let message = json!({ "tenant_id": 1, "channel": "instagram", "provider": "test", "provider_message_id": id,
                              "contact": contact, "body": "Hola" });
        app.json_as(crate::harness::MACHINE, Method::POST, "/chat", &message).await.json()
    };
    let first = write("sofi.paz", "i1").await;
    assert!(first["lead_id"].is_null());
    let owner = assignment(&app, &ceo, &first).await["assigned_seller_id"].clone();
    assert_eq!(owner, Person::Setter.id().to_string());
    assert_eq!(
        app.post_as(
            &ceo,
            &format!("/crm/conversations/{}/close", first["conversation_id"].as_str().unwrap())
        )
        .await
        .status,
        StatusCode::NO_CONTENT
    );
    // It would be the other one's turn.
    let again = write("sofi.paz", "i2").await;
    assert_ne!(first["conversation_id"], again["conversation_id"]);
    let json = assignment(&app, &ceo, &again).await;
    assert_eq!(json["assigned_seller_id"], owner);
    assert_eq!(json["log"][0]["candidates"][0]["reason"], "knows_them");
    let other = write("leo", "i3").await;
    assert_eq!(assignment(&app, &ceo, &other).await["assigned_seller_id"], Person::Closer.id().to_string());
}

#[tokio::test]
async fn freed_capacity_takes_what_waits() {
    let (app, ceo) = with_rule(json!({ "strategy": "round_robin", "max_open": 1 })).await;
    let mut receipts = vec![];
    for number in 1..=5 {
        receipts.push(app.write_from(&phone(number), &format!("m{number}"), "Hola").await);
    }
    let owned = "SELECT count(*) FROM leads WHERE assigned_seller_id IS NOT NULL";
    assert_eq!(app.count(owned).await, 2);
    let lead = |receipt: &Value| format!("/crm/leads/{}/status", receipt["lead_id"].as_str().unwrap());
    let thread = |receipt: &Value| {
        format!("/crm/conversations/{}/close", receipt["conversation_id"].as_str().unwrap())
    };
    // A thread alone is closed: its lead is still work.
    app.post_as(&ceo, &thread(&receipts[0])).await;
    assert_eq!(app.count(owned).await, 2);
    // The lead ends, and the one that waited longest has an owner.
    let lost = json!({ "status": "lost", "reason": "Compró en otro lado" });
    assert_eq!(app.json_as(&ceo, Method::PATCH, &lead(&receipts[0]), &lost).await.status, StatusCode::OK);
    assert_eq!(
        assignment(&app, &ceo, &receipts[2]).await["assigned_seller_id"],
        Person::Setter.id().to_string()
    );
    // The other way round: a won lead with an open thread is work until the thread is closed.
    let won = json!({ "status": "won" });
    assert_eq!(app.json_as(&ceo, Method::PATCH, &lead(&receipts[1]), &won).await.status, StatusCode::OK);
    assert_eq!(app.count(owned).await, 3);
    app.post_as(&ceo, &thread(&receipts[1])).await;
    assert_eq!(
        assignment(&app, &ceo, &receipts[3]).await["assigned_seller_id"],
        Person::Closer.id().to_string()
    );
    // What goes back to the queue is not given to who gave it back, but makes room for them.
    let released =
        app.json_as(&ceo, Method::POST, &path(&receipts[2], "reassign"), &json!({ "seller_id": null })).await;
    assert!(released.json()["assigned_seller_id"].is_null(), "{released:?}");
    assert_eq!(
        assignment(&app, &ceo, &receipts[4]).await["assigned_seller_id"],
        Person::Setter.id().to_string()
    );
    assert!(assignment(&app, &ceo, &receipts[2]).await["assigned_seller_id"].is_null());
}

#[tokio::test]
async fn who_is_off_shift_or_has_had_enough_today_gets_nothing_until_the_sweep_finds_them() {
    let (app, ceo) = with_rule(json!({ "strategy": "round_robin", "max_per_day": 1 })).await;
    app.sql("UPDATE users SET shift = '{}' WHERE email = 'closer@example.com'").await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    assert_eq!(assignment(&app, &ceo, &first).await["assigned_seller_id"], Person::Setter.id().to_string());
    let second = app.write_from("+5491155550102", "m2", "Hola").await;
    let answer = app.post_as(&ceo, &path(&second, "auto-assign")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "nobody_available"));
    let reasons: Vec<Value> = answer.json()["error"]["details"]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["reason"].clone())
        .collect();
    assert_eq!(reasons, [json!("at_max_per_day"), json!("off_shift")]);
    let available = app.get_as(&ceo, "/admin/core/sellers/available").await.json();
    let said: Vec<(Value, Value)> = available["sellers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seller| (seller["available"].clone(), seller["reason"].clone()))
        .collect();
    assert_eq!(said, [(json!(false), json!("at_max_per_day")), (json!(false), json!("off_shift"))]);
    sweep(&app).await;
    assert!(assignment(&app, &ceo, &second).await["assigned_seller_id"].is_null());
    // The next day, by the tenant's clock.
    app.sql("UPDATE assignment_log SET created_at = created_at - interval '1 day'").await;
    sweep(&app).await;
    assert_eq!(assignment(&app, &ceo, &second).await["assigned_seller_id"], Person::Setter.id().to_string());
}

#[tokio::test]
async fn a_ceo_lets_the_rules_decide_now() {
    let app = TestApp::with_channel().await;
    app.sql(ALWAYS).await;
    let ceo = app.token(Person::Ceo).await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let auto = path(&receipt, "auto-assign");
    let answer = app.post_as(&ceo, &auto).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "no_rules"));
    let rule =
        json!({ "name": "Cerradores", "priority": 1, "strategy": "least_open", "seller_roles": ["closer"] });
    app.json_as(&ceo, Method::POST, "/admin/core/sellers/rules", &rule).await;
    let json = app.post_as(&ceo, &auto).await.json();
    assert_eq!(json["assigned_seller_id"], Person::Closer.id().to_string());
    assert_eq!(json["candidates"][0]["reason"], "other_role");
    let answer = app.post_as(&ceo, &auto).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "already_assigned"));
    assert_eq!(answer.json()["error"]["details"]["assigned_seller_id"], Person::Closer.id().to_string());
    let other = app.token(Person::OtherCeo).await;
    assert_eq!(app.post_as(&other, &auto).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_sweep_takes_open_work_of_every_tenant_and_nothing_else() {
    let app = TestApp::with_channel().await;
    app.sql(ALWAYS).await;
    app.sql(
        "INSERT INTO assignment_rules (tenant_id, name, priority, strategy) SELECT t, 'Turnos', 1, 'round_robin' FROM generate_series(1, 2) t;
         INSERT INTO users (tenant_id, email, password_hash, role, status, first_name) VALUES (2, 'eva@example.com', '$argon2id$x', 'setter', 'active', 'Eva');
         INSERT INTO leads (tenant_id, first_name) SELECT t, 'Ana' FROM generate_series(1, 2) t, generate_series(1, 60);
         INSERT INTO leads (tenant_id, first_name, is_test) VALUES (1, 'Prueba', true);
         INSERT INTO leads (tenant_id, first_name, status) VALUES (1, 'Fin', 'archived');
         INSERT INTO leads (tenant_id, first_name, merged_into) SELECT 1, 'Doble', id FROM leads WHERE tenant_id = 1 LIMIT 1",
    )
    .await;
    sweep(&app).await;
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NOT NULL").await, 120);
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NULL").await, 3);
    let shares = "SELECT max(n) - min(n) FROM (SELECT count(*) AS n FROM leads WHERE tenant_id = 1 AND first_name = 'Ana'
                  GROUP BY assigned_seller_id) shares";
    assert_eq!(app.count(shares).await, 0);
    let strangers = "SELECT count(*) FROM leads l JOIN users u ON u.id = l.assigned_seller_id WHERE u.tenant_id <> l.tenant_id";
    assert_eq!(app.count(strangers).await, 0);
}
