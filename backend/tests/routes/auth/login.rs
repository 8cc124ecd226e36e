//! `POST /auth/login`

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, TestApp};

async fn attempt(app: &TestApp, email: &str, password: &str) -> crate::harness::Answer {
    app.post("/auth/login", &json!({"email": email, "password": password})).await
}

#[tokio::test]
async fn a_good_login_gives_tokens_and_the_user() {
    let app = TestApp::start().await;
    let answer = attempt(&app, " CEO@Example.com ", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 900);
    assert!(json["refresh_token"].as_str().unwrap().len() >= 40);
    assert_eq!(
        json["user"],
        json!({"id": Person::Ceo.id(), "email": "ceo@example.com", "role": "ceo", "tenant_id": 1,
               "names": {"first": "Ceo", "last": "Prueba"}, "locale": "es"})
    );
    let token = json["access_token"].as_str().unwrap();
    assert_eq!(app.get_as(token, "/auth/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_and_wrong_look_the_same() {
    let app = TestApp::start().await;
    let without_id = |mut json: Value| {
        json["error"]["request_id"].take();
        json
    };
    let wrong = attempt(&app, "ceo@example.com", "not the password").await;
    let unknown = attempt(&app, "nobody@example.com", "not the password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!(without_id(wrong.json()), without_id(unknown.json()));
    let names = |answer: &crate::harness::Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
}

#[tokio::test]
async fn unknown_and_wrong_take_the_same_time() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "1000")]).await;
    // In turns and the fastest of each, so that a busy machine disturbs both alike.
    let (mut wrong, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..8 {
        for (email, best) in [("ceo@example.com", &mut wrong), ("nobody@example.com", &mut unknown)] {
            let start = Instant::now();
            attempt(&app, email, "not the password").await;
            *best = start.elapsed().min(*best);
        }
    }
    let ratio = wrong.as_secs_f64() / unknown.as_secs_f64();
    // Without the same work for both it would be far above ten.
    assert!((0.3..3.0).contains(&ratio), "wrong {wrong:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn closed_accounts_are_named_only_to_who_knows_the_password() {
    let app = TestApp::start().await;
    for (person, code) in [
        (Person::Suspended, "account_suspended"),
        (Person::Pending, "account_pending"),
        (Person::Evicted, "account_suspended"),
    ] {
        let answer = app.login(person).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, code));
        let answer = attempt(&app, &person.email(), "not the password").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn an_account_is_throttled_after_failures_even_with_the_right_password() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "3")]).await;
    for _ in 0..3 {
        assert_eq!(attempt(&app, "ceo@example.com", "x").await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = app.login(Person::Ceo).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(app.login(Person::Setter).await.status, StatusCode::OK, "others are not concerned");
}

#[tokio::test]
async fn an_unknown_account_is_throttled_like_a_known_one() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "2")]).await;
    for _ in 0..2 {
        attempt(&app, "nobody@example.com", "x").await;
    }
    assert_eq!(attempt(&app, "nobody@example.com", "x").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn successes_never_count() {
    let app =
        TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "2"), ("LOGIN_FAILURES_PER_ADDRESS", "2")]).await;
    for _ in 0..4 {
        assert_eq!(app.login(Person::Ceo).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn many_at_once_get_no_more_tries_than_one_after_the_other() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "3")]).await;
    let attempts = (0..30).map(|_| attempt(&app, "ceo@example.com", "x"));
    let answers = futures_util::future::join_all(attempts).await;
    let tried = answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(tried <= 3 + cores, "{tried} passwords were tried");
}

#[tokio::test]
async fn malformed_requests_name_every_field() {
    let app = TestApp::start().await;
    for (body, fields) in [
        (json!({}), vec!["email", "password"]),
        (json!({"email": "nonsense", "password": ""}), vec!["email", "password"]),
        (json!({"email": "a@b", "password": "x".repeat(2_000)}), vec!["password"]),
        (json!({"email": "a@b", "password": "x", "tenant_id": 2}), vec!["tenant_id"]),
        (json!({"email": "a\u{0}@b", "password": "x"}), vec!["email"]),
    ] {
        let answer = app.post("/auth/login", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let json = answer.json();
        let named: Vec<&str> = json["error"]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["field"].as_str().unwrap())
            .collect();
        assert_eq!(named, fields, "{body}");
    }
}

#[tokio::test]
async fn the_password_hash_never_leaves() {
    let app = TestApp::start().await;
    let answer = app.login(Person::Ceo).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("argon2"));
}
