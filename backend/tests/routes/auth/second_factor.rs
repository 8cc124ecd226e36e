//! `/auth/second-factor`, and logins with one.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret, TOTP};

use crate::harness::{Answer, PASSWORD, Person, TestApp};

const ASKED: &str = "UPDATE tenants SET settings = settings || '{\"second_factor\": \"ceo\"}' WHERE id = 1";

/// The code that an authenticator app shows so many half minutes from now.
fn code_of(secret: &Value, steps: i64) -> String {
    let secret = Secret::Encoded(secret.as_str().unwrap().to_owned()).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 0, 30, secret, None, String::new()).unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    totp.generate(u64::try_from(now + steps * 30).unwrap())
}

async fn login(app: &TestApp, person: Person, code: Option<&str>) -> Answer {
    let mut body = json!({ "email": person.email(), "password": PASSWORD });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    app.post("/auth/login", &body).await
}

async fn say(app: &TestApp, token: &str, path: &str, body: Value) -> Answer {
    app.json_as(token, Method::POST, path, &body).await
}

fn told(answer: &Answer) -> (StatusCode, String) {
    (answer.status, if answer.status.is_success() { String::new() } else { answer.code() })
}

/// Sets one up; gives its secret and the recovery codes. Uses the code of the half minute before.
async fn set_up(app: &TestApp, token: &str) -> (Value, Vec<String>) {
    let begun = say(app, token, "/auth/second-factor", json!({ "current": PASSWORD })).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let secret = begun.json()["secret"].clone();
    assert!(begun.json()["uri"].as_str().unwrap().contains(secret.as_str().unwrap()));
    let confirmed =
        say(app, token, "/auth/second-factor/confirm", json!({ "code": code_of(&secret, -1) })).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    (secret, serde_json::from_value(confirmed.json()["recovery_codes"].clone()).unwrap())
}

