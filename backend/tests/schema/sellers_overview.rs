//! `GET /admin/core/sellers/dashboard/overview` against a slow recount in plain loops over raw rows.
//!
//! Length: the recount and what it is compared with belong together.

use std::collections::HashMap;

use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::api::Api;
use crate::database::{run, with_database};
use crate::rows::seeded_now;

const PATH: &str = "/admin/core/sellers/dashboard/overview?tenant_id=1";

#[derive(FromRow)]
struct Lead {
    id: Uuid,
    status: String,
    assigned_seller_id: Option<Uuid>,
    is_test: bool,
    merged_into: Option<Uuid>,
    created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Conversation {
    id: Uuid,
    lead_id: Option<Uuid>,
    assigned_seller_id: Option<Uuid>,
    closed_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct Message {
    conversation_id: Uuid,
    author: String,
    author_id: Option<Uuid>,
    delivery: String,
    created_at: DateTime<Utc>,
}

/// Everything of tenant 1, as it lies in the tables.
struct Raw {
    leads: HashMap<Uuid, Lead>,
    conversations: Vec<Conversation>,
    messages: Vec<Message>,
    assignments: Vec<(Option<Uuid>, Option<Uuid>, DateTime<Utc>)>,
}

#[derive(Debug, Default, PartialEq)]
struct Expected {
    active: i64,
    unassigned: i64,
    unanswered: i64,
    today: i64,
    leads: i64,
    won: i64,
    responses: i64,
    seconds: f64,
}

impl Raw {
    async fn read(pool: &PgPool) -> Self {
        let leads: Vec<Lead> =
            sqlx::query_as("SELECT * FROM leads WHERE tenant_id = 1").fetch_all(pool).await.unwrap();
        Self {
            leads: leads.into_iter().map(|lead| (lead.id, lead)).collect(),
            conversations: sqlx::query_as("SELECT * FROM conversations WHERE tenant_id = 1")
                .fetch_all(pool)
                .await
                .unwrap(),
            messages: sqlx::query_as("SELECT * FROM messages WHERE tenant_id = 1 ORDER BY created_at, id")
                .fetch_all(pool)
                .await
                .unwrap(),
            assignments: sqlx::query_as(
                "SELECT lead_id, to_seller_id, created_at FROM assignment_log WHERE tenant_id = 1",
            )
            .fetch_all(pool)
            .await
            .unwrap(),
        }
    }

    fn counts(&self, lead: Option<Uuid>) -> bool {
        lead.is_none_or(|lead| !self.leads[&lead].is_test && self.leads[&lead].merged_into.is_none())
    }

    /// Figures of the team, or of one vendedor; the zone of tenant 1 is UTC-3 all year.
    fn recount(&self, now: DateTime<Utc>, only: Option<Uuid>) -> Expected {
        let day = 86_400;
        let today =
            DateTime::from_timestamp((now.timestamp() - 3 * 3_600).div_euclid(day) * day + 3 * 3_600, 0)
                .unwrap();
        let since = today - Duration::days(29);
        let mine = |owner: Option<Uuid>| only.is_none() || owner == only;
        let mut expected = Expected::default();
        for conversation in self.conversations.iter().filter(|conversation| self.counts(conversation.lead_id))
        {
            let messages: Vec<_> =
                self.messages.iter().filter(|message| message.conversation_id == conversation.id).collect();
            let human = |message: &&&Message| message.author == "user" && message.delivery != "failed";
            if conversation.closed_at.is_none() && mine(conversation.assigned_seller_id) {
                let answered = messages.iter().rposition(|message| human(&message));
                let waits = messages[answered.map_or(0, |last| last + 1)..]
                    .iter()
                    .any(|message| message.author == "lead");
                let days = today - Duration::days(6);
                expected.active += i64::from(messages.last().unwrap().created_at >= days);
                expected.unassigned += i64::from(conversation.assigned_seller_id.is_none());
                expected.unanswered += i64::from(waits);
            }
            let Some(reply) = messages.iter().find(human) else { continue };
            if reply.created_at >= since && mine(reply.author_id) {
                let first = messages
                    .iter()
                    .find(|message| message.author == "lead" && message.created_at <= reply.created_at);
                let start = first
                    .map(|message| message.created_at)
                    .or_else(|| Some(self.leads[&conversation.lead_id?].created_at));
                expected.responses += 1;
                expected.seconds += (reply.created_at - start.unwrap()).num_seconds() as f64;
            }
        }
        for (lead, to, at) in &self.assignments {
            expected.today += i64::from(to.is_some() && mine(*to) && *at >= today && self.counts(*lead));
        }
        for lead in
            self.leads.values().filter(|lead| self.counts(Some(lead.id)) && mine(lead.assigned_seller_id))
        {
            expected.leads += i64::from(lead.created_at >= since);
            expected.won += i64::from(lead.created_at >= since && lead.status == "won");
        }
        expected
    }
}

fn assert_agrees(answer: &Value, expected: &Expected) {
    for (field, number) in [
        ("active_conversations", expected.active),
        ("unassigned_conversations", expected.unassigned),
        ("unanswered", expected.unanswered),
        ("today_assignments", expected.today),
        ("leads", expected.leads),
        ("won", expected.won),
        ("first_responses", expected.responses),
    ] {
        assert!(
            answer[field] == number || answer[field].is_null() && field == "unassigned_conversations",
            "{field}: {} != {number}",
            answer[field]
        );
    }
    let rate = (expected.leads > 0).then(|| expected.won as f64 / expected.leads as f64);
    let mean = (expected.responses > 0).then(|| expected.seconds / expected.responses as f64);
    for (field, number) in [("conversion_rate", rate), ("avg_first_response_seconds", mean)] {
        let near = |number: f64| answer[field].as_f64().is_some_and(|given| (given - number).abs() < 0.01);
        assert!(number.map_or(answer[field].is_null(), near), "{field}: {} != {number:?}", answer[field]);
    }
}

fn now_of(answer: &Value) -> DateTime<Utc> {
    answer["computed_at"].as_str().unwrap().parse().unwrap()
}

async fn id_of(pool: &PgPool, email: &str) -> Uuid {
    sqlx::query_scalar("SELECT id FROM users WHERE email = $1").bind(email).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn figures_of_the_team_and_of_each_vendedor_are_the_recount() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        let raw = Raw::read(&pool).await;
        let answer = api.ok("test@staging.com", PATH).await;
        let expected = raw.recount(now_of(&answer), None);
        assert_agrees(&answer, &expected);
        assert!(
            expected.unassigned > 0 && expected.unanswered > 0 && expected.today > 0 && expected.won > 0,
            "{expected:?}"
        );
        let sellers = answer["per_seller"].as_array().unwrap();
        assert_eq!((answer["total_sellers"].as_u64(), sellers.len()), (Some(5), 5));
        for seller in sellers {
            let id = seller["seller_id"].as_str().unwrap().parse().unwrap();
            assert_agrees(seller, &raw.recount(now_of(&answer), Some(id)));
            assert!(seller["name"].as_str().unwrap().contains(' '));
        }
        assert!(answer["fresh_until"].as_str() > answer["computed_at"].as_str());
        let activity = answer["recent_activity"].as_array().unwrap();
        assert_eq!(activity.len(), 10);
        assert!(
            activity
                .iter()
                .map(|event| event["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap())
                .rev()
                .is_sorted()
        );
    })
    .await;
}

#[tokio::test]
async fn a_vendedor_sees_own_figures_only() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        for email in ["vendedor@staging.com", "otro@staging.com"] {
            api.log_in(email).await;
            let me = id_of(&pool, email).await;
            let answer = api.ok(email, PATH).await;
            assert_agrees(&answer, &Raw::read(&pool).await.recount(now_of(&answer), Some(me)));
            assert_eq!(
                (&answer["total_sellers"], &answer["unassigned_conversations"]),
                (&1.into(), &0.into())
            );
            let text = answer.to_string();
            let sellers = answer["per_seller"].as_array().unwrap();
            assert!(sellers.len() == 1 && sellers[0]["seller_id"] == me.to_string());
            let others: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM users WHERE id <> $1")
                .bind(me)
                .fetch_all(&pool)
                .await
                .unwrap();
            assert!(others.iter().all(|other| !text.contains(&other.to_string())), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn another_tenants_work_changes_nothing() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        api.log_in("ceo2@staging.com").await;
        let strip = |mut answer: Value| {
            for field in ["computed_at", "fresh_until"] {
                answer[field].take();
            }
            answer
        };
        let before = strip(api.ok("test@staging.com", PATH).await);
        let (status, _) = api.get("ceo2@staging.com", PATH).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        run(&mut pool.acquire().await.unwrap(), "UPDATE conversations SET closed_at = now(), waiting_since = NULL WHERE tenant_id = 2; UPDATE leads SET status = 'won' WHERE tenant_id = 2; DELETE FROM metrics_state").await.unwrap();
        assert_eq!(strip(api.ok("test@staging.com", PATH).await), before);
        let other = api.ok("ceo2@staging.com", "/admin/core/sellers/dashboard/overview").await;
        assert_eq!((&other["active_conversations"], &other["conversion_rate"]), (&0.into(), &1.0.into()));
    })
    .await;
}

#[tokio::test]
async fn empty_tenant_has_nulls_not_zero_rates() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        run(
            &mut pool.acquire().await.unwrap(),
            "TRUNCATE leads, conversations CASCADE; DELETE FROM metrics_state",
        )
        .await
        .unwrap();
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        let answer = api.ok("test@staging.com", PATH).await;
        assert!(
            answer["conversion_rate"].is_null() && answer["avg_first_response_seconds"].is_null(),
            "{answer}"
        );
        assert_eq!(
            (&answer["active_conversations"], &answer["recent_activity"]),
            (&0.into(), &Value::Array(vec![]))
        );
        assert_eq!(answer["total_sellers"], 5);
    })
    .await;
}

