//! A suite runs in dependency order, logs in once, and tells a broken subject from a probe that could
//! not run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use checks::{Outcome, Subject, Variables, run_suite};
use serde_json::{Value, json};
use url::Url;

use crate::server::{Server, dead_subject, outcome, suite};

const SUITE: &str = r#"schema = 1
[session.ceo]
email = "ceo@crm.test"
password_key = "CEO_PASSWORD"
[session.seller]
email = "seller@crm.test"
password_key = "SELLER_PASSWORD"
login = "login-seller"
[http.me]
session = "ceo"
path = "/me?tenant_id={{tenant_id}}"
expect = ["status == 200", '$.email == "{{ceo.email}}"', '$.tenant == "{{tenant_id}}"']
[http.me-too]
session = "ceo"
path = "/me?tenant_id={{tenant_id}}"
expect = ["status == 200"]
[http.me-seller]
session = "seller"
path = "/me?tenant_id={{tenant_id}}"
expect = ["status == 200", '$.email == "{{seller.email}}"']
capture = { email = "$.email" }
[http.echo]
path = "/echo/{{seller.email}}"
expect = ["status == 200", 'body == "seller@crm.test a/b?"']
headers = { x-more = "a/b?" }
depends = ["me"]
[http.login]
method = "POST"
path = "/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = ["status == 200"]
capture = { token = "$.access_token" }
owner = "qa"
severity = "critical"
[http.login-seller]
method = "POST"
path = "/login"
json = { email = "{{seller.email}}", password = "{{seller.password}}" }
expect = ["status == 200"]
capture = { token = "$.access_token" }
"#;

fn router(logins: Arc<AtomicU32>) -> Router {
    let login = async move |Json(body): Json<Value>| {
        logins.fetch_add(1, Ordering::SeqCst);
        if body["password"] != "right" {
            return (StatusCode::UNAUTHORIZED, Json(json!({ "error": { "code": "bad_credentials" } })));
        }
        (
            StatusCode::OK,
            Json(json!({ "access_token": format!("token-of-{}", body["email"].as_str().unwrap()) })),
        )
    };
    let me = async |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>| {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match bearer.strip_prefix("Bearer token-of-") {
            Some(email) => (StatusCode::OK, Json(json!({ "email": email, "tenant": query["tenant_id"] }))),
            None => (StatusCode::UNAUTHORIZED, Json(json!({}))),
        }
    };
    let echo = async |headers: HeaderMap, Path(word): Path<String>| {
        format!("{word} {}", headers["x-more"].to_str().unwrap())
    };
    Router::new().route("/login", post(login)).route("/me", get(me)).route("/echo/{word}", get(echo))
}

fn variables(passwords: [(&str, &str); 2]) -> Variables {
    let secrets = passwords.map(|(key, password)| (key.to_owned(), password.into())).into();
    Variables { tenant_id: Some(7), release: None, secrets }
}

fn right() -> Variables {
    variables([("CEO_PASSWORD", "right"), ("SELLER_PASSWORD", "right")])
}

#[tokio::test]
async fn each_session_logs_in_once_and_its_checks_carry_its_token() {
    let logins = Arc::new(AtomicU32::new(0));
    let server = Server::start(router(logins.clone())).await;
    let told = Mutex::new(Vec::new());
    let observer = |check: &checks::CheckOutcome| told.lock().unwrap().push(check.check.clone());
    let report = run_suite(&suite(SUITE), &server.subject, &right(), &observer).await;
    assert_eq!(report.worst(), Outcome::Passed, "{report:#?}");
    assert_eq!(logins.load(Ordering::SeqCst), 2);
    let names: Vec<&str> = report.checks.iter().map(|check| check.check.as_str()).collect();
    let in_file =
        ["me", "me-too", "me-seller", "echo", "login", "login-seller"].map(|name| format!("probe/{name}"));
    assert_eq!(names, in_file, "the report follows the file");
    let told = told.into_inner().unwrap();
    let at = |name: &str| told.iter().position(|check| check == &format!("probe/{name}")).unwrap();
    assert!(at("login") < at("me") && at("me") < at("echo"), "{told:?}");
    assert_eq!(told.len(), 6);
}

