//! Every bad token is refused, all in the same way.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{KEY, Person, TestApp};

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn signed(claims: &Value, algorithm: Algorithm, key: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
}

/// The good claims with one changed, or removed when it is null.
fn with(good: &Value, name: &str, value: Value) -> Value {
    let mut claims = good.clone();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn unsigned(claims: &Value) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims.clone()))
}

fn flipped(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let middle = token.rfind('.').unwrap() + 5;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

fn bad_tokens(good: &str) -> Vec<(String, String)> {
    let claims = claims_of(good);
    let now = chrono::Utc::now().timestamp();
    let mut bad = vec![
        ("empty".to_owned(), String::new()),
        ("nonsense".to_owned(), "nonsense".to_owned()),
        ("too long".to_owned(), "a".repeat(10_000)),
        ("no signature".to_owned(), good.rsplit_once('.').unwrap().0.to_owned()),
        ("flipped".to_owned(), flipped(good)),
        ("alg none".to_owned(), unsigned(&claims)),
        ("other algorithm".to_owned(), signed(&claims, Algorithm::HS512, KEY)),
        ("other key".to_owned(), signed(&claims, Algorithm::HS256, &KEY.replace('f', "0"))),
    ];
    let mut changed = vec![
        ("exp", json!(now - 1)),
        ("iat", json!(now + 3_600)),
        ("iss", json!("somebody")),
        ("aud", json!("something")),
        ("sub", json!(Person::Setter.id())),
        ("sub", json!("nobody")),
        ("tid", json!(2)),
        ("tid", json!("1; DROP TABLE users")),
        ("role", json!("setter")),
        ("role", json!("root")),
        ("ver", json!(-1)),
        ("sid", json!(Uuid::nil())),
    ];
    changed.extend(
        ["exp", "iat", "iss", "aud", "sub", "tid", "role", "ver", "sid", "jti"].map(|n| (n, Value::Null)),
    );
    bad.extend(changed.into_iter().map(|(name, value)| {
        let label = format!("{name} = {value}");
        (label, signed(&with(&claims, name, value), Algorithm::HS256, KEY))
    }));
    bad
}

#[tokio::test]
async fn every_bad_token_is_refused() {
    let app = TestApp::start().await;
    let good = app.token(Person::Ceo).await;
    for (label, token) in bad_tokens(&good) {
        let answer = app.get_as(&token, "/auth/me").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNAUTHORIZED, "unauthorized"),
            "{label}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(app.get_as(&good, "/auth/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_a_bearer_header_is_a_token() {
    let app = TestApp::start().await;
    let good = app.token(Person::Ceo).await;
    for (value, status) in [
        (format!("bearer {good}"), StatusCode::OK),
        (format!("Basic {good}"), StatusCode::UNAUTHORIZED),
        (good.clone(), StatusCode::UNAUTHORIZED),
        ("Bearer".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::get("/auth/me").header(header::AUTHORIZATION, &value);
        let answer = app.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{}", &value[..10.min(value.len())]);
    }
    assert_eq!(app.get(&format!("/auth/me?access_token={good}")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_of_the_previous_key_still_works_and_new_ones_use_the_current() {
    let next = KEY.replace("f3a9", "77b1");
    let app = TestApp::with(&[("JWT_SECRET", &next), ("JWT_SECRET_PREVIOUS", KEY)]).await;
    let good = app.token(Person::Ceo).await;
    let of_before = signed(&claims_of(&good), Algorithm::HS256, KEY);
    assert_ne!(good, of_before);
    assert_eq!(app.get_as(&of_before, "/auth/me").await.status, StatusCode::OK);
}
