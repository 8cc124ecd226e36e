//! `performance_alert`: figures of a vendedor fell. Told once per figure and calendar week of the tenant: medium to the
//! vendedor; answers that take too long by far critical to every CEO. A figure that is zero is a figure: nobody active
//! and nobody won are told; nothing to divide by is none. Who came less than a week ago has no figures yet.
//!
//! Shape of `performance_alert` in `tenants.settings`: `{"response_minutes": 30, "critical_response_minutes": 60,
//! "conversion": 0.1, "active": 3}`.

use chrono::{Datelike, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::assignment::ceos;
use super::told::Told;
use super::{Kind, Notice, Priority, thresholds};
use crate::tenant::{Profile, Transaction};

/// What it is judged by.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Thresholds {
    /// Mean minutes to an answer, more than which is slow.
    response_minutes: f64,
    /// The same, for the CEOs.
    critical_response_minutes: f64,
    /// Won of the leads of 30 days, from 0 to 1, less than which is low.
    conversion: f64,
    /// Conversations with a message in 7 days, fewer than which are few.
    active: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { response_minutes: 30.0, critical_response_minutes: 60.0, conversion: 0.1, active: 3 }
    }
}

/// Figures of one vendedor.
#[derive(Debug, Clone, PartialEq, FromRow)]
struct Figures {
    seller_id: Uuid,
    name: String,
    /// Mean minutes of the answers of 7 days; none without an answer.
    response_minutes: Option<f64>,
    /// Leads created in 30 days that they own.
    leads: i64,
    /// Of these, won by now.
    won: i64,
    active: i64,
}

/// A figure that fell, and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fall {
    Response { minutes: f64, by_far: bool },
    Conversion { rate: f64 },
    Active { conversations: i64 },
}

/// Tells of every figure that fell; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let limits: Thresholds = thresholds::of(&profile.settings, Kind::PerformanceAlert.name());
    let tenant_id = transaction.tenant_id();
    let figures: Vec<Figures> = sqlx::query_as(FIGURES).bind(tenant_id).fetch_all(transaction.db()).await?;
    let ceos = ceos(transaction).await?;
    let told = Told::of(transaction, Kind::PerformanceAlert).await?;
    let week = Utc::now().with_timezone(&profile.zone).iso_week();
    let week = format!("{}-W{:02}", week.year(), week.week());
    let notices = figures.iter().flat_map(|seller| {
        falls(seller, &limits).into_iter().flat_map(|fall| notices(seller, fall, &week, &ceos))
    });
    told.tell(transaction, notices.collect()).await
}

/// Which figures fell.
fn falls(figures: &Figures, limits: &Thresholds) -> Vec<Fall> {
    let slow = figures.response_minutes.filter(|minutes| *minutes > limits.response_minutes);
    let response =
        slow.map(|minutes| Fall::Response { minutes, by_far: minutes > limits.critical_response_minutes });
    let rate = (figures.leads > 0).then(|| figures.won as f64 / figures.leads as f64);
    let conversion = rate.filter(|rate| *rate < limits.conversion).map(|rate| Fall::Conversion { rate });
    let active = (figures.active < limits.active).then_some(Fall::Active { conversations: figures.active });
    [response, conversion, active].into_iter().flatten().collect()
}

/// The vendedor, and the CEOs where it is far.
fn notices(seller: &Figures, fall: Fall, week: &str, ceos: &[Uuid]) -> Vec<Notice> {
    let loud = matches!(fall, Fall::Response { by_far: true, .. });
    let loud = if loud { ceos } else { &[] };
    let readers = std::iter::once((seller.seller_id, Priority::Medium))
        .chain(loud.iter().map(|ceo| (*ceo, Priority::Critical)));
    readers.map(|(recipient, priority)| notice(seller, fall, week, recipient, priority)).collect()
}

fn notice(seller: &Figures, fall: Fall, week: &str, recipient: Uuid, priority: Priority) -> Notice {
    let (figure, text, params, value) = match fall {
        Fall::Response { minutes, .. } => {
            let params = json!({ "seller": seller.name, "minutes": minutes.round() as i64 });
            ("response", "performance.response", params, json!(minutes))
        }
        Fall::Conversion { rate } => {
            let params = json!({ "seller": seller.name, "percent": (rate * 100.0).round() as i64 });
            ("conversion", "performance.conversion", params, json!(rate))
        }
        Fall::Active { conversations } => {
            let params = json!({ "seller": seller.name, "active": conversations });
            ("active", "performance.active", params, json!(conversations))
        }
    };
    Notice {
        recipient,
        actor: None,
        kind: Kind::PerformanceAlert,
        priority,
        episode: week.to_owned(),
        key: format!("performance:{}:{figure}:{week}:{}", seller.seller_id, priority.name()),
        text,
        params,
        reasons: json!([{ "figure": figure, "value": value }]),
        entity: ("user", seller.seller_id.to_string()),
        link: format!("/vendedores/{}", seller.seller_id),
    }
}

