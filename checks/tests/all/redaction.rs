//! A canary secret goes everywhere a secret can go, and comes out nowhere.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{any, post};
use axum::{Json, Router};
use checks::{Outcome, Variables};
use serde_json::json;

use crate::server::Server;

const PASSWORD: &str = "canary \"pass\\word\" ñ&=%";
const TOKEN: &str = "canary-token-1234567890";
const UNTOLD: &str = "canary-untold-987654321";

const SUITE: &str = r#"schema = 1
[session.ceo]
email = "ceo@crm.test"
password_key = "CANARY"
[http.login]
method = "POST"
path = "/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = ["status == 200"]
capture = { token = "$.access_token" }
[http.login-shape]
method = "POST"
path = "/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = [
  "status == 200",
  "$.access_token is number",
  "$.refresh_token == 'x'",
  "$ is array",
  "$.session is number",
  "$.session.refresh_token not exists",
  "body contains 'nothing of the kind'",
]
[http.echo]
session = "ceo"
method = "POST"
path = "/echo/{{ceo.password}}/{{login.token}}?password={{ceo.password}}"
headers = { x-token = "{{login.token}}" }
json = { password = "{{ceo.password}}" }
expect = [
  "status == 400",
  "body == '{{ceo.password}}'",
  "header 'x-echo' == '{{login.token}}'",
  "body contains '{{login.token}} and more'",
]
[http.echo-status]
session = "ceo"
path = "/echo/{{ceo.password}}/{{login.token}}"
expect = ["status == 200"]
[http.login-status]
method = "POST"
path = "/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = ["status == 201"]
[http.bad-header]
path = "/"
headers = { x-password = "{{ceo.password}}\u0001" }
expect = ["status == 200"]
"#;

fn router() -> Router {
    let login = async || {
        let session = json!({ "refresh_token": UNTOLD });
        Json(json!({ "access_token": TOKEN, "refresh_token": UNTOLD, "session": session }))
    };
    let echo = async |uri: Uri, headers: HeaderMap, body: Bytes| {
        let sent = format!("{uri} {headers:?} {}", String::from_utf8_lossy(&body));
        (StatusCode::BAD_REQUEST, [("x-echo", format!("no-{TOKEN}"))], sent)
    };
    Router::new().route("/login", post(login)).fallback(any(echo))
}

#[tokio::test]
async fn no_secret_shows_in_any_outcome() {
    let server = Server::start(router()).await;
    let secrets = [("CANARY".to_owned(), PASSWORD.into())].into();
    let report = server.run(SUITE, &Variables { secrets, ..Variables::default() }).await;
    let outcomes: Vec<Outcome> = report.checks.iter().map(|check| check.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Passed,
            Outcome::Failed,
            Outcome::Failed,
            Outcome::Failed,
            Outcome::Failed,
            Outcome::Errored
        ],
        "{report:#?}"
    );
    let seen = format!("{report:#?}\n{}", serde_json::to_string(&report).unwrap());
    // The response is plain text with the echoed request: something of it must be there to be proof.
    assert!(seen.contains("[redacted]") && seen.contains("x-echo"), "{seen}");
    for part in ["canary", "pass\\word", "pass\\\\word", "%22pass", "pass%5C"] {
        assert!(!seen.contains(part), "{part} shows in {seen}");
    }
}