#[tokio::test]
async fn with_a_second_factor_the_password_alone_opens_nothing() {
    let app = TestApp::start().await;
    let token = app.token(Person::Setter).await;
    let standing = async |state: &str, left: i64| {
        let told = app.get_as(&token, "/auth/second-factor").await.json();
        assert_eq!(told, json!({ "state": state, "required": false, "recovery_codes_left": left }));
    };
    standing("off", 0).await;
    let wrong = say(&app, &token, "/auth/second-factor", json!({ "current": "falsch falsch" })).await;
    assert_eq!(told(&wrong), (StatusCode::FORBIDDEN, "wrong_password".into()));
    let early = say(&app, &token, "/auth/second-factor/confirm", json!({ "code": "123456" })).await;
    assert_eq!(told(&early), (StatusCode::CONFLICT, "second_factor_not_pending".into()));
    say(&app, &token, "/auth/second-factor", json!({ "current": PASSWORD })).await;
    standing("pending", 0).await;
    let other = say(&app, &token, "/auth/second-factor/confirm", json!({ "code": "000000" })).await;
    assert_eq!(told(&other), (StatusCode::FORBIDDEN, "invalid_second_factor".into()));
    assert_eq!(login(&app, Person::Setter, None).await.status, StatusCode::OK, "not confirmed yet");

    let (secret, recovery) = set_up(&app, &token).await;
    standing("on", 10).await;
    let again = say(&app, &token, "/auth/second-factor", json!({ "current": PASSWORD })).await;
    assert_eq!(told(&again), (StatusCode::CONFLICT, "second_factor_on".into()));
    assert_eq!(
        told(&login(&app, Person::Setter, None).await),
        (StatusCode::UNAUTHORIZED, "second_factor_required".into())
    );
    let wrong = (StatusCode::UNAUTHORIZED, "invalid_second_factor".to_owned());
    assert_eq!(
        told(&login(&app, Person::Setter, Some(&code_of(&secret, -1))).await),
        wrong,
        "used for setting it up"
    );
    let code = code_of(&secret, 0);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    assert_eq!(login(&app, Person::Setter, Some(&spaced)).await.status, StatusCode::OK);
    assert_eq!(told(&login(&app, Person::Setter, Some(&code)).await), wrong, "a code works once");
    let unknown = app
        .post("/auth/login", &json!({"email": Person::Setter.email(), "password": "falsch", "code": code}))
        .await;
    assert_eq!(
        told(&unknown),
        (StatusCode::UNAUTHORIZED, "invalid_credentials".into()),
        "the password comes first"
    );

    assert_eq!(login(&app, Person::Setter, Some(&recovery[3].to_uppercase())).await.status, StatusCode::OK);
    assert_eq!(
        told(&login(&app, Person::Setter, Some(&recovery[3])).await),
        wrong,
        "so does a recovery code"
    );
    standing("on", 9).await;

    let off =
        async |code: &str| told(&say(&app, &token, "/auth/second-factor/off", json!({ "code": code })).await);
    assert_eq!(off("000000").await, (StatusCode::FORBIDDEN, "invalid_second_factor".into()));
    assert_eq!(off(&recovery[4]).await, (StatusCode::NO_CONTENT, String::new()));
    assert_eq!(off(&recovery[5]).await, (StatusCode::CONFLICT, "second_factor_off".into()));
    assert_eq!(login(&app, Person::Setter, None).await.status, StatusCode::OK);
    for action in ["on", "off"] {
        let sql = format!("SELECT count(*) FROM audit_log WHERE action = 'user.second_factor_{action}'");
        let found: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&app.database.migrator).await.unwrap();
        assert_eq!(found, 1, "{action}");
    }
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let app = TestApp::start().await;
    let token = app.token(Person::Setter).await;
    let renew =
        async |code: &str| say(&app, &token, "/auth/second-factor/codes", json!({ "code": code })).await;
    assert_eq!(told(&renew("000000").await), (StatusCode::CONFLICT, "second_factor_off".into()));
    let (secret, old) = set_up(&app, &token).await;
    assert_eq!(told(&renew("000000").await), (StatusCode::FORBIDDEN, "invalid_second_factor".into()));
    let renewed = renew(&old[0]).await;
    assert_eq!(renewed.status, StatusCode::OK, "{renewed:?}");
    let new: Vec<String> = serde_json::from_value(renewed.json()["recovery_codes"].clone()).unwrap();
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !old.contains(code)));
    assert_eq!(login(&app, Person::Setter, Some(&old[1])).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(login(&app, Person::Setter, Some(&new[1])).await.status, StatusCode::OK);
    let left = app.get_as(&token, "/auth/second-factor").await.json()["recovery_codes_left"].clone();
    assert_eq!(left, 9);
    assert_eq!(renew(&code_of(&secret, 0)).await.status, StatusCode::OK, "with the app too");
    let noted = "SELECT count(*) FROM audit_log WHERE action = 'user.recovery_codes_renewed'";
    assert_eq!(app.count(noted).await, 2);
}

