//! `GET /openapi.json`

use std::collections::BTreeSet;

use crm_backend::permissions;

use crate::harness::TestApp;

#[tokio::test]
async fn the_document_covers_every_route_with_its_policy() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").await.json();
    let declared: BTreeSet<(String, String)> =
        permissions(&app.state).0.into_iter().map(|p| (p.path, p.method.as_str().to_lowercase())).collect();
    let mut written = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["x-policy"].is_string(), "{method} {path}");
            let description = operation.get("summary").or(operation.get("description"));
            assert!(description.is_some(), "{method} {path} says nothing");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
            written.insert((path.clone(), method.clone()));
        }
    }
    assert_eq!(written, declared);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = TestApp::start().await.get("/openapi.json").await.json();
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
