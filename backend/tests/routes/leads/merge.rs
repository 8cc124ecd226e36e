//! `POST /crm/leads/{id}/merge`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestApp};

const SOFIA: &str = "+5491155550101";
const SOFIA_AT_WORK: &str = "+5491155550102";

async fn merge(app: &TestApp, token: &str, from: &Value, into: &Value) -> Answer {
    let path = format!("/crm/leads/{}/merge", from.as_str().unwrap());
    app.json_as(token, Method::POST, &path, &json!({ "into": into })).await
}

async fn create(app: &TestApp, token: &str, body: Value) -> Value {
    let answer = app.json_as(token, Method::POST, "/crm/leads", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()["id"].clone()
}

#[tokio::test]
async fn what_happened_with_one_happened_with_the_other() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    let gone = app.write_from(SOFIA, "m1", "Hola").await;
    app.sql("UPDATE leads SET email = 'sofi@example.com', tags = '{b}'").await;
    let into =
        create(&app, &ceo, json!({ "first_name": "Sofía", "lead_source": "REFERRAL", "tags": ["a"] })).await;
    app.sql("INSERT INTO lead_submissions (tenant_id, lead_id, leadgen_id, raw, submitted_at) SELECT 1, id, 'f1', '{}', now() FROM leads WHERE phone IS NOT NULL").await;
    let assign =
        format!("/admin/core/sellers/conversations/{}/assign", gone["conversation_id"].as_str().unwrap());
    app.json_as(&ceo, Method::POST, &assign, &json!({ "seller_id": Person::Setter.id() })).await;
    let answer = merge(&app, &ceo, &gone["lead_id"], &into).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let lead = answer.json();
    // What was not known is filled in, what was known stays.
    assert_eq!((&lead["phone"], &lead["email"]), (&json!(SOFIA), &json!("sofi@example.com")));
    assert_eq!(
        (&lead["first_name"], &lead["lead_source"], &lead["tags"]),
        (&json!("Sofía"), &json!("REFERRAL"), &json!(["a", "b"]))
    );
    // Somebody knew the person.
    assert_eq!(lead["assigned_seller_id"], Person::Setter.id().to_string());
    let timeline = app.get_as(&ceo, &format!("/crm/leads/{}/timeline", into.as_str().unwrap())).await.json();
    let kinds: Vec<&str> =
        timeline["entries"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    for (kind, count) in [("message", 1), ("form", 1), ("status", 2), ("assignment", 2)] {
        assert_eq!(kinds.iter().filter(|one| **one == kind).count(), count, "{kind}: {kinds:?}");
    }
    let moved = app.get_as(&ceo, &format!("/crm/leads/{}", gone["lead_id"].as_str().unwrap())).await.json();
    assert_eq!(moved["merged_into"], into);
    let thread = app
        .get_as(&ceo, &format!("/crm/conversations/{}", gone["conversation_id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!((&thread["lead_id"], &thread["assigned_seller_id"]), (&into, &lead["assigned_seller_id"]));
    assert!(thread["waiting_since"].is_string());
    assert_eq!(app.get_as(&ceo, "/crm/leads").await.json()["total"], 1);
    assert_eq!(app.count("SELECT sum(leads)::bigint FROM lead_counts").await, 1);
    let audited =
        "SELECT count(*) FROM audit_log WHERE action = 'lead.merged' AND details->>'conversations' = '1'";
    assert_eq!(app.count(audited).await, 1);
    // Again changes nothing.
    assert_eq!(merge(&app, &ceo, &gone["lead_id"], &into).await.json(), lead);
    assert_eq!(app.count(audited).await, 1);
}

#[tokio::test]
async fn of_two_open_threads_on_a_channel_the_livelier_stays_and_a_wait_goes_on() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let second = app.write_from(SOFIA_AT_WORK, "m2", "Soy yo").await;
    let waited: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT min(waiting_since) FROM conversations")
            .fetch_one(&app.database.migrator)
            .await
            .unwrap();
    let answer = merge(&app, &ceo, &second["lead_id"], &first["lead_id"]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let thread = async |receipt: &Value| {
        app.get_as(&ceo, &format!("/crm/conversations/{}", receipt["conversation_id"].as_str().unwrap()))
            .await
            .json()
    };
    assert!(thread(&first).await["closed_at"].is_string());
    let kept = thread(&second).await;
    assert!(kept["closed_at"].is_null());
    assert_eq!(kept["lead_id"], first["lead_id"]);
    assert_eq!(kept["waiting_since"], json!(waited));
    assert_eq!(app.count("SELECT count(*) FROM conversation_history WHERE kind = 'closed'").await, 1);
    // From whichever number they write, they are known.
    for (phone, id) in [(SOFIA, "m3"), (SOFIA_AT_WORK, "m4")] {
        let receipt = app.write_from(phone, id, "¿Hola?").await;
        assert_eq!(
            (&receipt["lead_id"], &receipt["conversation_id"]),
            (&first["lead_id"], &second["conversation_id"])
        );
    }
    let taken = app.json_as(&ceo, Method::POST, "/crm/leads", &json!({ "phone": SOFIA_AT_WORK })).await;
    assert_eq!((taken.status, taken.code().as_str()), (StatusCode::CONFLICT, "phone_taken"));
    assert_eq!(taken.json()["error"]["details"]["lead_id"], first["lead_id"]);
    assert_eq!(app.count("SELECT count(*) FROM leads").await, 2);
}

#[tokio::test]
async fn a_chain_stays_one_step_long() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let mut ids = vec![];
    for name in ["Ana", "Eva", "Noa"] {
        ids.push(create(&app, &ceo, json!({ "first_name": name })).await);
    }
    assert_eq!(merge(&app, &ceo, &ids[0], &ids[1]).await.status, StatusCode::OK);
    assert_eq!(merge(&app, &ceo, &ids[1], &ids[2]).await.status, StatusCode::OK);
    let chain =
        "SELECT count(*) FROM leads m JOIN leads s ON s.id = m.merged_into WHERE s.merged_into IS NOT NULL";
    assert_eq!(app.count(chain).await, 0);
    assert_eq!(
        app.count("SELECT count(DISTINCT merged_into) FROM leads WHERE merged_into IS NOT NULL").await,
        1
    );
    // The first of these again, after the second: it is so.
    assert_eq!(merge(&app, &ceo, &ids[0], &ids[1]).await.status, StatusCode::OK);
    let fourth = create(&app, &ceo, json!({ "first_name": "Leo" })).await;
    for (from, into, code) in [(&ids[0], &fourth, "already_merged"), (&fourth, &ids[1], "merged_away")] {
        let answer = merge(&app, &ceo, from, into).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, code));
        assert_eq!(answer.json()["error"]["details"]["merged_into"], ids[2]);
    }
}

#[tokio::test]
async fn who_may_not_does_not() {
    let app = TestApp::start().await;
    let (ceo, setter, other) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::OtherCeo).await);
    let (one, two) = (
        create(&app, &setter, json!({ "first_name": "Ana" })).await,
        create(&app, &setter, json!({ "first_name": "Eva" })).await,
    );
    let queued = create(&app, &ceo, json!({ "first_name": "Noa" })).await;
    let closers =
        create(&app, &ceo, json!({ "first_name": "Leo", "assigned_seller_id": Person::Closer.id() })).await;
    let foreign = create(&app, &other, json!({ "first_name": "Luz" })).await;
    for (token, from, into, status) in [
        (&setter, &one, &queued, StatusCode::FORBIDDEN),
        (&setter, &one, &closers, StatusCode::NOT_FOUND),
        (&ceo, &one, &foreign, StatusCode::NOT_FOUND),
        (&other, &one, &two, StatusCode::NOT_FOUND),
        (&ceo, &one, &one, StatusCode::BAD_REQUEST),
        (&setter, &one, &two, StatusCode::OK),
    ] {
        assert_eq!(merge(&app, token, from, into).await.status, status);
    }
    app.sql("UPDATE leads SET is_test = true WHERE first_name = 'Noa'").await;
    assert_eq!(merge(&app, &ceo, &queued, &two).await.code(), "test_and_real");
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE merged_into IS NOT NULL").await, 1);
}

