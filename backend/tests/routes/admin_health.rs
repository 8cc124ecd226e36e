//! `GET /admin/health/db`

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::{Person, TestApp};

#[tokio::test]
async fn a_stranger_gets_one_word() {
    let app = TestApp::start().await;
    let answer = app.get("/admin/health/db").await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"status": "healthy"})));
    let seller = app.get_as(&app.token(Person::Setter).await, "/admin/health/db").await;
    assert_eq!(seller.json(), json!({"status": "healthy"}));
}

#[tokio::test]
async fn a_ceo_gets_figures() {
    let app = TestApp::start().await;
    let json = app.get_as(&app.token(Person::Ceo).await, "/admin/health/db").await.json();
    assert!(json["latency_ms"].as_f64().unwrap() > 0.0);
    assert!(json["query_p95_ms"].as_f64().unwrap() > 0.0);
    let pool = &json["pool"];
    assert_eq!(pool["max"], 10);
    assert_eq!(
        pool["size"].as_u64(),
        Some(pool["idle"].as_u64().unwrap() + pool["in_use"].as_u64().unwrap())
    );
    assert_eq!(json["migrations"], json!({"applied": 16, "pending": 0, "latest": 26}));
}

#[tokio::test]
async fn a_bad_token_is_refused_rather_than_taken_for_none() {
    let app = TestApp::start().await;
    assert_eq!(app.get_as("nonsense", "/admin/health/db").await.status, StatusCode::UNAUTHORIZED);
}
