//! `POST /auth/logout`

use axum::http::StatusCode;

use crate::harness::{Person, TestApp};

#[tokio::test]
async fn after_logout_no_token_of_the_session_works() {
    let app = TestApp::start().await;
    let login = app.login(Person::Ceo).await.json();
    let other = app.token(Person::Ceo).await;
    let access = login["access_token"].as_str().unwrap();
    assert_eq!(app.post_as(access, "/auth/logout").await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get_as(access, "/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let refresh = serde_json::json!({"refresh_token": login["refresh_token"]});
    assert_eq!(app.post("/auth/refresh", &refresh).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get_as(&other, "/auth/me").await.status, StatusCode::OK, "another session goes on");
}
