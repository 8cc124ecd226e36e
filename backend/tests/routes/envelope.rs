//! What every answer carries, whatever it is.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use crate::harness::{Answer, Person, TestApp};

fn assert_dressed(answer: &Answer, label: &str) {
    for (name, value) in [
        ("x-crm-release", "0123456789ab.01234567"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ] {
        assert_eq!(answer.header(name), value, "{label}: {name}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{label}");
    assert!(answer.header("x-request-id").len() >= 8, "{label}");
    let timing = answer.header("server-timing");
    assert!(timing.starts_with("app;dur=") && timing.contains(", db;dur="), "{label}: {timing}");
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let json = answer.json();
        assert!(json["error"]["code"].is_string() && json["error"]["message"].is_string(), "{label}: {json}");
        assert_eq!(json["error"]["request_id"], answer.header("x-request-id"), "{label}");
        assert_eq!(answer.header("cache-control"), "no-store", "{label}");
    }
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_answer_is_dressed() {
    let app = TestApp::with(&[("BODY_LIMIT_BYTES", "2048")]).await;
    let json = |body: &str| {
        let request = Request::post("/auth/login").header(header::CONTENT_TYPE, "application/json");
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let long = format!("{{\"email\":\"{}\"}}", "a".repeat(4_000));
    for (label, request, status) in [
        ("200", request(Method::GET, "/health"), StatusCode::OK),
        ("page", request(Method::GET, "/"), StatusCode::OK),
        ("401", request(Method::GET, "/auth/me"), StatusCode::UNAUTHORIZED),
        ("404", request(Method::GET, "/nothing/here"), StatusCode::NOT_FOUND),
        ("405", request(Method::DELETE, "/health"), StatusCode::METHOD_NOT_ALLOWED),
        ("400 syntax", json("{"), StatusCode::BAD_REQUEST),
        ("400 type", json("{\"email\": 3}"), StatusCode::BAD_REQUEST),
        ("413", json(&long), StatusCode::PAYLOAD_TOO_LARGE),
        (
            "415",
            Request::post("/auth/login").body(Body::from("x=1")).unwrap(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("400 path", request(Method::GET, "/scheduled-tasks/%ff"), StatusCode::NOT_FOUND),
    ] {
        let answer = app.call(request).await;
        assert_eq!(answer.status, status, "{label}");
        assert_dressed(&answer, label);
    }
}

#[tokio::test]
async fn a_broken_query_is_a_dressed_500_without_internals() {
    let app = TestApp::start().await;
    let token = app.token(Person::Ceo).await;
    app.sql("ALTER TABLE users RENAME COLUMN first_name TO given_name").await;
    let answer = app.get_as(&token, "/auth/me").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
    assert_dressed(&answer, "500");
    assert!(!String::from_utf8_lossy(&answer.body).contains("first_name"));
}

#[tokio::test]
async fn a_plain_request_id_is_kept_and_another_replaced() {
    let app = TestApp::start().await;
    for (given, kept) in [("abcdef-0123456789", true), ("a b", false), ("x", false), (&"y".repeat(65), false)]
    {
        let request = Request::get("/health/live").header("x-request-id", given).body(Body::empty()).unwrap();
        assert_eq!(app.call(request).await.header("x-request-id") == given, kept, "{given}");
    }
}

#[tokio::test]
async fn only_configured_origins_are_allowed() {
    let app = TestApp::with(&[("CORS_ORIGINS", "https://crm.example.com")]).await;
    for (origin, allowed) in [
        ("https://crm.example.com", true),
        ("https://crm.example.com.evil.org", false),
        ("http://crm.example.com", false),
        ("null", false),
    ] {
        let preflight = Request::builder().method(Method::OPTIONS).uri("/auth/login");
        let preflight = preflight
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
        for request in [
            preflight.body(Body::empty()).unwrap(),
            Request::get("/health/live").header(header::ORIGIN, origin).body(Body::empty()).unwrap(),
        ] {
            let answer = app.call(request).await;
            let given = answer.header("access-control-allow-origin");
            assert_eq!(given, if allowed { origin } else { "" });
            assert_eq!(answer.header("access-control-allow-credentials"), "");
            assert_dressed(&answer, origin);
        }
    }
}

#[tokio::test]
async fn head_answers_like_get() {
    let app = TestApp::start().await;
    assert_eq!(app.call(request(Method::HEAD, "/health/live")).await.status, StatusCode::OK);
}
