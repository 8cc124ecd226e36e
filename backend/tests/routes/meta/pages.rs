//! `/crm/meta/pages` and `/crm/meta/intake`

use axum::http::{Method, StatusCode};
use crm_backend::simulator::{Manner, Mode};
use serde_json::json;

use super::MetaApp;
use crate::harness::{Person, TestApp};

#[tokio::test]
async fn a_token_goes_in_and_never_comes_out() {
    let meta = MetaApp::start(31).await;
    let token = meta.simulator.options().token.clone();
    let connected = meta.connect().await;
    assert_eq!(connected.status, StatusCode::CREATED, "{connected:?}");
    let ceo = meta.app.token(Person::Ceo).await;
    let list = meta.app.get_as(&ceo, "/crm/meta/pages").await;
    let page = &list.json()["pages"][0];
    assert_eq!((page["name"].as_str(), page["has_token"].as_bool()), (Some("Página simulada"), Some(true)));
    assert_eq!((page["status"].as_str(), page["token_expires_at"].is_null()), (Some("active"), true));
    for answer in [&connected, &list] {
        assert!(!String::from_utf8_lossy(&answer.body).contains(&token));
    }
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed_token FROM meta_pages")
        .fetch_one(&meta.app.database.migrator)
        .await
        .unwrap();
    assert!(!sealed.windows(9).any(|part| part == b"SIMULATED"));
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'meta_page.connected' AND entity_id = '100000000000001'";
    assert_eq!(meta.count(audited).await, 1);
    // Connecting again gives it a new token; the page stays one.
    assert_eq!(meta.connect().await.status, StatusCode::CREATED);
    assert_eq!(meta.count("SELECT count(*) FROM meta_pages").await, 1);
}

#[tokio::test]
async fn only_a_token_of_that_page_which_reads_leads_is_accepted() {
    let meta = MetaApp::start(32).await;
    let (page, token) = (meta.simulator.options().page_id.clone(), meta.simulator.options().token.clone());
    for (page, token) in [
        (page.as_str(), "another-token-of-somebody"),
        ("100000000000002", &token),
        ("not a number", &token),
        (&page, "short"),
        (&page, "with spaces in the middle"),
    ] {
        let refused = meta.connect_as(Person::Ceo, page, token).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{page} {token}"
        );
        assert!(!String::from_utf8_lossy(&refused.body).contains(token), "{refused:?}");
    }
    for (mode, status) in [
        (Mode::AccessHidden, 400),
        (Mode::TokenExpired, 400),
        (Mode::Away, 503),
        (Mode::Busy, 503),
        (Mode::Wrong, 503),
        (Mode::Slow, 503),
    ] {
        meta.simulator.behave(mode);
        assert_eq!(meta.connect().await.status.as_u16(), status, "{mode:?}");
    }
    assert_eq!(meta.count("SELECT count(*) FROM meta_pages").await, 0);
}

#[tokio::test]
async fn a_page_belongs_to_one_tenant() {
    let meta = MetaApp::start(33).await;
    assert_eq!(meta.connect().await.status, StatusCode::CREATED);
    let options = meta.simulator.options();
    let taken = meta.connect_as(Person::OtherCeo, &options.page_id, &options.token).await;
    assert_eq!((taken.status, taken.code().as_str()), (StatusCode::CONFLICT, "page_taken"));
    let other = meta.app.token(Person::OtherCeo).await;
    assert_eq!(meta.app.get_as(&other, "/crm/meta/pages").await.json()["pages"], json!([]));
    let path = format!("/crm/meta/pages/{}", options.page_id);
    assert_eq!(meta.app.send_as(&other, Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    // Given up by the one, it can be the other's; leads stay where they were.
    let ceo = meta.app.token(Person::Ceo).await;
    assert_eq!(meta.app.send_as(&ceo, Method::DELETE, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(meta.app.send_as(&ceo, Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    let moved = meta.connect_as(Person::OtherCeo, &options.page_id, &options.token).await;
    assert_eq!(moved.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_is_shown_without_any_data_of_people() {
    let meta = MetaApp::working(34).await;
    meta.run("meta_reconciliation").await;
    let leads = meta.simulator.send_forms(10);
    meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    meta.all_is_stored().await;
    let ceo = meta.app.token(Person::Ceo).await;
    let answer = meta.app.get_as(&ceo, "/crm/meta/intake").await;
    let intake = answer.json();
    assert_eq!(intake["counts"]["assigned"], 10);
    assert_eq!(intake["forms"].as_array().unwrap().len(), 3);
    assert_eq!(intake["forms"][0]["name"], "Formulario 0");
    assert!(intake["last_lead_at"].is_string() && intake["last_webhook_at"].is_string());
    assert_eq!((&intake["troubles"], &intake["last_error"]), (&json!([]), &json!(null)));
    let other = meta.app.token(Person::OtherCeo).await;
    assert_eq!(meta.app.get_as(&other, "/crm/meta/intake").await.json()["counts"]["assigned"], 0);
}

#[tokio::test]
async fn without_meta_no_page_can_be_connected() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    let body = json!({ "page_id": "1", "token": "a-token-of-a-page" });
    let answer = app.json_as(&ceo, Method::POST, "/crm/meta/pages", &body).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "feature_unavailable"));
    assert_eq!(app.get_as(&ceo, "/crm/meta/pages").await.json()["pages"], json!([]));
}
