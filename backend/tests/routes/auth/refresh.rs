//! `POST /auth/refresh`

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestApp};

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post("/auth/refresh", &json!({"refresh_token": token})).await
}

fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_token_works_once_and_gives_the_next() {
    let app = TestApp::start().await;
    let first = text(&app.login(Person::Setter).await.json(), "refresh_token");
    let answer = refresh(&app, &first).await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert_ne!(text(&json, "refresh_token"), first);
    assert_eq!(app.get_as(&text(&json, "access_token"), "/auth/me").await.status, StatusCode::OK);
    assert_eq!(refresh(&app, &text(&json, "refresh_token")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_shown_twice_ends_the_whole_session_and_no_other() {
    let app = TestApp::start().await;
    let stolen = app.login(Person::Setter).await.json();
    let other = app.login(Person::Setter).await.json();
    let next = refresh(&app, &text(&stolen, "refresh_token")).await.json();
    assert_eq!(refresh(&app, &text(&stolen, "refresh_token")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&app, &text(&next, "refresh_token")).await.status, StatusCode::UNAUTHORIZED);
    for access in [text(&stolen, "access_token"), text(&next, "access_token")] {
        assert_eq!(app.get_as(&access, "/auth/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.get_as(&text(&other, "access_token"), "/auth/me").await.status, StatusCode::OK);
    let reason: String =
        sqlx::query_scalar("SELECT revoked_reason FROM sessions WHERE revoked_at IS NOT NULL")
            .fetch_one(&app.database.migrator)
            .await
            .unwrap();
    assert_eq!(reason, "reuse_detected");
}

#[tokio::test]
async fn of_two_at_once_at_most_one_gets_the_next() {
    let app = TestApp::start().await;
    let token = text(&app.login(Person::Setter).await.json(), "refresh_token");
    let (one, two) = tokio::join!(refresh(&app, &token), refresh(&app, &token));
    let good = [one.status, two.status].iter().filter(|status| **status == StatusCode::OK).count();
    assert!(good <= 1, "{} and {}", one.status, two.status);
}

#[tokio::test]
async fn a_disabled_account_gets_no_new_tokens() {
    let app = TestApp::start().await;
    let token = text(&app.login(Person::Setter).await.json(), "refresh_token");
    app.sql("UPDATE users SET status = 'suspended' WHERE email = 'setter@example.com'").await;
    assert_eq!(refresh(&app, &token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn expired_and_unknown_tokens_are_refused() {
    let app = TestApp::start().await;
    let token = text(&app.login(Person::Setter).await.json(), "refresh_token");
    app.sql("UPDATE refresh_tokens SET issued_at = now() - interval '9 days', expires_at = now() - interval '1 s'")
        .await;
    assert_eq!(refresh(&app, &token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&app, "no such token").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.post("/auth/refresh", &json!({})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_hashes_are_stored() {
    let app = TestApp::start().await;
    let token = text(&app.login(Person::Setter).await.json(), "refresh_token");
    let row: String = sqlx::query_scalar("SELECT row_to_json(r)::text FROM refresh_tokens r")
        .fetch_one(&app.database.migrator)
        .await
        .unwrap();
    assert!(!row.contains(&token));
}