/// `$1` tenant. A turn of a conversation is what the lead wrote until a person answered: its answer took from the first of
/// these messages. Bots, failed deliveries, test and merged leads count nowhere. Turns are looked for a week further
/// back than answers, so that one across the edge is whole.
const FIGURES: &str = "
    WITH said AS (
      SELECT m.conversation_id, m.created_at, m.direction, m.author_id, m.author = 'user' AND m.delivery <> 'failed' AS is_answer,
             count(*) FILTER (WHERE m.author = 'user' AND m.delivery <> 'failed') OVER (
               PARTITION BY m.conversation_id ORDER BY m.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS turn
      FROM messages m
      JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id
      LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
      WHERE m.tenant_id = $1 AND m.created_at > now() - interval '14 days'
        AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))),
    answered AS (
      SELECT a.author_id, avg(extract(epoch FROM a.created_at - q.first_at))::float8 / 60 AS response_minutes
      FROM (SELECT conversation_id, turn, min(created_at) AS first_at FROM said WHERE direction = 'inbound' GROUP BY 1, 2) q
      JOIN said a ON a.conversation_id = q.conversation_id AND a.turn = q.turn AND a.is_answer
      WHERE a.created_at > now() - interval '7 days' AND a.created_at >= q.first_at
      GROUP BY 1)
    SELECT u.id AS seller_id, btrim(u.first_name || ' ' || u.last_name) AS name, a.response_minutes,
           (SELECT count(*) FROM leads l WHERE l.tenant_id = $1 AND l.assigned_seller_id = u.id
              AND l.created_at > now() - interval '30 days' AND NOT l.is_test AND l.merged_into IS NULL) AS leads,
           (SELECT count(*) FROM leads l WHERE l.tenant_id = $1 AND l.assigned_seller_id = u.id AND l.status = 'won'
              AND l.created_at > now() - interval '30 days' AND NOT l.is_test AND l.merged_into IS NULL) AS won,
           (SELECT count(*) FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
            WHERE c.tenant_id = $1 AND c.assigned_seller_id = u.id AND c.closed_at IS NULL
              AND c.last_message_at > now() - interval '7 days'
              AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))) AS active
    FROM users u LEFT JOIN answered a ON a.author_id = u.id
    WHERE u.tenant_id = $1 AND u.role IN ('setter', 'closer') AND u.status = 'active'
      AND u.created_at <= now() - interval '7 days'
    ORDER BY u.id";

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(response_minutes: Option<f64>, leads: i64, won: i64, active: i64) -> Figures {
        Figures { seller_id: Uuid::nil(), name: "Ana".to_owned(), response_minutes, leads, won, active }
    }

    #[test]
    fn each_figure_has_its_boundary_and_zero_is_a_figure() {
        let falls = |figures: &Figures| falls(figures, &Thresholds::default());
        assert_eq!(falls(&figures(Some(30.0), 10, 1, 3)), []);
        assert_eq!(falls(&figures(Some(30.1), 10, 1, 3)), [Fall::Response { minutes: 30.1, by_far: false }]);
        assert_eq!(falls(&figures(Some(60.0), 10, 1, 3)), [Fall::Response { minutes: 60.0, by_far: false }]);
        assert_eq!(falls(&figures(Some(60.1), 10, 1, 3)), [Fall::Response { minutes: 60.1, by_far: true }]);
        assert_eq!(falls(&figures(None, 10, 0, 3)), [Fall::Conversion { rate: 0.0 }]);
        assert_eq!(falls(&figures(None, 11, 1, 3)), [Fall::Conversion { rate: 1.0 / 11.0 }]);
        assert_eq!(falls(&figures(None, 0, 0, 0)), [Fall::Active { conversations: 0 }]);
        assert_eq!(falls(&figures(None, 0, 0, 2)), [Fall::Active { conversations: 2 }]);
    }

    #[test]
    fn only_answers_that_are_slow_by_far_reach_the_ceos() {
        let (seller, ceo) = (figures(None, 0, 0, 0), Uuid::from_u128(7));
        let readers = |fall: Fall| {
            let notices = notices(&seller, fall, "2026-W48", &[ceo]);
            notices.iter().map(|notice| (notice.recipient, notice.priority)).collect::<Vec<_>>()
        };
        let own = (Uuid::nil(), Priority::Medium);
        assert_eq!(readers(Fall::Response { minutes: 61.0, by_far: true }), [own, (ceo, Priority::Critical)]);
        assert_eq!(readers(Fall::Response { minutes: 31.0, by_far: false }), [own]);
        assert_eq!(readers(Fall::Conversion { rate: 0.0 }), [own]);
        assert_eq!(readers(Fall::Active { conversations: 0 }), [own]);
    }
}
