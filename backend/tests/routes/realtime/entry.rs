//! Who gets in, and who has to leave.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::Place;
use super::client::Client;
use crate::harness::{KEY, Person, TestApp};

/// What a refused client is told, and that it does not go on trying.
fn refusal(url: &str, auth: &Value) -> String {
    let client = Client::with(&json!({ "url": url, "auth": auth }));
    let refused = client.until("connect_error");
    assert_eq!(refused["active"], false, "{refused}");
    refused["message"].as_str().unwrap().to_owned()
}

/// A token with another end.
fn ending_in(token: &str, seconds: i64) -> String {
    let mut claims: Value = jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims;
    claims["exp"] = json!(chrono::Utc::now().timestamp() + seconds);
    encode(&Header::default(), &claims, &EncodingKey::from_secret(KEY.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_good_token_is_refused() {
    let place = Place::new().await;
    let good = place.app.token(Person::Setter).await;
    let evicted = place.app.token(Person::Closer).await;
    place.app.sql("UPDATE users SET status = 'suspended' WHERE email = 'closer@example.com'").await;
    let bad = [
        json!({}),
        json!({ "token": null }),
        json!({ "token": "" }),
        json!({ "token": ["a"] }),
        json!({ "token": format!("{good}x") }),
        json!({ "token": ending_in(&good, -1) }),
        json!({ "token": evicted }),
        json!({ "token": "x".repeat(8000) }),
    ];
    for auth in bad {
        assert_eq!(refusal(&place.url(), &auth), "unauthorized", "{auth}");
    }
    Client::connect(&place.url(), &good).ready();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_no_longer_come_in_is_sent_away() {
    let place = Place::new().await;
    let tokens = [
        place.app.token(Person::Setter).await,
        place.app.token(Person::Closer).await,
        place.app.token(Person::Ceo).await,
    ];
    let clients = tokens.each_ref().map(|token| {
        let client = Client::connect(&place.url(), token);
        client.ready();
        client
    });
    let brief = Client::connect(&place.url(), &ending_in(&tokens[2], 2));
    brief.ready();
    place.app.sql("UPDATE users SET status = 'suspended' WHERE email = 'setter@example.com'").await;
    assert_eq!(place.app.post_as(&tokens[1], "/auth/logout").await.status, StatusCode::NO_CONTENT);
    for (client, why) in [(&clients[0], "disabled"), (&clients[1], "logged out"), (&brief, "the token ended")]
    {
        let gone = client.until("disconnect");
        assert_eq!(gone["code"], 4401, "{why}: {gone}");
        assert_eq!(client.until("connect_error")["message"], "unauthorized", "{why}");
    }
    assert_eq!(clients[2].events(), Vec::<String>::new(), "the others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_at_most_twenty() {
    let place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let many = Client::with(&json!({ "url": place.url(), "auth": { "token": token }, "sockets": 20 }));
    many.ready();
    assert_eq!(refusal(&place.url(), &json!({ "token": token })), "too_many_sockets");
    Client::connect(&place.url(), &place.app.token(Person::Ceo).await).ready();
    drop(many);
    crate::harness::eventually("there is room again", async || {
        let client = Client::connect(&place.url(), &token);
        client.rest().iter().any(|line| line["event"] == "ready")
    })
    .await;
}

/// A handshake, changed.
fn handshake(query: &str, change: impl FnOnce(&mut Request<Body>)) -> Request<Body> {
    let mut request = Request::get(format!("/socket.io/?{query}")).body(Body::empty()).unwrap();
    let headers = request.headers_mut();
    for (name, value) in [
        (header::HOST, "crm.example.com"),
        (header::CONNECTION, "keep-alive, Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    change(&mut request);
    request
}

#[tokio::test]
async fn what_is_no_websocket_of_ours_is_refused_with_the_reason() {
    let app = TestApp::with(&[("CORS_ORIGINS", "https://page.example.com")]).await;
    let good = "EIO=4&transport=websocket";
    let answer = app.call(handshake(good, |_| ())).await;
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS, "{answer:?}");
    // RFC 6455, 1.3.
    assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

    for query in ["EIO=4&transport=polling", "EIO=4", "", "EIO=4&transport=websocket&sid=abc"] {
        let answer = app.call(handshake(query, |_| ())).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "transport_not_supported"),
            "{query}"
        );
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("transports: ['websocket']"));
    }
    for query in ["EIO=3&transport=websocket", "transport=websocket", "EIO=4&EIO=3&transport=websocket"] {
        assert_eq!(app.call(handshake(query, |_| ())).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
    for name in [header::CONNECTION, header::UPGRADE] {
        let answer = app.call(handshake(good, |request| drop(request.headers_mut().remove(&name)))).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (426, "upgrade_required"), "{name}");
    }
    for name in [header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION] {
        let answer = app.call(handshake(good, |request| drop(request.headers_mut().remove(&name)))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let from = async |origin: &str| {
        let origin = origin.parse().unwrap();
        app.call(handshake(good, |request| drop(request.headers_mut().insert(header::ORIGIN, origin)))).await
    };
    for known in ["https://page.example.com", "https://crm.example.com"] {
        assert_eq!(from(known).await.status, StatusCode::SWITCHING_PROTOCOLS, "{known}");
    }
    for other in
        ["https://evil.example.com", "null", "https://crm.example.com.evil.com", "http://page.example.com"]
    {
        let answer = from(other).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "origin_not_allowed"),
            "{other}"
        );
    }
    app.state.lifecycle().advance(crm_backend::Stage::Draining);
    let late = app.call(handshake(good, |_| ())).await.status;
    assert_eq!(late, StatusCode::SWITCHING_PROTOCOLS, "whoever comes last is sent over with all others");
}
