//! `GET /auth/me`, and with it what every route with a token promises.

use axum::http::StatusCode;

use crate::harness::{Person, TestApp};

#[tokio::test]
async fn it_says_who_i_am_and_stores_nothing() {
    let app = TestApp::start().await;
    let answer = app.get_as(&app.token(Person::Closer).await, "/auth/me").await;
    let json = answer.json();
    assert_eq!((json["email"].as_str(), json["role"].as_str()), (Some("closer@example.com"), Some("closer")));
    assert_eq!(answer.header("cache-control"), "no-store");
    let database = answer.header("server-timing").split("db;dur=").nth(1).unwrap().parse::<f64>().unwrap();
    assert!(database > 0.0);
}

#[tokio::test]
async fn who_is_disabled_demoted_or_evicted_is_refused_at_once() {
    for change in [
        "UPDATE users SET status = 'suspended' WHERE email = 'ceo@example.com'",
        "UPDATE users SET role = 'secretary' WHERE email = 'ceo@example.com'",
        "UPDATE users SET token_version = token_version + 1 WHERE email = 'ceo@example.com'",
        "UPDATE tenants SET status = 'suspended' WHERE id = 1",
        "UPDATE sessions SET expires_at = now() - interval '1 s'",
        "DELETE FROM sessions",
    ] {
        let app = TestApp::start().await;
        let token = app.token(Person::Ceo).await;
        assert_eq!(app.get_as(&token, "/auth/me").await.status, StatusCode::OK);
        app.sql(change).await;
        for path in ["/auth/me", "/scheduled-tasks/status", "/admin/health/db"] {
            assert_eq!(app.get_as(&token, path).await.status, StatusCode::UNAUTHORIZED, "{change}, {path}");
        }
    }
}

#[tokio::test]
async fn the_tenant_in_a_query_is_only_a_claim() {
    let app = TestApp::start().await;
    let token = app.token(Person::Ceo).await;
    for (query, status) in [
        ("?tenant_id=1", StatusCode::OK),
        ("?tenant_id=2", StatusCode::FORBIDDEN),
        ("?tenant_id=99999999999999", StatusCode::FORBIDDEN),
        ("?tenant_id=one", StatusCode::BAD_REQUEST),
        ("?tenant_id=", StatusCode::BAD_REQUEST),
        ("?tenant_id=1&tenant_id=1", StatusCode::BAD_REQUEST),
        ("?a=1&a=2", StatusCode::BAD_REQUEST),
        ("?a=1&%61=2", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(app.get_as(&token, &format!("/auth/me{query}")).await.status, status, "{query}");
    }
}
