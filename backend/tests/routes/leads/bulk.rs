//! `POST /crm/leads/bulk`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestApp};

fn id(number: u32) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

/// Leads 1 to 4 in the queue, 5 of the setter, 6 of the closer, 7 a test, 8 merged into 1, 9 of the other tenant.
async fn settled() -> TestApp {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO leads (tenant_id, id, first_name, is_test)
         SELECT CASE WHEN n = 9 THEN 2 ELSE 1 END, ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Ana ' || n, n = 7
         FROM generate_series(1, 9) n;
         UPDATE leads SET assigned_seller_id = (SELECT id FROM users WHERE email = 'setter@example.com') WHERE first_name = 'Ana 5';
         UPDATE leads SET assigned_seller_id = (SELECT id FROM users WHERE email = 'closer@example.com') WHERE first_name = 'Ana 6';
         UPDATE leads SET merged_into = '01900000-0000-7000-8000-000000000001' WHERE first_name = 'Ana 8'",
    )
    .await;
    app
}

async fn bulk(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.json_as(token, Method::POST, "/crm/leads/bulk", body).await
}

fn errors(answer: &Answer) -> Vec<Value> {
    let json = answer.json();
    json["results"].as_array().unwrap().iter().map(|result| result["error"].clone()).collect()
}

#[tokio::test]
async fn a_bad_row_spoils_no_other_and_each_has_its_result() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    let ids: Vec<String> = [6, 1, 9, 8, 2, 99, 1].map(id).to_vec();
    let body = json!({ "lead_ids": ids, "assign": { "seller_id": Person::Setter.id() } });
    let answer = bulk(&app, &ceo, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let missing = json!("not_found");
    assert_eq!(
        errors(&answer),
        [json!("already_assigned"), Value::Null, missing.clone(), missing.clone(), Value::Null, missing]
    );
    assert_eq!(answer.json()["done"], 2);
    assert_eq!(answer.json()["results"][0]["details"]["assigned_seller_id"], Person::Closer.id().to_string());
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NOT NULL").await, 4);
    assert_eq!(app.count("SELECT count(*) FROM assignment_log").await, 2);
    let again =
        json!({ "lead_ids": [id(6)], "assign": { "seller_id": Person::Setter.id(), "reassign": true } });
    assert_eq!(bulk(&app, &ceo, &again).await.json()["done"], 1);
    let audited =
        "SELECT count(*) FROM audit_log WHERE action = 'leads.bulk' AND details->>'action' = 'assign'
                   AND (details->>'done')::int = jsonb_array_length(details->'lead_ids')";
    assert_eq!(app.count(audited).await, 2);
}

#[tokio::test]
async fn a_status_moves_where_there_is_a_way_and_a_refused_one_leaves_nothing() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    app.sql("UPDATE leads SET status = 'won' WHERE first_name = 'Ana 2'").await;
    let body = json!({ "lead_ids": [id(1), id(2), id(3)], "status": { "status": "contacted" } });
    let answer = bulk(&app, &ceo, &body).await;
    assert_eq!(errors(&answer), [Value::Null, json!("invalid_transition"), Value::Null]);
    assert_eq!(app.count("SELECT count(*) FROM lead_status_history").await, 2);
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE status = 'contacted'").await, 2);
    let lost = json!({ "lead_ids": [id(1)], "status": { "status": "lost" } });
    assert_eq!(errors(&bulk(&app, &ceo, &lost).await), [json!("invalid_request")]);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_spoils_no_other_either() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    app.sql(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
         CREATE TRIGGER broken BEFORE UPDATE ON leads FOR EACH ROW WHEN (old.first_name = 'Ana 2') EXECUTE FUNCTION broken()",
    )
    .await;
    let body = json!({ "lead_ids": [id(1), id(2), id(3)], "tag": { "add": ["vip"] } });
    assert_eq!(errors(&bulk(&app, &ceo, &body).await), [Value::Null, json!("internal"), Value::Null]);
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE tags = '{vip}'").await, 2);
}

#[tokio::test]
async fn tags_come_and_go_in_order_and_a_filter_is_that_of_the_list() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    let body = json!({ "lead_ids": [id(1), id(2)], "tag": { "add": ["b", "a", "b"] } });
    assert_eq!(bulk(&app, &ceo, &body).await.json()["done"], 2);
    let body = json!({ "filter": { "seller": "unassigned", "sort": "name" }, "tag": { "add": ["c"], "remove": ["a"] } });
    let answer = bulk(&app, &ceo, &body).await;
    assert_eq!(answer.json()["done"], 4, "{answer:?}");
    assert_eq!(answer.json()["results"][0]["lead_id"], id(1));
    assert_eq!(app.get_as(&ceo, &format!("/crm/leads/{}", id(1))).await.json()["tags"], json!(["b", "c"]));
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE tags <> '{}'").await, 4);
    // One that would have too many keeps what it has.
    let many: Vec<String> = (0..49).map(|number| format!("t{number}")).collect();
    let body = json!({ "lead_ids": [id(1), id(3)], "tag": { "add": many } });
    assert_eq!(errors(&bulk(&app, &ceo, &body).await), [json!("invalid_request"), Value::Null]);
    assert_eq!(app.get_as(&ceo, &format!("/crm/leads/{}", id(1))).await.json()["tags"], json!(["b", "c"]));
}

