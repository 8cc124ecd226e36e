//! What the routes say, keep, find and open; `reference` compares their numbers.

use axum::http::{Method, StatusCode};
use chrono::Utc;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::random::Random;
use crate::harness::{KEY, Person, TestApp};

/// An access token of somebody whose session is there.
pub(super) async fn token_of(app: &TestApp, tenant: i32, user: Uuid, role: &str) -> String {
    let session = Uuid::now_v7();
    sqlx::query("INSERT INTO sessions (tenant_id, id, user_id, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')")
        .bind(tenant)
        .bind(session)
        .bind(user)
        .execute(&app.database.migrator)
        .await
        .unwrap();
    let now = Utc::now().timestamp();
    let claims = json!({
        "iss": "crm-backend", "aud": "crm", "sub": user, "tid": tenant, "role": role, "ver": 0, "sid": session,
        "exp": now + 900, "iat": now, "jti": Uuid::now_v7(),
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(KEY.as_bytes())).unwrap()
}

pub(super) async fn ok(app: &TestApp, token: &str, path: &str) -> Value {
    let answer = app.get_as(token, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    answer.json()
}

pub(super) async fn refresh(app: &TestApp, token: &str) -> Value {
    let answer = app.json_as(token, Method::POST, "/admin/core/sellers/metrics/refresh", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// Whatever is done through the API, what was kept meanwhile is what is true.
#[tokio::test]
async fn what_is_kept_with_each_change_is_what_is_true() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    assert_eq!(refresh(&app, &ceo).await["made"], true);
    let receipts = [
        app.write_from("+5491155550101", "m1", "Hola").await,
        app.write_from("+5491155550102", "m2", "Hola").await,
        app.write_from("+5491155550103", "m3", "Hola").await,
    ];
    let path = |receipt: &Value, rest: &str| {
        format!("/crm/conversations/{}/{rest}", receipt["conversation_id"].as_str().unwrap())
    };
    let lead =
        |receipt: &Value, rest: &str| format!("/crm/leads/{}{rest}", receipt["lead_id"].as_str().unwrap());
    let (setter, closer) = (app.token(Person::Setter).await, app.token(Person::Closer).await);
    let send = async |token: &str, method: Method, path: &str, body: Value| {
        let answer = app.json_as(token, method, path, &body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    };
    let say = |receipt: &Value| json!({ "body": "Buenas", "seen_up_to": receipt["message_id"] });
    send(&setter, Method::POST, &path(&receipts[0], "messages"), say(&receipts[0])).await;
    send(&closer, Method::POST, &path(&receipts[1], "messages"), say(&receipts[1])).await;
    app.write_from("+5491155550101", "m4", "¿Y?").await;
    let later = app.write_from("+5491155550101", "m5", "¿Hola?").await;
    send(&setter, Method::POST, &path(&receipts[0], "messages"), say(&later)).await;
    send(&ceo, Method::POST, &path(&receipts[2], "close"), json!({})).await;
    send(&ceo, Method::POST, &path(&receipts[2], "reopen"), json!({})).await;
    app.write_from("+5491155550103", "m6", "Sigo aquí").await;
    let reassign = format!(
        "/admin/core/sellers/conversations/{}/reassign",
        receipts[0]["conversation_id"].as_str().unwrap()
    );
    send(&ceo, Method::POST, &reassign, json!({ "seller_id": Person::Closer.id() })).await;
    let edit = json!({ "amount": "1500.50", "currency": "ARS" });
    send(&ceo, Method::PATCH, &lead(&receipts[1], ""), edit).await;
    for status in ["contacted", "won"] {
        send(&ceo, Method::PATCH, &lead(&receipts[0], "/status"), json!({ "status": status })).await;
    }
    send(&ceo, Method::POST, "/crm/leads", json!({ "first_name": "Ana", "phone": "+5491155550199" })).await;
    // Kept, and no difference to what is derived anew.
    let kept = ok(&app, &ceo, "/admin/core/sellers/team/metrics").await;
    let checked = refresh(&app, &ceo).await;
    assert_eq!((&checked["made"], &checked["differences"]), (&json!(false), &json!(0)), "{checked}");
    app.sql("DELETE FROM metrics_state").await;
    let derived = ok(&app, &ceo, "/admin/core/sellers/team/metrics").await;
    for part in ["team", "sellers"] {
        assert_eq!(kept[part], derived[part]);
    }
    let team = &kept["team"];
    assert_eq!((&team["messages_sent"], &team["messages_received"]), (&json!(3), &json!(6)), "{team}");
    assert_eq!((&team["response"]["n"], &team["first_response"]["n"]), (&json!(3), &json!(2)), "{team}");
    assert_eq!((&team["closed_unanswered"], &team["unanswered"]), (&json!(1), &json!(1)), "{team}");
    assert_eq!(team["conversion_rate"], json!({ "rate": 0.25, "n": 1, "of": 4 }));
    assert_eq!(team["pipeline"], json!([{ "currency": "ARS", "n": 1, "amount": "1500.50" }]));
}

/// A wrong cell or fact, however it came about, is found, said and mended.
#[tokio::test]
async fn what_is_wrong_is_found_said_and_mended() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    let receipt = app.write_from("+5491155550101", "m1", "Hola").await;
    let path = format!("/crm/conversations/{}/messages", receipt["conversation_id"].as_str().unwrap());
    let reply = json!({ "body": "Sí", "seen_up_to": receipt["message_id"] });
    let setter = app.token(Person::Setter).await;
    assert_eq!(app.json_as(&setter, Method::POST, &path, &reply).await.status, StatusCode::CREATED);
    refresh(&app, &ceo).await;
    let right = ok(&app, &ceo, "/admin/core/sellers/team/metrics").await["team"].clone();
    for (wrong, differences) in [
        ("UPDATE seller_metrics_daily SET count = count + 1 WHERE metric = 'sent'", 1),
        ("DELETE FROM seller_metrics_hourly WHERE metric = 'received'", 1),
        ("UPDATE seller_events SET value = value + 4000 WHERE kind = 'response'", 1),
        ("DELETE FROM seller_events WHERE kind = 'lead'", 1),
        (
            "INSERT INTO seller_events (tenant_id, seller_id, kind, natural_key, conversation_id, occurred_at)
             SELECT tenant_id, NULL, 'waiting', 'waiting:invented', id, now() FROM conversations",
            1,
        ),
    ] {
        app.sql(wrong).await;
        let found = refresh(&app, &ceo).await["differences"].as_i64().unwrap();
        assert!(found >= differences, "{wrong}: {found}");
        assert_eq!(refresh(&app, &ceo).await["differences"], 0, "{wrong}");
        assert_eq!(ok(&app, &ceo, "/admin/core/sellers/team/metrics").await["team"], right, "{wrong}");
    }
}

/// After a release that knows no figures has served for ten days.
#[tokio::test]
async fn what_changed_while_nobody_looked_is_found_however_long_ago() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    refresh(&app, &ceo).await;
    app.sql(
        "UPDATE metrics_state SET checked_at = now() - interval '10 days';
         INSERT INTO leads (tenant_id, first_name, created_at, updated_at)
         SELECT 1, 'Ana', now() - interval '9 days', now() - interval '9 days' FROM generate_series(1, 3)",
    )
    .await;
    assert_eq!(refresh(&app, &ceo).await["differences"], 3);
    assert_eq!(ok(&app, &ceo, "/admin/core/sellers/team/metrics").await["team"]["conversion_rate"]["of"], 3);
    assert_eq!(refresh(&app, &ceo).await["differences"], 0);
}

#[tokio::test]
async fn every_number_opens_as_many_rows_as_it_says() {
    let app = TestApp::start().await;
    for seed in 0..20 {
        let mut random = Random::new(9_000_000 + seed, Utc::now());
        let history = random.history(i32::try_from(100 + seed).unwrap());
        history.write(&app.database.migrator).await;
        let token = token_of(&app, history.tenant, history.sellers[0], "ceo").await;
        let refused = app.get_as(&token, "/admin/core/sellers/facts?metric=lead").await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "metrics_not_made")
        );
        refresh(&app, &token).await;
        let (_, query) = random.wish(None);
        let team = ok(&app, &token, &format!("/admin/core/sellers/team/metrics?{query}")).await;
        let one = &team["sellers"][0];
        for (whose, metrics) in [
            (String::new(), &team["team"]),
            (format!("&seller_id={}", one["seller_id"].as_str().unwrap()), &one["metrics"]),
        ] {
            for (metric, number) in [
                ("first_response", &metrics["first_response"]["n"]),
                ("response", &metrics["response"]["n"]),
                ("lead", &metrics["conversion_rate"]["of"]),
                ("lead_won", &metrics["conversion_rate"]["n"]),
                ("lead_contacted", &metrics["contact_rate"]["n"]),
                ("won", &metrics["win_rate"]["n"]),
                ("assigned", &metrics["assignments"]),
                ("unanswered", &metrics["closed_unanswered"]),
                ("open", &metrics["open_conversations"]),
                ("waiting", &metrics["unanswered"]),
            ] {
                let path = format!("/admin/core/sellers/facts?metric={metric}&limit=2&{query}{whose}");
                let (mut rows, mut cursor) = (0, Value::String(String::new()));
                while let Some(text) = cursor.as_str() {
                    let next = if text.is_empty() { String::new() } else { format!("&cursor={text}") };
                    let page = ok(&app, &token, &format!("{path}{next}")).await;
                    assert_eq!(page["total"], *number, "{path}");
                    rows += page["facts"].as_array().unwrap().len();
                    cursor = page["next_cursor"].clone();
                }
                assert_eq!(rows, number.as_u64().unwrap() as usize, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_vendedor_sees_own_figures_and_no_others() {
    let app = TestApp::with_channel().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    app.write_from("+5491155550101", "m1", "Hola").await;
    refresh(&app, &ceo).await;
    let (own, other) = (Person::Setter.id(), Person::Closer.id());
    let sellers = "/admin/core/sellers";
    assert_eq!(ok(&app, &setter, &format!("{sellers}/{own}/metrics")).await["seller_id"], own.to_string());
    for path in [
        format!("{sellers}/{other}/metrics"),
        format!("{sellers}/facts?metric=lead&seller_id={other}"),
        format!("{sellers}/facts?metric=lead&unowned=true"),
    ] {
        assert_eq!(app.get_as(&setter, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let team = ok(&app, &setter, &format!("{sellers}/team/metrics")).await;
    assert_eq!(
        (team["sellers"].as_array().unwrap().len(), &team["team"]["messages_received"]),
        (1, &Value::Null)
    );
    let secretary = app.token(Person::Secretary).await;
    for path in ["team/metrics", "leaderboard", "facts?metric=lead", "dashboard/conversation-stats"] {
        let answer = app.get_as(&secretary, &format!("{sellers}/{path}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    let board = ok(&app, &setter, &format!("{sellers}/leaderboard")).await;
    assert_eq!(board["places"].as_array().unwrap().len(), 1);
    assert_eq!(ok(&app, &setter, &format!("{sellers}/dashboard/conversation-stats")).await["unassigned"], 0);
    assert_eq!(ok(&app, &setter, &format!("{sellers}/facts?metric=lead")).await["total"], 0);
    let stranger = app.token(Person::OtherCeo).await;
    assert_eq!(
        app.get_as(&stranger, &format!("{sellers}/{own}/metrics")).await.status,
        StatusCode::NOT_FOUND
    );
    for bad in [
        "period_days=0",
        "period_days=x",
        "from=2026-13-01",
        "time_zone=Mars",
        "period_days=3&from=2026-01-01",
        "x=1",
    ] {
        let answer = app.get_as(&ceo, &format!("{sellers}/team/metrics?{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    for bad in ["metric=", "metric=Lead", "metric=lead&cursor=x", "metric=lead&limit=0", ""] {
        let answer = app.get_as(&ceo, &format!("{sellers}/facts?{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}
