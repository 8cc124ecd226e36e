//! `/auth/password`, `/auth/sessions` and `/admin/core/sessions`.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, TestApp, eventually};

const NEW: &str = "otro caballo sin bateria";

async fn change(app: &TestApp, token: &str, current: &str, new: &str) -> (StatusCode, String) {
    let body = json!({ "current": current, "new": new });
    let answer = app.json_as(token, Method::POST, "/auth/password", &body).await;
    let code = if answer.status.is_success() { String::new() } else { answer.code() };
    (answer.status, code)
}

#[tokio::test]
async fn a_new_password_asks_for_the_old_one_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let (here, there) = (app.token(Person::Setter).await, app.token(Person::Setter).await);
    let other = app.token(Person::Closer).await;
    assert_eq!(
        change(&app, &here, "nicht dies", NEW).await,
        (StatusCode::FORBIDDEN, "wrong_password".to_owned())
    );
    for easy in ["corto", "password123", "", PASSWORD, &"x".repeat(1025)] {
        let refused = change(&app, &here, PASSWORD, easy).await;
        assert_eq!(refused, (StatusCode::BAD_REQUEST, "invalid_request".to_owned()), "{easy}");
    }
    assert_eq!(app.get_as(&there, "/auth/me").await.status, StatusCode::OK, "nothing has changed yet");
    assert_eq!(change(&app, &here, PASSWORD, NEW).await.0, StatusCode::NO_CONTENT);
    assert_eq!(app.get_as(&here, "/auth/me").await.status, StatusCode::OK);
    assert_eq!(app.get_as(&there, "/auth/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get_as(&other, "/auth/me").await.status, StatusCode::OK, "somebody else's stay");
    assert_eq!(app.login(Person::Setter).await.status, StatusCode::UNAUTHORIZED, "the old one opens nothing");
    let body = json!({ "email": Person::Setter.email(), "password": NEW });
    assert_eq!(app.post("/auth/login", &body).await.status, StatusCode::OK);
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'user.password_changed'").await, 1);
}

#[tokio::test]
async fn guessing_the_old_one_is_throttled_like_a_login() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "3")]).await;
    let token = app.token(Person::Setter).await;
    let mut last = StatusCode::OK;
    eventually("it is throttled", async || {
        last = change(&app, &token, "falsch falsch", NEW).await.0;
        last != StatusCode::FORBIDDEN
    })
    .await;
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(change(&app, &token, PASSWORD, NEW).await.0, StatusCode::TOO_MANY_REQUESTS);
}

async fn sessions(app: &TestApp, token: &str, path: &str) -> Vec<Value> {
    let answer = app.get_as(token, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_and_by_the_ceo() {
    let app = TestApp::start().await;
    let (here, there) = (app.token(Person::Setter).await, app.token(Person::Setter).await);
    let (ceo, stranger) = (app.token(Person::Ceo).await, app.token(Person::OtherCeo).await);
    let own = sessions(&app, &here, "/auth/sessions").await;
    assert_eq!(own.len(), 2);
    assert_eq!(own.iter().filter(|session| session["current"] == true).count(), 1);
    let other =
        own.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap().to_owned();
    let all = sessions(&app, &ceo, "/admin/core/sessions").await;
    assert_eq!(all.len(), 3);
    let path = format!("/admin/core/sessions?user_id={}", Person::Setter.id());
    assert_eq!(sessions(&app, &ceo, &path).await.len(), 2);
    let end = async |token: &str, path: String| app.send_as(token, Method::DELETE, &path).await.status;
    let of_ceo =
        all.iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    for (token, path) in [
        (&here, format!("/auth/sessions/{of_ceo}")),
        (&stranger, format!("/admin/core/sessions/{other}")),
        (&ceo, "/admin/core/sessions/019b0000-0000-7000-8000-000000000000".to_owned()),
    ] {
        assert_eq!(end(token, path.clone()).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(app.get_as(&here, "/admin/core/sessions").await.status, StatusCode::FORBIDDEN);
    assert_eq!(end(&here, format!("/auth/sessions/{other}")).await, StatusCode::NO_CONTENT);
    assert_eq!(app.get_as(&there, "/auth/me").await.status, StatusCode::UNAUTHORIZED);
    let current = sessions(&app, &here, "/auth/sessions").await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(end(&ceo, format!("/admin/core/sessions/{current}")).await, StatusCode::NO_CONTENT);
    assert_eq!(app.get_as(&here, "/auth/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(end(&ceo, format!("/admin/core/sessions/{current}")).await, StatusCode::NOT_FOUND);
    let why = "SELECT count(*) FROM sessions WHERE revoked_reason = 'ended_by_ceo'";
    assert_eq!(app.count(why).await, 1);
}