#[tokio::test]
async fn a_unix_socket_is_asked_when_the_subject_has_one() {
    let server = Server::start_on_socket(router(Arc::default())).await;
    let report = server.run(SUITE, &right()).await;
    assert_eq!(report.worst(), Outcome::Passed, "{report:#?}");
}

#[tokio::test]
async fn a_wrong_password_tells_nothing_of_the_subject_and_leaves_its_session_unasked() {
    let server = Server::start(router(Arc::default())).await;
    let report =
        server.run(SUITE, &variables([("CEO_PASSWORD", "wrong"), ("SELLER_PASSWORD", "right")])).await;
    let login = outcome(&report, "login");
    assert_eq!(login.outcome, Outcome::Errored);
    let said = "the password of `ceo`, the secret `CEO_PASSWORD`, is not accepted (401)";
    assert_eq!(login.actual.as_deref(), Some(said));
    assert_eq!(outcome(&report, "me").outcome, Outcome::Errored);
    assert!(outcome(&report, "me").actual.as_ref().unwrap().contains("`probe/login` errored"));
    assert_eq!(outcome(&report, "me").attempts, 0);
    assert_eq!(outcome(&report, "me-seller").outcome, Outcome::Passed);
    assert_eq!(report.count(Outcome::Errored), 4, "login, me, me-too, echo");
    assert_eq!(report.worst(), Outcome::Errored);
}

