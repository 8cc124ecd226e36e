//! `/crm/leads…`

mod bulk;
mod export;
mod merge;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};

async fn create(app: &TestApp, token: &str, body: &Value) -> Value {
    let answer = app.json_as(token, Method::POST, "/crm/leads", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn path(lead: &Value, rest: &str) -> String {
    format!("/crm/leads/{}{rest}", lead["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_number_is_one_lead_however_it_is_written() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let lead = create(
        &app,
        &ceo,
        &json!({ "first_name": "Sofía", "phone": "+54 9 11 5555-0101", "tags": ["b", "a", "b"] }),
    )
    .await;
    assert_eq!(
        (&lead["phone"], &lead["status"], &lead["tags"]),
        (&json!("+5491155550101"), &json!("new"), &json!(["a", "b"]))
    );
    assert!(lead["due_at"].is_string() && lead["response_state"].is_string());
    let answer =
        app.json_as(&ceo, Method::POST, "/crm/leads", &json!({ "phone": "0054 11 5555 0101" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "phone_taken"));
    assert_eq!(answer.json()["error"]["details"]["lead_id"], lead["id"]);
    // The other tenant may know the same person.
    let other = app.token(Person::OtherCeo).await;
    create(&app, &other, &json!({ "phone": "+54 9 11 5555-0101" })).await;
}

#[tokio::test]
async fn every_mistake_of_a_new_lead_is_named() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let bad = json!({ "phone": "12", "email": "no", "lead_source": "META_ADS", "first_name": "a\u{0}" });
    let json = app.json_as(&ceo, Method::POST, "/crm/leads", &bad).await.json();
    let fields: Vec<&str> = json["error"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["phone", "first_name", "email", "lead_source"]);
    for nobody in [json!({}), json!({ "tags": ["x"] }), json!({ "tenant_id": 2, "first_name": "x" })] {
        let answer = app.json_as(&ceo, Method::POST, "/crm/leads", &nobody).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{nobody}");
    }
}

#[tokio::test]
async fn a_vendedor_owns_what_they_type_in_and_sees_no_sibling() {
    let app = TestApp::start().await;
    let (ceo, setter, closer) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::Closer).await);
    let own = create(&app, &setter, &json!({ "first_name": "Ana", "phone": "+5491155550101" })).await;
    assert_eq!(own["assigned_seller_id"], Person::Setter.id().to_string());
    let queued = create(&app, &ceo, &json!({ "first_name": "Eva" })).await;
    let other = app.token(Person::OtherCeo).await;
    let missing = json!({ "id": "019b0000-0000-7000-8000-000000000000" });
    for (token, lead, expected) in [
        (&closer, &own, StatusCode::NOT_FOUND),
        (&closer, &queued, StatusCode::OK),
        (&setter, &own, StatusCode::OK),
        (&other, &own, StatusCode::NOT_FOUND),
        (&ceo, &missing, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(app.get_as(token, &path(lead, "")).await.status, expected);
        assert_eq!(app.get_as(token, &path(lead, "/timeline")).await.status, expected);
        let edited = app.json_as(token, Method::PATCH, &path(lead, ""), &json!({ "last_name": "Paz" })).await;
        assert_eq!(edited.status, expected, "{edited:?}");
    }
    let total = async |token: &str| app.get_as(token, "/crm/leads").await.json()["total"].clone();
    assert_eq!(
        (total(&ceo).await, total(&setter).await, total(&closer).await),
        (json!(2), json!(2), json!(1))
    );
    assert_eq!(total(&other).await, json!(0));
    // The conflict does not tell of a sibling's lead.
    let answer =
        app.json_as(&closer, Method::POST, "/crm/leads", &json!({ "phone": "+5491155550101" })).await;
    assert_eq!(answer.code(), "phone_taken");
    assert!(answer.json()["error"]["details"]["lead_id"].is_null());
    let given = json!({ "first_name": "Leo", "assigned_seller_id": Person::Closer.id() });
    assert_eq!(app.json_as(&setter, Method::POST, "/crm/leads", &given).await.status, StatusCode::FORBIDDEN);
    let secretary = app.token(Person::Secretary).await;
    assert_eq!(
        app.json_as(&secretary, Method::POST, "/crm/leads", &given).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(create(&app, &ceo, &given).await["assigned_seller_id"], Person::Closer.id().to_string());
}

#[tokio::test]
async fn editing_changes_what_is_given_and_null_clears() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let lead = create(
        &app,
        &ceo,
        &json!({ "first_name": "Ana", "email": "ana@example.com", "phone": "+5491155550101" }),
    )
    .await;
    create(&app, &ceo, &json!({ "phone": "+5491155550102" })).await;
    let edit = async |body: Value| app.json_as(&ceo, Method::PATCH, &path(&lead, ""), &body).await;
    let amount = edit(json!({ "amount": "1250000.50" })).await;
    assert_eq!(amount.json()["error"]["fields"][0]["field"], "currency");
    let json = edit(json!({ "amount": "1250000.50", "currency": "ARS", "email": null })).await.json();
    assert_eq!(
        (&json["amount"], &json["email"], &json["first_name"]),
        (&json!("1250000.50"), &Value::Null, &json!("Ana"))
    );
    assert_eq!(edit(json!({ "phone": "+5491155550102" })).await.code(), "phone_taken");
    assert_eq!(edit(json!({ "status": "won" })).await.status, StatusCode::BAD_REQUEST);
    assert!(edit(json!({ "phone": null })).await.json()["phone"].is_null());
    let audited =
        "SELECT count(*) FROM audit_log WHERE action = 'lead.edited' AND details::text NOT LIKE '%5555%'";
    assert_eq!(app.count(audited).await, 2);
}

#[tokio::test]
async fn a_status_moves_along_its_ways_with_a_history() {
    let app = TestApp::start().await;
    let (ceo, setter, closer) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::Closer).await);
    let lead = create(&app, &setter, &json!({ "first_name": "Ana" })).await;
    let to = async |token: &str, status: &str, reason: Option<&str>| {
        let body = json!({ "status": status, "reason": reason });
        app.json_as(token, Method::PATCH, &path(&lead, "/status"), &body).await
    };
    let moved = to(&setter, "qualified", None).await.json();
    assert_eq!((&moved["status"], &moved["previous"]), (&json!("qualified"), &json!("new")));
    assert!(to(&setter, "qualified", None).await.json()["previous"].is_null());
    let lost = to(&setter, "lost", None).await;
    assert_eq!(lost.json()["error"]["fields"][0]["field"], "reason");
    assert_eq!(to(&setter, "lost", Some("Compró en otro lado")).await.status, StatusCode::OK);
    let refused = to(&setter, "won", Some("x")).await;
    assert_eq!(refused.code(), "invalid_transition");
    assert_eq!(refused.json()["error"]["details"]["allowed"], json!(["contacted", "qualified", "archived"]));
    assert_eq!(to(&setter, "sold", None).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(to(&closer, "contacted", Some("x")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(to(&ceo, "contacted", Some("Volvió")).await.status, StatusCode::OK);
    assert_eq!(app.count("SELECT count(*) FROM lead_status_history").await, 4);
    let kept =
        app.count("SELECT coalesce(sum(leads), 0)::bigint FROM lead_counts WHERE status = 'contacted'").await;
    assert_eq!(kept, 1);
    let timeline = app.get_as(&ceo, &path(&lead, "/timeline")).await.json();
    let kinds: Vec<&str> =
        timeline["entries"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "status").count(), 4);
    assert_eq!(kinds.iter().filter(|kind| **kind == "assignment").count(), 1);
    assert_eq!(timeline["entries"][0]["note"], "Volvió");
}

#[tokio::test]
async fn meta_leads_move_under_their_own_path_by_owner_or_ceo() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO leads (tenant_id, id, first_name, lead_source) VALUES
         (1, '01900000-0000-7000-8000-00000000aa01', 'Ana', 'META_ADS'), (1, '01900000-0000-7000-8000-00000000aa04', 'Noa', 'ORGANIC')",
    )
    .await;
    let path = |number: u8| format!("/crm/meta/leads/01900000-0000-7000-8000-00000000aa0{number}/status");
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    let contacted = json!({ "status": "contacted" });
    // Everybody sees it, and who does not own it may not move it.
    assert_eq!(app.json_as(&setter, Method::PATCH, &path(1), &contacted).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.json_as(&ceo, Method::PATCH, &path(1), &contacted).await.status, StatusCode::OK);
    for number in [4, 9] {
        assert_eq!(
            app.json_as(&ceo, Method::PATCH, &path(number), &contacted).await.status,
            StatusCode::NOT_FOUND
        );
    }
    let other = app.token(Person::OtherCeo).await;
    assert_eq!(app.json_as(&other, Method::PATCH, &path(1), &contacted).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_merged_lead_says_into_which_and_stands_in_no_list() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO leads (tenant_id, id, first_name) VALUES (1, '01900000-0000-7000-8000-00000000aa01', 'Ana');
         INSERT INTO leads (tenant_id, id, first_name, merged_into) VALUES
         (1, '01900000-0000-7000-8000-00000000aa02', 'Ana', '01900000-0000-7000-8000-00000000aa01')",
    )
    .await;
    let ceo = app.token(Person::Ceo).await;
    let merged = app.get_as(&ceo, "/crm/leads/01900000-0000-7000-8000-00000000aa02").await.json();
    assert_eq!(merged["merged_into"], "01900000-0000-7000-8000-00000000aa01");
    assert_eq!(app.get_as(&ceo, "/crm/leads").await.json()["total"], 1);
}