#[tokio::test]
async fn a_vendedor_reaches_the_own_leads_and_the_queue_only() {
    let app = settled().await;
    let setter = app.token(Person::Setter).await;
    let contacted = json!({ "lead_ids": [id(5), id(1), id(6), id(9)], "status": { "status": "contacted" } });
    let answer = bulk(&app, &setter, &contacted).await;
    assert_eq!(errors(&answer), [Value::Null, json!("forbidden"), json!("not_found"), json!("not_found")]);
    let take = json!({ "lead_ids": [id(1), id(6)], "assign": {} });
    assert_eq!(errors(&bulk(&app, &setter, &take).await), [Value::Null, json!("not_found")]);
    for body in [
        json!({ "lead_ids": [id(2)], "assign": { "seller_id": Person::Closer.id() } }),
        json!({ "lead_ids": [id(6)], "assign": { "reassign": true } }),
    ] {
        assert_eq!(bulk(&app, &setter, &body).await.status, StatusCode::FORBIDDEN);
    }
    let tag = json!({ "filter": {}, "tag": { "add": ["x"] } });
    // Own: 5 and 1; the queue: 2, 3 and 4.
    assert_eq!(bulk(&app, &setter, &tag).await.json()["done"], 5);
    let secretary = app.token(Person::Secretary).await;
    assert_eq!(bulk(&app, &secretary, &tag).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_asked_is_one_thing_of_leads_that_are_named_once() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    let tag = json!({ "add": ["x"] });
    let too_many: Vec<String> = (0..1_001).map(id).collect();
    for (body, field) in [
        (json!({ "tag": tag }), "lead_ids"),
        (json!({ "lead_ids": [], "tag": tag }), "lead_ids"),
        (json!({ "lead_ids": too_many, "tag": tag }), "lead_ids"),
        (json!({ "lead_ids": [id(1)], "filter": {}, "tag": tag }), "filter"),
        (json!({ "filter": { "limit": "5" }, "tag": tag }), "limit"),
        (json!({ "filter": { "status": "sold" }, "tag": tag }), "status"),
        (json!({ "lead_ids": [id(1)] }), "assign"),
        (json!({ "lead_ids": [id(1)], "tag": tag, "assign": {} }), "assign"),
        (json!({ "lead_ids": [id(1)], "assign": {} }), "seller_id"),
        (json!({ "lead_ids": [id(1)], "tag": {} }), "tag"),
        (json!({ "lead_ids": [id(1)], "tag": { "add": ["x"], "remove": ["x"] } }), "tag"),
        (json!({ "lead_ids": [id(1)], "tag": { "add": [""] } }), "tags"),
        (json!({ "lead_ids": [id(1)], "status": { "status": "sold" } }), "status"),
    ] {
        let answer = bulk(&app, &ceo, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], field, "{body}");
    }
    app.sql("INSERT INTO leads (tenant_id, first_name) SELECT 1, 'Eva' FROM generate_series(1, 1000)").await;
    let answer = bulk(&app, &ceo, &json!({ "filter": {}, "tag": tag })).await;
    assert_eq!(answer.json()["error"]["fields"][0]["field"], "filter");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'leads.bulk'").await, 0);
}

#[tokio::test]
async fn a_thousand_leads_are_one_request() {
    // A busy machine is granted more than a request usually has.
    let app = TestApp::with(&[("REQUEST_TIMEOUT_SECONDS", "200")]).await;
    app.sql("INSERT INTO leads (tenant_id, first_name) SELECT 1, 'Eva' FROM generate_series(1, 1000)").await;
    let ceo = app.token(Person::Ceo).await;
    let body = json!({ "filter": {}, "assign": { "seller_id": Person::Closer.id() } });
    let answer = bulk(&app, &ceo, &body).await;
    assert_eq!((answer.status, &answer.json()["done"]), (StatusCode::OK, &json!(1_000)));
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NOT NULL").await, 1_000);
}

#[tokio::test]
async fn leads_that_end_together_make_room_for_what_waits() {
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    app.sql(crate::assignment::ALWAYS).await;
    app.sql("INSERT INTO assignment_rules (tenant_id, name, priority, strategy, max_open) VALUES (1, 'Turnos', 1, 'round_robin', 1)").await;
    let lost = json!({ "lead_ids": [id(5), id(6)], "status": { "status": "lost", "reason": "No contesta" } });
    assert_eq!(bulk(&app, &ceo, &lost).await.json()["done"], 2);
    let given = "SELECT count(*) FROM assignment_log WHERE reason = 'rule'";
    assert_eq!(app.count(given).await, 0, "many keep nobody out of the queue");
    crate::assignment::sweep(&app).await;
    assert_eq!(app.count(given).await, 2);
}