/// Moments on both sides of the tenant's midnight, in a zone whose day is not the server's.
#[tokio::test]
async fn today_is_half_open_in_the_tenants_zone() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        run(&mut pool.acquire().await.unwrap(), "DELETE FROM metrics_state; TRUNCATE assignment_log; UPDATE tenants SET time_zone = 'Pacific/Auckland' WHERE id = 1; \
            INSERT INTO assignment_log (tenant_id, lead_id, to_seller_id, reason, created_at) \
            SELECT 1, l.id, u.id, 'manual', (date_trunc('day', now() AT TIME ZONE 'Pacific/Auckland') + edge) AT TIME ZONE 'Pacific/Auckland' \
            FROM (SELECT id FROM leads WHERE tenant_id = 1 AND NOT is_test AND merged_into IS NULL LIMIT 1) l, \
                 (SELECT id FROM users WHERE email = 'otro@staging.com') u, \
                 unnest(ARRAY['-1 microsecond', '0', '1 day -1 microsecond', '1 day']::interval[]) edge").await.unwrap();
        let mut api = Api::over(database);
        api.log_in("test@staging.com").await;
        let answer = api.ok("test@staging.com", PATH).await;
        assert_eq!(answer["today_assignments"], 2);
        assert_eq!(answer["period"]["time_zone"], "Pacific/Auckland");
    })
    .await;
}
