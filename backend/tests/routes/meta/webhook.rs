//! `/webhooks/meta`

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{GREETING, MetaApp, SECRET};
use crate::harness::{Answer, TestApp};

const PATH: &str = "/webhooks/meta";

fn signature(secret: &str, body: &[u8]) -> String {
    let mut digest = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    digest.update(body);
    format!("sha256={}", hex::encode(digest.finalize().into_bytes()))
}

async fn send(app: &TestApp, body: &[u8], signature: Option<&str>) -> Answer {
    let mut request = Request::post(PATH);
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature-256", signature);
    }
    app.call(request.body(Body::from(body.to_vec())).unwrap()).await
}

async fn signed(app: &TestApp, body: &Value) -> Answer {
    let body = body.to_string();
    send(app, body.as_bytes(), Some(&signature(SECRET, body.as_bytes()))).await
}

fn telling(leads: &[Value], page: &Value) -> Value {
    let changes: Vec<Value> = leads
        .iter()
        .map(|lead| json!({ "field": "leadgen", "value": { "leadgen_id": lead, "page_id": page, "form_id": 5 } }))
        .collect();
    json!({ "object": "page", "entry": [{ "id": page, "time": 1, "changes": changes }] })
}

const ROWS: &str = "SELECT count(*) FROM meta_lead_inbox";

#[tokio::test]
async fn a_greeting_gets_its_challenge_and_a_stranger_nothing() {
    let meta = MetaApp::start(1).await;
    let greeting = |mode: &str, token: &str, challenge: &str| {
        format!("{PATH}?hub.mode={mode}&hub.verify_token={token}&hub.challenge={challenge}")
    };
    let answer = meta.app.get(&greeting("subscribe", GREETING, "1158201444")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"1158201444"[..]));
    assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
    for path in [
        greeting("subscribe", "another-another-another", "1"),
        greeting("unsubscribe", GREETING, "1"),
        greeting("subscribe", GREETING, ""),
        greeting("subscribe", GREETING, "%3Cscript%3E%20"),
        greeting("subscribe", "", "1"),
        PATH.to_owned(),
    ] {
        assert_eq!(meta.app.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_server_without_meta_starts_and_says_so() {
    let app = TestApp::start().await;
    let unsigned = send(&app, b"{}", None).await;
    let greeted = app.get(&format!("{PATH}?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1")).await;
    for answer in [unsigned, greeted] {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "feature_unavailable"));
    }
    // With a secret alone leads come in, but nobody may greet.
    let app = TestApp::with(&[("META_APP_SECRET", SECRET)]).await;
    assert_eq!(signed(&app, &telling(&[json!(1)], &json!(2))).await.status, StatusCode::OK);
    let greeted = app.get(&format!("{PATH}?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1")).await;
    assert_eq!(greeted.code(), "feature_unavailable");
}

#[tokio::test]
async fn only_what_meta_signed_is_taken() {
    let meta = MetaApp::start(1).await;
    let body = telling(&[json!("1")], &json!("2")).to_string();
    let good = signature(SECRET, body.as_bytes());
    let other = signature("a1b2c3d4e5f60718293a4b5c6d7e8f91", body.as_bytes());
    let spaced = body.replace(',', ", ");
    for (body, header) in [
        (body.as_str(), None),
        (&body, Some("")),
        (&body, Some("sha256=")),
        (&body, Some("sha1=0000")),
        (&body, Some(other.as_str())),
        (&body, Some(&good[..good.len() - 1])),
        // The same JSON in other bytes.
        (&spaced, Some(&good)),
        ("", Some(&good)),
    ] {
        let answer = send(&meta.app, body.as_bytes(), header).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "bad_signature"), "{header:?}");
    }
    assert_eq!(meta.count(ROWS).await, 0);
    assert_eq!(send(&meta.app, body.as_bytes(), Some(&good)).await.status, StatusCode::OK);
    assert_eq!(meta.count(ROWS).await, 1);
}

