//! `/admin/core/sellers/conversations/{id}/…` and `/crm/meta/leads/assign`

mod automatic;
mod contended;
mod rules;

pub(crate) use automatic::{ALWAYS, sweep};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};

const SOFIA: &str = "+5491155550101";

fn path(receipt: &Value, verb: &str) -> String {
    format!("/admin/core/sellers/conversations/{}/{verb}", receipt["conversation_id"].as_str().unwrap())
}

async fn owner_of_lead(app: &TestApp) -> Option<uuid::Uuid> {
    sqlx::query_scalar("SELECT assigned_seller_id FROM leads")
        .fetch_one(&app.database.migrator)
        .await
        .unwrap()
}

#[tokio::test]
async fn of_two_who_claim_one_wins_and_the_other_is_told_who() {
    let app = TestApp::with_channel().await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (setter, closer) = (app.token(Person::Setter).await, app.token(Person::Closer).await);
    let assign = path(&receipt, "assign");
    let nothing = json!({});
    let (a, b) = tokio::join!(
        app.json_as(&setter, Method::POST, &assign, &nothing),
        app.json_as(&closer, Method::POST, &assign, &nothing),
    );
    let (won, lost, winner) =
        if a.status == StatusCode::OK { (a, b, Person::Setter) } else { (b, a, Person::Closer) };
    assert_eq!((won.status, lost.status), (StatusCode::OK, StatusCode::CONFLICT));
    assert_eq!(lost.code(), "already_assigned");
    assert_eq!(lost.json()["error"]["details"]["assigned_seller_id"], winner.id().to_string());
    assert_eq!(owner_of_lead(&app).await, Some(winner.id()));
    assert_eq!(app.count("SELECT count(*) FROM assignment_log").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM owner_history").await, 1);
    // Claiming what one has changes nothing.
    let token = if winner == Person::Setter { &setter } else { &closer };
    assert_eq!(app.json_as(token, Method::POST, &assign, &nothing).await.status, StatusCode::OK);
    assert_eq!(app.count("SELECT count(*) FROM assignment_log").await, 1);
}

#[tokio::test]
async fn a_vendedor_assigns_to_nobody_else_and_a_ceo_to_vendedores_only() {
    let app = TestApp::with_channel().await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    let assign = path(&receipt, "assign");
    let to = |person: Person| json!({ "seller_id": person.id() });
    let answer = app.json_as(&setter, Method::POST, &assign, &to(Person::Closer)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for wrong in [Person::Secretary, Person::Suspended, Person::OtherCeo, Person::Ceo] {
        let answer = app.json_as(&ceo, Method::POST, &assign, &to(wrong)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong:?}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], "seller_id");
    }
    assert_eq!(app.json_as(&ceo, Method::POST, &assign, &json!({})).await.status, StatusCode::BAD_REQUEST);
    let other = app.token(Person::OtherCeo).await;
    for verb in ["assign", "reassign"] {
        let answer = app.json_as(&other, Method::POST, &path(&receipt, verb), &to(Person::Closer)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{verb}");
    }
    assert_eq!(app.get_as(&other, &path(&receipt, "assignment")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner_of_lead(&app).await, None);
}

#[tokio::test]
async fn everybody_concerned_hears_of_an_assignment_but_who_did_it() {
    let app = TestApp::with_channel().await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (ceo, closer) = (app.token(Person::Ceo).await, app.token(Person::Closer).await);
    let to = json!({ "seller_id": Person::Closer.id() });
    assert_eq!(app.json_as(&ceo, Method::POST, &path(&receipt, "assign"), &to).await.status, StatusCode::OK);
    let listed = app.get_as(&closer, "/notifications").await.json();
    assert_eq!(listed["notifications"][0]["type"], "assignment");
    assert_eq!(listed["notifications"][0]["priority"], "high");
    assert_eq!(listed["notifications"][0]["body"], "Sofía Paz ahora es tuyo");
    assert_eq!(app.get_as(&ceo, "/notifications").await.json()["notifications"], json!([]));
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE event = 'new_notification'").await, 1);
    // The other way round: who takes it hears nothing, the CEO does.
    let second = app.write_from("+5491155550102", "m2", "Hola").await;
    assert_eq!(
        app.json_as(&closer, Method::POST, &path(&second, "assign"), &json!({})).await.status,
        StatusCode::OK
    );
    let listed = app.get_as(&ceo, "/notifications").await.json();
    assert_eq!(listed["notifications"][0]["priority"], "medium");
    assert_eq!(app.get_as(&closer, "/notifications/count").await.json()["unread"], 1);
}

#[tokio::test]
async fn a_conversation_moves_on_and_back_with_its_lead_and_says_why() {
    let app = TestApp::with_channel().await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let ceo = app.token(Person::Ceo).await;
    let to = |person: Option<Person>| json!({ "seller_id": person.map(Person::id) });
    let steps = [("assign", Some(Person::Setter)), ("reassign", Some(Person::Closer)), ("reassign", None)];
    for (verb, person) in steps {
        let answer = app.json_as(&ceo, Method::POST, &path(&receipt, verb), &to(person)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(owner_of_lead(&app).await, person.map(Person::id));
        let same = "SELECT count(*) FROM conversations c JOIN leads l ON l.id = c.lead_id
                    WHERE c.assigned_seller_id IS NOT DISTINCT FROM l.assigned_seller_id";
        assert_eq!(app.count(same).await, 1);
    }
    let assignment = app.get_as(&ceo, &path(&receipt, "assignment")).await.json();
    let reasons: Vec<&str> =
        assignment["log"].as_array().unwrap().iter().map(|entry| entry["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["released", "reassigned", "manual"]);
}

#[tokio::test]
async fn many_leads_at_once_have_a_result_each() {
    let app = TestApp::with_channel().await;
    app.sql(
        "INSERT INTO leads (tenant_id, id, first_name, lead_source) VALUES
         (1, '01900000-0000-7000-8000-00000000aa01', 'Ana', 'META_ADS'), (1, '01900000-0000-7000-8000-00000000aa02', 'Eva', 'META_ADS'),
         (2, '01900000-0000-7000-8000-00000000aa03', 'Leo', 'META_ADS'), (1, '01900000-0000-7000-8000-00000000aa04', 'Noa', 'ORGANIC')",
    )
    .await;
    let id = |number: u8| format!("01900000-0000-7000-8000-00000000aa0{number}");
    let (setter, closer) = (app.token(Person::Setter).await, app.token(Person::Closer).await);
    let own = json!({ "lead_ids": [id(2)] });
    assert_eq!(
        app.json_as(&setter, Method::POST, "/crm/meta/leads/assign", &own).await.json()["assigned"],
        1
    );
    let all = json!({ "lead_ids": [id(4), id(3), id(2), id(1), id(9)] });
    let json = app.json_as(&closer, Method::POST, "/crm/meta/leads/assign", &all).await.json();
    let errors: Vec<Value> =
        json["results"].as_array().unwrap().iter().map(|result| result["error"].clone()).collect();
    assert_eq!(
        errors,
        [json!("not_found"), json!("not_found"), json!("already_assigned"), Value::Null, json!("not_found")]
    );
    assert_eq!(json["assigned"], 1);
    let take = json!({ "lead_ids": [id(2)], "reassign": true });
    assert_eq!(
        app.json_as(&closer, Method::POST, "/crm/meta/leads/assign", &take).await.status,
        StatusCode::FORBIDDEN
    );
    let none = json!({ "lead_ids": [] });
    assert_eq!(
        app.json_as(&closer, Method::POST, "/crm/meta/leads/assign", &none).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn all_that_a_filter_of_the_list_lets_through_are_given() {
    let app = TestApp::with_channel().await;
    app.sql(
        "INSERT INTO leads (tenant_id, first_name, lead_source, meta_campaign_name)
         SELECT 1 + n % 2, 'Ana', 'META_ADS', CASE WHEN n < 120 THEN 'verano' ELSE 'otoño' END FROM generate_series(0, 129) n;
         INSERT INTO leads (tenant_id, first_name, lead_source, meta_campaign_name) VALUES (1, 'Noa', 'ORGANIC', 'verano')",
    )
    .await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    let send = async |token: &str, body: Value| {
        app.json_as(token, Method::POST, "/crm/meta/leads/assign", &body).await
    };
    let filter = json!({ "campaign": "verano", "unassigned": "true" });
    let given = send(&ceo, json!({ "filter": filter, "seller_id": Person::Closer.id() })).await;
    assert_eq!((given.status, given.json()["assigned"].clone()), (StatusCode::OK, json!(60)), "{given:?}");
    let owned = "SELECT count(*) FROM leads l JOIN users u ON u.id = l.assigned_seller_id
                 WHERE u.email = 'closer@example.com' AND l.tenant_id = 1 AND l.meta_campaign_name = 'verano'
                   AND l.lead_source = 'META_ADS'";
    assert_eq!(app.count(owned).await, 60);
    let again = send(&setter, json!({ "filter": { "campaign": "verano" } })).await.json();
    assert_eq!(again["assigned"], 0, "what somebody owns is taken from nobody");
    assert!(again["results"].as_array().unwrap().iter().all(|result| result["error"] == "already_assigned"));
    assert_eq!(send(&setter, json!({ "filter": { "campaign": "otoño" } })).await.json()["assigned"], 5);
    for (body, field) in [
        (json!({ "seller_id": Person::Closer.id() }), "lead_ids"),
        (
            json!({ "lead_ids": [Person::Closer.id()], "filter": {}, "seller_id": Person::Closer.id() }),
            "filter",
        ),
        (json!({ "filter": { "limit": "5" }, "seller_id": Person::Closer.id() }), "limit"),
        (json!({ "filter": {} }), "seller_id"),
    ] {
        let answer = send(&ceo, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], field, "{answer:?}");
    }
    app.sql("INSERT INTO leads (tenant_id, first_name, lead_source) SELECT 1, 'Eva', 'META_ADS' FROM generate_series(1, 1000)").await;
    let many = send(&ceo, json!({ "filter": {}, "seller_id": Person::Closer.id() })).await;
    assert_eq!(many.status, StatusCode::BAD_REQUEST, "more than 1,000");
}

#[tokio::test]
async fn the_new_owner_sees_what_was_said_before_and_a_reopened_thread_is_theirs() {
    let app = TestApp::with_channel().await;
    let receipt = app.write_from(SOFIA, "m1", "Hola").await;
    let (ceo, setter, closer) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::Closer).await);
    app.json_as(&setter, Method::POST, &path(&receipt, "assign"), &json!({})).await;
    let thread = format!("/crm/conversations/{}", receipt["conversation_id"].as_str().unwrap());
    assert_eq!(app.post_as(&setter, &format!("{thread}/close")).await.status, StatusCode::NO_CONTENT);
    let to = json!({ "seller_id": Person::Closer.id() });
    assert_eq!(
        app.json_as(&ceo, Method::POST, &path(&receipt, "reassign"), &to).await.status,
        StatusCode::OK
    );
    assert_eq!(app.get_as(&closer, &format!("{thread}/messages")).await.status, StatusCode::OK);
    assert_eq!(app.get_as(&setter, &thread).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.post_as(&closer, &format!("{thread}/reopen")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        app.get_as(&closer, &thread).await.json()["assigned_seller_id"],
        Person::Closer.id().to_string()
    );
}
