//! `GET /`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::harness::TestApp;

#[tokio::test]
async fn the_page_shows_the_release_and_its_style_is_allowed() {
    let answer = TestApp::start().await.get("/").await;
    let html = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(html.contains("0123456789ab.01234567") && html.contains("lang=\"es\"") && !html.contains("{{"));
    assert!(html.contains("href=\"/openapi.json\""));
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    assert!(answer.header("content-security-policy").contains(&format!("style-src 'sha256-{hash}'")));
}