#[tokio::test]
async fn strange_bodies_are_refused_or_passed_over_and_never_break_anything() {
    let meta = MetaApp::start(1).await;
    let refused: [&[u8]; 9] = [
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b"{\"entry\":7}",
        b"{\"entry\":[{\"changes\":[7]}]}",
        br#"{"entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":1.5,"page_id":2}}]}]}"#,
        br#"{"entry":[{"changes":[{"field":"leadgen","value":{"leadgen_id":"\u0000","page_id":"2"}}]}]}"#,
        br#"{"entry":[{"id":1,"changes":[{"field":"leadgen","value":null}]}]}"#,
    ];
    for body in refused {
        let answer = send(&meta.app, body, Some(&signature(SECRET, body))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(body));
    }
    let deep = format!("{{\"entry\":{}{}}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(
        send(&meta.app, deep.as_bytes(), Some(&signature(SECRET, deep.as_bytes()))).await.status.as_u16(),
        400
    );
    let long = vec![b' '; 2 * 1024 * 1024];
    assert_eq!(send(&meta.app, &long, Some(&signature(SECRET, &long))).await.status.as_u16(), 413);
    assert_eq!(meta.count(ROWS).await, 0);
    for body in [
        json!({}),
        json!({"object": "user", "entry": [{"id": "0", "changes": [{"field": "feed", "value": "x"}]}]}),
        json!({"entry": [{"id": 3, "later": {}, "changes": [{"field": "leadgen", "value":
            {"leadgen_id": "9", "note": "\u{0}", "created_time": "soon", "form_id": null}}]}]}),
    ] {
        assert_eq!(signed(&meta.app, &body).await.status, StatusCode::OK, "{body}");
    }
    assert_eq!(meta.count(ROWS).await, 1);
    // One bad id among good ones keeps no good one out.
    let mixed = signed(&meta.app, &telling(&[json!(10), json!({}), json!("11")], &json!(3))).await;
    assert_eq!((mixed.status, &mixed.json()), (StatusCode::OK, &json!({ "received": 2 })));
    assert_eq!(meta.count(ROWS).await, 3);
}

#[tokio::test]
async fn what_is_told_again_changes_nothing_and_a_run_is_planned_once() {
    let meta = MetaApp::start(1).await;
    for lead in [json!(77), json!("77"), json!(77)] {
        assert_eq!(
            signed(&meta.app, &telling(&[lead.clone(), lead], &json!("2"))).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(meta.count(ROWS).await, 1);
    assert_eq!(
        meta.count("SELECT count(*) FROM meta_lead_inbox WHERE leadgen_id = '77' AND page_id = '2'").await,
        1
    );
    assert_eq!(meta.count("SELECT count(*) FROM scheduled_run WHERE job = 'meta_intake'").await, 1);
}

#[tokio::test]
async fn the_same_leads_told_by_many_at_once_are_stored_once() {
    let meta = MetaApp::start(1).await;
    let forwards: Vec<Value> = (1..=40).map(Value::from).collect();
    let backwards: Vec<Value> = forwards.iter().rev().cloned().collect();
    let sending = (0..24).map(|n| {
        let leads = if n % 2 == 0 { &forwards } else { &backwards };
        signed_owned(&meta.app, telling(leads, &json!(2)))
    });
    for answer in futures_util::future::join_all(sending).await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(meta.count(ROWS).await, 40);
}

async fn signed_owned(app: &TestApp, body: Value) -> Answer {
    signed(app, &body).await
}

#[tokio::test]
async fn leads_of_an_unknown_page_wait_until_somebody_connects_it() {
    let mut meta = MetaApp::start(7).await;
    let leads = meta.simulator.send_forms(5);
    let told = meta.simulator.tell(&meta.webhook, &leads, Default::default()).await;
    assert_eq!((told.acknowledged, told.given_up), (5, 0));
    meta.replica();
    meta.run("meta_intake").await;
    let waiting = "SELECT count(*) FROM meta_lead_inbox WHERE tenant_id IS NULL AND reason = 'unknown_page' AND state = 'received'";
    assert_eq!(meta.count(waiting).await, 5);
    let connected = meta.connect().await;
    assert_eq!((connected.status, &connected.json()["adopted"]), (StatusCode::CREATED, &json!(5)));
    meta.all_is_stored().await;
}

#[tokio::test]
async fn while_there_is_nowhere_to_store_meta_is_asked_to_come_again() {
    let meta = MetaApp::start(1).await;
    meta.app.sql("DROP FUNCTION crm_meta_store(jsonb)").await;
    let answer = signed(&meta.app, &telling(&[json!(1)], &json!(2))).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
}