#[tokio::test]
async fn guessed_codes_are_throttled_though_the_password_is_right() {
    let app = TestApp::with(&[("LOGIN_FAILURES_PER_ACCOUNT", "4")]).await;
    let token = app.token(Person::Setter).await;
    let (secret, recovery) = set_up(&app, &token).await;
    let mut seen = Vec::new();
    for guess in 0..6 {
        // A login that stops at the second door wipes nothing out.
        login(&app, Person::Setter, None).await;
        seen.push(login(&app, Person::Setter, Some(&format!("00000{guess}"))).await.status);
    }
    assert_eq!(seen[..4], [StatusCode::UNAUTHORIZED; 4]);
    assert_eq!(seen[4..], [StatusCode::TOO_MANY_REQUESTS; 2]);
    let right = login(&app, Person::Setter, Some(&code_of(&secret, 0))).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    let off = say(&app, &token, "/auth/second-factor/off", json!({ "code": recovery[0] })).await;
    assert_eq!(off.status, StatusCode::TOO_MANY_REQUESTS, "one throttle for every door");
    // The right password, shown where it is asked for, makes no room for more guesses.
    let begun = say(&app, &token, "/auth/second-factor", json!({ "current": PASSWORD })).await;
    assert_eq!(told(&begun), (StatusCode::CONFLICT, "second_factor_on".into()));
    let again = login(&app, Person::Setter, Some(&code_of(&secret, 0))).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn of_two_logins_with_one_code_one_comes_in() {
    let app = TestApp::start().await;
    let (secret, _) = set_up(&app, &app.token(Person::Closer).await).await;
    let code = code_of(&secret, 0);
    let both =
        tokio::join!(login(&app, Person::Closer, Some(&code)), login(&app, Person::Closer, Some(&code)));
    let mut seen = [both.0.status, both.1.status];
    seen.sort();
    assert_eq!(seen, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
}

#[tokio::test]
async fn a_tenant_asks_its_ceos_and_they_set_it_up_at_the_door() {
    let app = TestApp::start().await;
    let before = app.login(Person::Ceo).await.json();
    let refresh =
        async || app.post("/auth/refresh", &json!({ "refresh_token": before["refresh_token"] })).await;
    let before_token = before["access_token"].as_str().unwrap();
    app.sql(ASKED).await;
    assert_eq!(login(&app, Person::Setter, None).await.status, StatusCode::OK, "only CEOs are asked");
    assert_eq!(login(&app, Person::OtherCeo, None).await.status, StatusCode::OK, "only of this tenant");
    let secret_told = async || {
        let told_once = login(&app, Person::Ceo, None).await;
        assert_eq!(told(&told_once), (StatusCode::FORBIDDEN, "second_factor_enrolment".into()));
        told_once.json()["error"]["details"]["secret"].clone()
    };
    let (first, secret) = (secret_told().await, secret_told().await);
    let wrong = (StatusCode::UNAUTHORIZED, "invalid_second_factor".to_owned());
    let stale = login(&app, Person::Ceo, Some(&code_of(&first, -1))).await;
    assert_eq!(told(&stale), wrong, "whoever had the password first knows another secret");
    assert_eq!(app.get_as(before_token, "/auth/second-factor").await.json()["required"], true);
    let inside = login(&app, Person::Ceo, Some(&code_of(&secret, -1))).await;
    assert_eq!(inside.status, StatusCode::OK, "{inside:?}");
    assert_eq!(inside.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let gone = app.get_as(before_token, "/auth/me").await.status;
    assert_eq!(gone, StatusCode::UNAUTHORIZED, "what was begun without it ends");
    assert_eq!(refresh().await.status, StatusCode::UNAUTHORIZED);
    let next = login(&app, Person::Ceo, Some(&code_of(&secret, 0))).await;
    assert!(next.status.is_success() && next.json().get("recovery_codes").is_none(), "{next:?}");
    let token = next.json()["access_token"].as_str().unwrap().to_owned();
    let off = say(&app, &token, "/auth/second-factor/off", json!({ "code": code_of(&secret, 1) })).await;
    assert_eq!(told(&off), (StatusCode::CONFLICT, "second_factor_required".into()));
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'user.second_factor_on'").await, 1);
}

#[tokio::test]
async fn a_session_from_before_it_was_asked_for_is_not_refreshed() {
    let app = TestApp::start().await;
    let (ceo, setter) = (app.login(Person::Ceo).await.json(), app.login(Person::Setter).await.json());
    app.sql(ASKED).await;
    for (login, status) in [(ceo, StatusCode::UNAUTHORIZED), (setter, StatusCode::OK)] {
        let refreshed = app.post("/auth/refresh", &json!({ "refresh_token": login["refresh_token"] })).await;
        assert_eq!(refreshed.status, status);
    }
}

#[tokio::test]
async fn a_ceo_takes_it_away_from_whoever_lost_the_phone() {
    let app = TestApp::start().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    set_up(&app, &setter).await;
    let path = |person: Person| format!("/admin/core/users/{}/second-factor", person.id());
    let take =
        async |token: &str, person: Person| app.send_as(token, Method::DELETE, &path(person)).await.status;
    assert_eq!(take(&setter, Person::Setter).await, StatusCode::FORBIDDEN);
    let stranger = app.token(Person::OtherCeo).await;
    assert_eq!(take(&stranger, Person::Setter).await, StatusCode::NOT_FOUND, "of another tenant");
    assert_eq!(take(&ceo, Person::Closer).await, StatusCode::NOT_FOUND, "has none");
    assert_eq!(take(&ceo, Person::Ceo).await, StatusCode::CONFLICT, "one's own takes a code");
    assert_eq!(take(&ceo, Person::Setter).await, StatusCode::NO_CONTENT);
    assert_eq!(app.get_as(&setter, "/auth/me").await.status, StatusCode::UNAUTHORIZED, "the sessions end");
    assert_eq!(login(&app, Person::Setter, None).await.status, StatusCode::OK);
}