#[tokio::test]
async fn a_wrong_status_shows_the_body_and_not_the_shape() {
    let broken =
        || async { (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": {"code": "internal"}}))) };
    let server = Server::start(Router::new().route("/login", post(broken))).await;
    let report = server.run(SUITE, &right()).await;
    let login = outcome(&report, "login");
    assert_eq!(login.outcome, Outcome::Failed);
    assert_eq!((login.expected.as_deref(), login.actual.as_deref()), (Some("status == 200"), Some("500")));
    assert_eq!(login.detail.as_deref(), Some("body: {\"error\":{\"code\":\"internal\"}}"));
}

#[tokio::test]
async fn a_401_that_has_nothing_to_do_with_a_password_of_the_run_is_a_failure() {
    let server = Server::start(Router::new().route("/", get(async || StatusCode::UNAUTHORIZED))).await;
    let text = "schema = 1\n[http.open]\npath = '/'\nexpect = ['status == 200']\n";
    let report = server.run(text, &right()).await;
    assert_eq!(outcome(&report, "open").outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_missing_secret_or_variable_is_an_error_of_the_probe() {
    let server = Server::start(router(Arc::default())).await;
    let mut some = right();
    some.secrets.remove("SELLER_PASSWORD");
    some.tenant_id = None;
    let report = server.run(SUITE, &some).await;
    let login = outcome(&report, "login-seller");
    assert_eq!(login.outcome, Outcome::Errored);
    assert_eq!(login.actual.as_deref(), Some("the secret `SELLER_PASSWORD` is not set"));
    let me = outcome(&report, "me");
    assert_eq!(me.outcome, Outcome::Errored);
    assert_eq!(me.actual.as_deref(), Some("this run has no value for `{{tenant_id}}`"));
    assert_eq!(report.worst(), Outcome::Errored);
}

#[tokio::test]
async fn a_subject_that_does_not_answer_is_broken() {
    let one = |timeout: u32| {
        format!("schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 200']\ntimeout_ms = {timeout}\n")
    };
    let refused = run_suite(&suite(&one(1000)), &dead_subject(), &Variables::default(), &|_| {}).await;
    assert_eq!(refused.checks[0].outcome, Outcome::Failed);
    assert_eq!(refused.checks[0].actual.as_deref(), Some("connection refused"));

    let silent = Server::start(Router::new().route("/", get(std::future::pending::<()>))).await;
    let late = silent.run(&one(50), &Variables::default()).await;
    assert_eq!(late.checks[0].actual.as_deref(), Some("no answer within 50 ms"));

    let gone = Subject::through(Url::parse("http://crm.test").unwrap(), "/nowhere/at/all.sock");
    let gone = run_suite(&suite(&one(1000)), &gone, &Variables::default(), &|_| {}).await;
    assert_eq!(gone.checks[0].actual.as_deref(), Some("no such socket"));
    assert_eq!(gone.checks[0].outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_of_the_probe() {
    let subject = Subject::at(Url::parse("http://no-such-host.invalid").unwrap());
    let text = "schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 200']\n";
    let report = run_suite(&suite(text), &subject, &Variables::default(), &|_| {}).await;
    assert_eq!(report.checks[0].outcome, Outcome::Errored, "{report:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_a_closed_connection_is_none() {
    let moved = async || (StatusCode::FOUND, [("location", "/elsewhere")]);
    let server = Server::start(Router::new().route("/", get(moved))).await;
    let text = "schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 302', 'header \"location\" == \"/elsewhere\"']\n";
    assert_eq!(server.run(text, &Variables::default()).await.worst(), Outcome::Passed);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let hang_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let report = run_suite(&suite(text), &Subject::at(url), &Variables::default(), &|_| {}).await;
    hang_up.abort();
    assert_eq!(report.checks[0].outcome, Outcome::Failed, "{report:?}");
}

#[tokio::test]
async fn what_depends_on_the_release_is_asked_only_when_it_is_known() {
    let answer = async || ([("x-crm-release", "one")], "");
    let server = Server::start(Router::new().route("/", get(answer))).await;
    let text = "schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 200', 'header \"x-crm-release\" == \"{{release}}\" if release']\n";
    let unknown = server.run(text, &Variables::default()).await;
    assert_eq!(unknown.checks[0].outcome, Outcome::Passed);
    let detail = unknown.checks[0].detail.as_deref().unwrap();
    assert_eq!(detail, "not asked in this run: header \"x-crm-release\" == \"{{release}}\"");
    for (release, expected) in [("one", Outcome::Passed), ("two", Outcome::Failed)] {
        let known = Variables { release: Some(release.into()), ..Variables::default() };
        let report = server.run(text, &known).await;
        assert_eq!(report.checks[0].outcome, expected);
        if expected == Outcome::Failed {
            let check = &report.checks[0];
            assert_eq!(check.expected.as_deref(), Some("an answer of release `two`"));
            assert_eq!(check.actual.as_deref(), Some("one of release `one`"));
            let detail = check.detail.as_deref().unwrap();
            assert_eq!(detail, "also expected header \"x-crm-release\" == \"two\", got one");
        }
    }
}

#[tokio::test]
async fn a_report_is_json_with_times_in_milliseconds() {
    let server = Server::start(Router::new().route("/", get(async || "ok"))).await;
    let report = server
        .run("schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 404']\n", &Variables::default())
        .await;
    insta::assert_json_snapshot!(report, {
        ".started_at" => "[at]", ".duration_ms" => "[ms]",
        ".checks[].started_at" => "[at]", ".checks[].duration_ms" => "[ms]",
    });
}

#[tokio::test]
async fn every_answer_that_says_its_release_has_to_say_the_right_one() {
    let answer = async || ([("x-crm-release", "one")], "");
    let router = Router::new().route("/", get(answer)).route("/silent", get(async || "ok"));
    let server = Server::start(router).await;
    let text = "schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 200']\n\
                [http.b]\npath = '/silent'\nexpect = ['status == 200']\n";
    let outcomes = async |release: Option<&str>| {
        let variables = Variables { release: release.map(str::to_owned), ..Variables::default() };
        let report = server.run(text, &variables).await;
        (report.checks[0].outcome, report.checks[1].outcome)
    };
    assert_eq!(outcomes(None).await, (Outcome::Passed, Outcome::Passed));
    assert_eq!(outcomes(Some("one")).await, (Outcome::Passed, Outcome::Passed));
    // A service that does not say its release is not asked for it.
    assert_eq!(outcomes(Some("two")).await, (Outcome::Failed, Outcome::Passed));
}

#[tokio::test]
async fn a_wrong_release_is_told_though_the_status_is_wrong_too() {
    let answer = async || (StatusCode::NOT_FOUND, [("x-crm-release", "old")], "");
    let server = Server::start(Router::new().route("/", get(answer))).await;
    let known = Variables { release: Some("new".into()), ..Variables::default() };
    let text = "schema = 1\n[http.a]\npath = '/'\nexpect = ['status == 200']\n";
    let report = server.run(text, &known).await;
    assert_eq!(report.checks[0].actual.as_deref(), Some("one of release `old`"));
    assert!(report.checks[0].detail.as_deref().unwrap().contains("status == 200, got 404"));
}