#[tokio::test]
async fn merges_both_ways_at_once_and_messages_beside_them_lose_nobody() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    for round in 0..6 {
        let phones = [0, 1].map(|number| format!("+54911555506{round}{number}"));
        let first = app.write_from(&phones[0], &format!("a{round}"), "Hola").await;
        let second = app.write_from(&phones[1], &format!("b{round}"), "Hola").await;
        let (a, b, c, d) = tokio::join!(
            merge(&app, &ceo, &first["lead_id"], &second["lead_id"]),
            merge(&app, &ceo, &second["lead_id"], &first["lead_id"]),
            async { app.write_from(&phones[0], &format!("c{round}"), "¿Hola?").await },
            async { app.write_from(&phones[1], &format!("d{round}"), "¿Hola?").await },
        );
        let mut statuses = [a.status, b.status];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "{a:?} {b:?}");
        assert!(c["lead_id"].is_string() && d["lead_id"].is_string());
    }
    // Twelve leads, six of them merged away; every thread belongs to one that stays, one is open per person.
    assert_eq!(app.count("SELECT count(*) FROM leads").await, 12);
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE merged_into IS NOT NULL").await, 6);
    let lost = "SELECT count(*) FROM conversations c JOIN leads l ON l.id = c.lead_id WHERE l.merged_into IS NOT NULL";
    assert_eq!(app.count(lost).await, 0);
    assert_eq!(app.count("SELECT count(*) FROM conversations WHERE closed_at IS NULL").await, 6);
    assert_eq!(app.count("SELECT count(*) FROM messages").await, 24);
}
