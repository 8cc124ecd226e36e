//! `GET /config.json`

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn the_page_learns_where_it_is() {
    let more = [
        ("BACKEND_URL", "https://api.example.com/"),
        ("CRM_ENVIRONMENT", "staging"),
        ("ENABLE_METRICS_CACHE", "false"),
    ];
    let answer = TestApp::with(&more).await.get("/config.json").await;
    assert_eq!(
        answer.json(),
        json!({"api_url": "https://api.example.com", "environment": "staging", "release": "0123456789ab.01234567",
               "features": {"notifications": true, "scheduled_tasks": true, "metrics_cache": false}})
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains("postgres"));
}
