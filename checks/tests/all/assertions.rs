//! Every assertion, holding and not, on the answer of a real server.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use checks::{Outcome, Variables};

use crate::server::Server;

const DOCUMENT: &str = r#"{"name":"Ana","n":2,"rate":0.5,"big":9007199254740993,"none":null,"yes":true,
  "leads":[{"id":1,"status":"new"},{"id":2,"status":"won"}],"empty":[],"stats":{"total":2},"at":"2026-11-24"}"#;

fn router() -> Router {
    let headers =
        [("x-crm-release", "abc-1"), ("x-kind", "application/json"), ("x-two", "a"), ("x-two", "b")];
    Router::new()
        .route("/doc", get(async move || (axum::response::AppendHeaders(headers), DOCUMENT.as_bytes())))
        .route("/text", get(async || ([(CONTENT_TYPE, "text/plain")], "plain words")))
        .route("/created", get(async || (axum::http::StatusCode::CREATED, "")))
}

/// Runs one assertion; `None` when it held, else what was there instead.
async fn actual(server: &Server, path: &str, assertion: &str) -> Option<String> {
    let status = if assertion.starts_with("status") { "" } else { "'status < 300', " };
    let text = format!("schema = 1\n[http.one]\npath = '{path}'\nexpect = [{status}'''{assertion}''']\n");
    let variables = Variables { release: Some("abc-1".into()), tenant_id: Some(2), ..Variables::default() };
    let report = server.run(&text, &variables).await;
    let check = &report.checks[0];
    match check.outcome {
        Outcome::Passed => None,
        Outcome::Failed => Some(check.actual.clone().unwrap()),
        Outcome::Errored => panic!("{assertion}: {check:?}"),
    }
}

#[tokio::test]
async fn assertions_that_hold_pass() {
    let server = Server::start(router()).await;
    for assertion in [
        "status == 200",
        "status != 500",
        "status in [200, 204]",
        "status not in [500]",
        "status < 300",
        r#"header "x-crm-release" == "{{release}}""#,
        r#"header "X-CRM-Release" exists"#,
        r#"header "x-none" not exists"#,
        r#"header "x-kind" contains "json""#,
        r#"header "x-kind" not contains "html""#,
        r#"header "x-kind" starts_with "application/""#,
        r#"header "x-two" == "a, b""#,
        r#"header "x-crm-release" in ["x", "abc-1"]"#,
        "$.name exists",
        "$.nothing not exists",
        r#"$.name == "Ana""#,
        "$.name == 'Ana'",
        r#"$.name in ["Eva", "Ana"]"#,
        r#"$.name not in ["Eva"]"#,
        r#"$.name contains "n""#,
        r#"$.name not contains "x""#,
        r#"$.name starts_with "A""#,
        "$.n == 2",
        "$.n == 2.0",
        "$.n >= 2",
        "$.n <= 2",
        "$.n > 1",
        "$.n < 3",
        "$.rate < 0.6",
        "$.big == 9007199254740993",
        "$.big != 9007199254740992",
        r#"$.at < "2026-11-25""#,
        "$.none == null",
        "$.none is null",
        "$.yes == true",
        "$.yes is boolean",
        "$.n is integer",
        "$.rate is number",
        "$.name is string",
        "$.name is not null",
        "$.leads is array",
        "$.stats is object",
        "$.leads count == 2",
        "$.leads count >= 1",
        "$.empty count == 0",
        "$.leads[*].id count == 2",
        r#"$.leads[?@.status == "new"] count == 1"#,
        "$.leads[*].id > 0",
        r#"$["leads"][0].status == "new""#,
        r#"$.leads[*].status contains "w""#,
        r#"$.stats contains "total""#,
        "$.empty == []",
        r#"body contains "Ana""#,
        r#"body not contains "Eva""#,
        "duration_ms < 60000",
    ] {
        assert_eq!(actual(&server, "/doc", assertion).await, None, "{assertion}");
    }
}

#[tokio::test]
async fn assertions_that_do_not_hold_say_what_was_there() {
    let server = Server::start(router()).await;
    for (assertion, there) in [
        ("status == 404", "200"),
        ("status in [201, 204]", "200"),
        ("status not in [200]", "200"),
        (r#"header "x-crm-release" == "abc-2""#, "abc-1"),
        (r#"header "x-none" exists"#, "no header `x-none`"),
        (r#"header "x-none" == "a""#, "no header `x-none`"),
        (r#"header "x-none" not contains "a""#, "no header `x-none`"),
        (r#"header "x-two" not exists"#, "a, b"),
        ("$.nothing exists", "nothing at `$.nothing`"),
        ("$.nothing == null", "nothing at `$.nothing`"),
        ("$.name not exists", r#""Ana""#),
        (r#"$.name == "Eva""#, r#""Ana""#),
        (r#"$.n == "2""#, "2"),
        ("$.n > 2", "2"),
        ("$.name > 2", r#""Ana""#),
        ("$.big == 9007199254740992", "9007199254740993"),
        ("$.rate is integer", "0.5"),
        ("$.n is string", "2"),
        ("$.none is not null", "null"),
        ("$.leads count >= 3", "2"),
        ("$.n count == 1", "no list: 2"),
        ("$.nothing count == 0", "nothing at `$.nothing`"),
        (r#"$.leads[?@.status == "lost"] count == 1"#, "0"),
        ("$.leads[*].id == 1", "2"),
        (r#"$.leads[*].status in ["new"]"#, r#""won""#),
        ("duration_ms > 60000", " ms"),
    ] {
        let actual = actual(&server, "/doc", assertion).await.unwrap_or_else(|| panic!("{assertion} held"));
        let fits = if there == " ms" { actual.ends_with(there) } else { actual == there };
        assert!(fits, "{assertion}: {actual}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_fails_and_is_quoted() {
    let server = Server::start(router()).await;
    assert_eq!(actual(&server, "/text", "$.a exists").await.unwrap(), "no JSON: plain words");
    assert_eq!(actual(&server, "/text", "$.a not exists").await.unwrap(), "no JSON: plain words");
    assert_eq!(actual(&server, "/created", "$.a count == 0").await.unwrap(), "an empty body");
    assert_eq!(actual(&server, "/text", "body == 'plain words'").await, None);
    assert_eq!(actual(&server, "/created", "status == 200").await.unwrap(), "201");
}
