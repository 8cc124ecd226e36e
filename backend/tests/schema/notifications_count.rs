//! `GET /notifications/count` against a recount in plain loops.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::api::{Api, complaints};
use crate::database::{apply, revert, run, with_database};
use crate::rows::seeded_now;

const PATHS: [&str; 2] = ["/notifications/count", "/admin/core/notifications/count"];

async fn recount(pool: &PgPool, email: &str) -> Value {
    type Row = (String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT n.priority, n.read_at, n.expires_at FROM notifications n \
         JOIN users u ON u.tenant_id = n.tenant_id AND u.id = n.recipient_id WHERE u.email = $1",
    )
    .bind(email)
    .fetch_all(pool)
    .await
    .unwrap();
    let now = Utc::now();
    let mut counts = [0_i64; 6];
    for (priority, read_at, expires_at) in rows {
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            continue;
        }
        counts[0] += 1;
        if read_at.is_none() {
            counts[1] += 1;
            counts[2 + ["critical", "high", "medium", "low"]
                .iter()
                .position(|name| *name == priority)
                .unwrap()] += 1;
        }
    }
    let [total, unread, critical, high, medium, low] = counts;
    json!({ "total": total, "unread": unread, "critical": critical, "high": high, "medium": medium, "low": low })
}

#[tokio::test]
async fn count_is_the_recount_of_own_notifications() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        let mut seen = vec![];
        for email in [
            "test@staging.com",
            "vendedor@staging.com",
            "otro@staging.com",
            "secretaria@staging.com",
            "ceo2@staging.com",
        ] {
            api.log_in(email).await;
            let expected = recount(&pool, email).await;
            for path in PATHS {
                assert_eq!(api.ok(email, path).await, expected, "{email} {path}");
            }
            seen.push(expected);
        }
        // Who has read what depends on the hour of the seed.
        let some = |name: &str| seen.iter().any(|counts| counts[name].as_i64() > Some(0));
        assert!(some("critical") && some("high"), "{seen:?}");
        assert_eq!(seen[3]["total"], 0, "nobody tells the secretary anything");
        // An expired one no longer counts; read ones count in the total alone.
        run(
            &mut pool.acquire().await.unwrap(),
            "UPDATE notifications SET expires_at = now() - interval '1 second' WHERE priority = 'critical'",
        )
        .await
        .unwrap();
        let without = api.ok("test@staging.com", PATHS[0]).await;
        assert_eq!(without["critical"], 0);
        run(&mut pool.acquire().await.unwrap(), "UPDATE notifications SET read_at = now()").await.unwrap();
        let read = api.ok("test@staging.com", PATHS[0]).await;
        assert_eq!((&read["unread"], &read["total"]), (&json!(0), &without["total"]));
    })
    .await;
}

#[tokio::test]
async fn reverted_016_switches_off_the_bell_and_nothing_else() {
    with_database(async |database| {
        seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        let before = api.ok("test@staging.com", PATHS[0]).await;
        let mut db = database.connect("crm_migrator").await;
        revert(&mut db, 16).await;
        for path in PATHS {
            let (status, answer) = api.get("test@staging.com", path).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer["error"]["code"], "feature_unavailable");
            assert!(!answer.to_string().contains("relation"), "{answer}");
        }
        for path in
            ["/auth/me", "/admin/core/sellers/dashboard/overview?tenant_id=1", "/crm/meta/leads?tenant_id=1"]
        {
            api.ok("test@staging.com", path).await;
        }
        apply(&mut db, 16).await;
        let after = api.ok("test@staging.com", PATHS[0]).await;
        assert!(before["total"].as_i64() > Some(0) && after["total"] == 0, "{before} {after}");
    })
    .await;
}

#[tokio::test]
async fn strangers_foreign_claims_and_unknown_parameters_are_refused() {
    with_database(async |database| {
        seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        for path in [PATHS[0], PATHS[1], "/admin/core/sellers/dashboard/overview", "/crm/meta/leads"] {
            assert_eq!(api.anonymous(path).await, StatusCode::UNAUTHORIZED, "{path}");
            api.ok("test@staging.com", path).await;
            api.ok("test@staging.com", &format!("{path}?tenant_id=1")).await;
            let (status, answer) = api.get("test@staging.com", &format!("{path}?tenant_id=2")).await;
            assert_eq!(
                (status, &answer["error"]["code"]),
                (StatusCode::FORBIDDEN, &json!("forbidden")),
                "{path}"
            );
            for (query, field) in [
                ("tenant_id=1&tenant_id=1", "tenant_id"),
                ("tenant_id=uno", "tenant_id"),
                ("planet=mars", "planet"),
            ] {
                let (status, answer) = api.get("test@staging.com", &format!("{path}?{query}")).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{path}?{query}");
                assert_eq!(answer["error"]["code"], "invalid_request");
                assert_eq!(complaints(&answer), [field], "{path}?{query}: {answer}");
            }
        }
    })
    .await;
}
