//! `/admin/core/sellers/rules` and `/admin/core/sellers/{id}/shift`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};

const RULES: &str = "/admin/core/sellers/rules";

fn fields(answer: &Value) -> Vec<&str> {
    let fields = answer["error"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields.iter().map(|field| field["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_rule_is_made_read_changed_and_removed_with_an_audit() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let body = json!({ "name": " Turnos ", "priority": 5, "strategy": "round_robin", "max_open": 20,
                       "lead_sources": ["META_ADS", "META_ADS"] });
    let answer = app.json_as(&ceo, Method::POST, RULES, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let rule = answer.json();
    assert_eq!(rule["name"], "Turnos");
    assert_eq!(rule["lead_sources"], json!(["META_ADS"]));
    assert_eq!((&rule["active"], &rule["max_per_day"]), (&json!(true), &Value::Null));
    assert_eq!(rule["seller_roles"], json!(["setter", "closer"]));
    let path = format!("{RULES}/{}", rule["id"].as_str().unwrap());
    assert_eq!(app.get_as(&ceo, &path).await.json(), rule);
    let changed =
        app.json_as(&ceo, Method::PATCH, &path, &json!({ "max_open": null, "active": false })).await.json();
    assert_eq!(
        (&changed["max_open"], &changed["active"], &changed["name"]),
        (&Value::Null, &json!(false), &json!("Turnos"))
    );
    // Replacing forgets what is not given.
    let put = json!({ "name": "Otros", "priority": 1, "strategy": "sticky" });
    let replaced = app.json_as(&ceo, Method::PUT, &path, &put).await.json();
    assert_eq!((&replaced["active"], &replaced["lead_sources"]), (&json!(true), &json!([])));
    let second = json!({ "name": "Otros", "priority": 2, "strategy": "least_open" });
    let taken = app.json_as(&ceo, Method::POST, RULES, &second).await;
    assert_eq!((taken.status, taken.code().as_str()), (StatusCode::CONFLICT, "name_taken"));
    let earlier = json!({ "name": "Antes", "priority": 0, "strategy": "least_open" });
    app.json_as(&ceo, Method::POST, RULES, &earlier).await;
    let listed = app.get_as(&ceo, RULES).await.json();
    let names: Vec<&str> =
        listed["rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Antes", "Otros"]);
    assert_eq!(app.send_as(&ceo, Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.send_as(&ceo, Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get_as(&ceo, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action LIKE 'rule.%'").await, 5);
}

#[tokio::test]
async fn every_mistake_in_a_rule_is_named() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let nothing = app.json_as(&ceo, Method::POST, RULES, &json!({})).await.json();
    assert_eq!(fields(&nothing), ["name", "priority", "strategy"]);
    let bad = json!({ "name": " ", "priority": -1, "strategy": "dice", "lead_sources": ["meta"], "lead_statuses": ["sold"],
                      "seller_roles": ["ceo"], "max_open": 0, "max_per_day": 10001 });
    let answer = app.json_as(&ceo, Method::POST, RULES, &bad).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let expected = [
        "name",
        "priority",
        "strategy",
        "lead_sources",
        "lead_statuses",
        "seller_roles",
        "max_open",
        "max_per_day",
    ];
    assert_eq!(fields(&answer.json()), expected);
    let nobody = json!({ "name": "x", "priority": 1, "strategy": "sticky", "seller_roles": [] });
    assert_eq!(fields(&app.json_as(&ceo, Method::POST, RULES, &nobody).await.json()), ["seller_roles"]);
    assert_eq!(app.count("SELECT count(*) FROM assignment_rules").await, 0);
}

#[tokio::test]
async fn rules_are_the_tenants_own() {
    let app = TestApp::start().await;
    let (ceo, other) = (app.token(Person::Ceo).await, app.token(Person::OtherCeo).await);
    let body = json!({ "name": "Turnos", "priority": 5, "strategy": "round_robin" });
    let rule = app.json_as(&ceo, Method::POST, RULES, &body).await.json();
    let path = format!("{RULES}/{}", rule["id"].as_str().unwrap());
    for (method, body) in [(Method::PUT, body.clone()), (Method::PATCH, json!({ "priority": 1 }))] {
        assert_eq!(app.json_as(&other, method, &path, &body).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.send_as(&other, Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get_as(&other, RULES).await.json()["rules"], json!([]));
    // The same name is free there.
    assert_eq!(app.json_as(&other, Method::POST, RULES, &body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_shift_is_checked_and_kept() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let path = format!("/admin/core/sellers/{}/shift", Person::Setter.id());
    assert_eq!(app.get_as(&ceo, &path).await.json(), json!({ "shift": null }));
    let night = json!({ "shift": { "fri": [["22:00", "06:00"]] } });
    assert_eq!(app.json_as(&ceo, Method::PUT, &path, &night).await.json(), night);
    assert_eq!(app.get_as(&ceo, &path).await.json(), night);
    for bad in [json!({ "lunes": [] }), json!({ "mon": [["9", "18"]] }), json!([]), json!("always")] {
        let answer = app.json_as(&ceo, Method::PUT, &path, &json!({ "shift": bad })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(fields(&answer.json()), ["shift"]);
    }
    for wrong in [Person::Secretary, Person::OtherCeo] {
        let path = format!("/admin/core/sellers/{}/shift", wrong.id());
        assert_eq!(app.json_as(&ceo, Method::PUT, &path, &night).await.status, StatusCode::NOT_FOUND);
    }
}
