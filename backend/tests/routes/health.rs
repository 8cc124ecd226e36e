//! `/health…`

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use crm_backend::{Stage, app};

use crate::harness::{TestApp, call, state};

/// Longest time any health route may take, whatever hangs.
const BOUND: Duration = Duration::from_secs(4);

#[tokio::test]
async fn all_is_well() {
    let app = TestApp::start().await;
    let answer = app.get("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let json = answer.json();
    assert_eq!(json["status"], "healthy");
    assert_eq!(json["release"], "0123456789ab.01234567");
    assert_eq!(json["checks"]["database"], "ok");
    assert_eq!(json["checks"]["redis"], "not_configured");
    assert_eq!(json["checks"]["scheduler"], "healthy");
}

async fn assert_away(dsn: &str) {
    let state = state(dsn, &[]);
    state.lifecycle().advance(Stage::Serving);
    let router = app(state);
    for (path, status) in [
        ("/health", StatusCode::SERVICE_UNAVAILABLE),
        ("/health/live", StatusCode::OK),
        ("/health/ready", StatusCode::OK),
        ("/scheduled-tasks/health", StatusCode::SERVICE_UNAVAILABLE),
        ("/admin/health/db", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let start = Instant::now();
        let answer = call(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(start.elapsed() < BOUND, "{path} took {:?}", start.elapsed());
        assert!(answer.json().get("error").is_none(), "{path} has its own shape");
    }
    let health = call(&router, Request::get("/health").body(Body::empty()).unwrap()).await.json();
    assert_eq!(
        (health["status"].as_str(), health["checks"]["database"].as_str()),
        (Some("degraded"), Some("away"))
    );
}

#[tokio::test]
async fn a_database_that_refuses_is_away_in_bounded_time() {
    assert_away("postgresql://crm_app@127.0.0.1:1/crm").await;
}

#[tokio::test]
async fn a_database_that_hangs_is_away_in_bounded_time() {
    // Takes connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let keeping = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
        }
    });
    assert_away(&format!("postgresql://crm_app@127.0.0.1:{port}/crm")).await;
    keeping.abort();
}

#[tokio::test]
async fn a_redis_that_is_away_degrades() {
    let app = TestApp::with(&[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", "1")]).await;
    let answer = app.get("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["status"], "degraded");
    assert_eq!(answer.json()["checks"]["redis"], "away");
    assert_eq!(app.login(crate::harness::Person::Ceo).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ready_follows_the_stages() {
    let state = state("postgresql://crm_app@127.0.0.1:1/crm", &[]);
    let router = app(state.clone());
    let ready =
        async || call(&router, Request::get("/health/ready").body(Body::empty()).unwrap()).await.status;
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE, "starting");
    for (stage, status) in [
        (Stage::Standby, StatusCode::OK),
        (Stage::Serving, StatusCode::OK),
        (Stage::Draining, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        state.lifecycle().advance(stage);
        assert_eq!(ready().await, status, "{stage:?}");
    }
    assert!(!state.lifecycle().advance(Stage::Serving), "nobody comes back from draining");
}

#[tokio::test]
async fn connections_that_died_while_idle_are_replaced_unnoticed() {
    let app = TestApp::start().await;
    let token = app.token(crate::harness::Person::Ceo).await;
    for pause in [0, 700] {
        for path in ["/auth/me", "/notifications/count"] {
            assert_eq!(app.get_as(&token, path).await.status, StatusCode::OK);
        }
        app.database.cut_connections().await;
        // Longer than an idle connection is trusted without asking it, or not at all.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        assert_eq!(app.get_as(&token, "/auth/me").await.status, StatusCode::OK, "after {pause} ms");
    }
    assert_eq!(app.get("/health").await.status, StatusCode::OK);
}
