//! `hot_lead`: a young lead writes a lot. Told once per burst and level: a burst ends with a day of silence. High to the
//! owner, or to the CEOs while it lies in the queue; critical to every CEO.
//!
//! Shape of `hot_lead` in `tenants.settings`: `{"max_age_hours": 168, "messages": 3, "window_hours": 24,
//! "last_minutes": 120, "high": 4, "critical": 8}`.

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
    /// Only leads younger than this.
    max_age_hours: i32,
    /// Messages within the window, this many at least.
    messages: i64,
    /// Length of the window, and of the silence that ends a burst.
    window_hours: i32,
    /// The last message is younger than this.
    last_minutes: i32,
    /// Score from which the owner is told.
    high: f64,
    /// Score from which the CEOs are told.
    critical: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_age_hours: 168,
            messages: 3,
            window_hours: 24,
            last_minutes: 120,
            high: 4.0,
            critical: 8.0,
        }
    }
}

/// A lead that writes.
#[derive(Debug, FromRow)]
struct Writing {
    id: Uuid,
    assigned_seller_id: Option<Uuid>,
    lead_source: String,
    status: String,
    name: String,
    messages: i64,
    /// Id of the message that began the burst.
    burst: i64,
}

/// Tells of every lead that is hot; gives how many notifications are new.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn check(transaction: &mut Transaction, profile: &Profile) -> Result<usize, sqlx::Error> {
    let limits: Thresholds = thresholds::of(&profile.settings, Kind::HotLead.name());
    let writing = writing(transaction, &limits).await?;
    let ceos = ceos(transaction).await?;
    let told = Told::of(transaction, Kind::HotLead).await?;
    let notices = writing.iter().flat_map(|lead| notices(lead, &limits, &ceos));
    told.tell(transaction, notices.collect()).await
}

/// How much the source of a lead weighs.
fn source_factor(source: &str) -> f64 {
    match source {
        "META_ADS" => 1.5,
        "REFERRAL" => 1.3,
        _ => 1.0,
    }
}

/// How much its status weighs.
fn status_factor(status: &str) -> f64 {
    if matches!(status, "new" | "contacted" | "qualified") { 1.2 } else { 1.0 }
}

/// The score, to two places: 3 × 1.5 × 1.2 is 5.4 and nothing beside it.
fn score(messages: i64, source: &str, status: &str) -> f64 {
    (messages as f64 * source_factor(source) * status_factor(status) * 100.0).round() / 100.0
}

/// Who is told, at which level.
fn notices(lead: &Writing, limits: &Thresholds, ceos: &[Uuid]) -> Vec<Notice> {
    let score = score(lead.messages, &lead.lead_source, &lead.status);
    let critical = score >= limits.critical;
    let owner: Vec<Uuid> = lead.assigned_seller_id.into_iter().collect();
    // In the queue the CEOs stand in for an owner, and hear the louder of the two only.
    let high = match () {
        () if score < limits.high => &[],
        () if !owner.is_empty() => owner.as_slice(),
        () if critical => &[],
        () => ceos,
    };
    let loud = if critical { ceos } else { &[] };
    let high = high.iter().map(|reader| (*reader, Priority::High));
    let all = high.chain(loud.iter().map(|reader| (*reader, Priority::Critical)));
    all.map(|(recipient, priority)| notice(lead, score, recipient, priority)).collect()
}

fn notice(lead: &Writing, score: f64, recipient: Uuid, priority: Priority) -> Notice {
    Notice {
        recipient,
        actor: None,
        kind: Kind::HotLead,
        priority,
        episode: lead.burst.to_string(),
        key: format!("hot:{}:{}:{}", lead.id, lead.burst, priority.name()),
        text: "hot_lead",
        params: json!({ "lead": lead.name, "messages": lead.messages }),
        reasons: json!([{
            "messages": lead.messages, "score": score,
            "source": lead.lead_source, "source_factor": source_factor(&lead.lead_source),
            "status": lead.status, "status_factor": status_factor(&lead.status),
        }]),
        entity: ("lead", lead.id.to_string()),
        link: format!("/leads/{}", lead.id),
    }
}

async fn writing(transaction: &mut Transaction, limits: &Thresholds) -> Result<Vec<Writing>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(WRITING)
        .bind(tenant_id)
        .bind(limits.max_age_hours)
        .bind(limits.messages)
        .bind(limits.window_hours)
        .bind(limits.last_minutes)
        .fetch_all(transaction.db())
        .await
}

/// `$1` tenant, `$2` age in hours, `$3` messages, `$4` window in hours, `$5` minutes since the last one.
const WRITING: &str = "
    SELECT l.id, l.assigned_seller_id, l.lead_source, l.status, said.messages, said.burst,
           coalesce(nullif(btrim(l.first_name || ' ' || l.last_name), ''), l.phone, '') AS name
    FROM leads l
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE one.created_at > now() - make_interval(hours => $4)) AS messages,
             max(one.created_at) AS last_at, max(one.id) FILTER (WHERE one.begins) AS burst
      FROM (SELECT m.id, m.created_at,
                   coalesce(m.created_at - lag(m.created_at) OVER (ORDER BY m.id) > make_interval(hours => $4), true) AS begins
            FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
            WHERE c.tenant_id = $1 AND c.lead_id = l.id AND m.direction = 'inbound') one) said
    WHERE l.tenant_id = $1 AND l.created_at > now() - make_interval(hours => $2)
      AND NOT l.is_test AND l.merged_into IS NULL
      AND said.messages >= $3 AND said.last_at > now() - make_interval(mins => $5)
    ORDER BY l.id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_weighs_source_and_status() {
        for (messages, source, status, expected) in [
            (3, "META_ADS", "new", 5.4),
            (3, "REFERRAL", "contacted", 4.68),
            (3, "ORGANIC", "qualified", 3.6),
            (4, "ORGANIC", "won", 4.0),
            (3, "ORGANIC", "won", 3.0),
            (5, "META_ADS", "new", 9.0),
            (5, "REFERRAL", "negotiation", 6.5),
        ] {
            assert!(
                (score(messages, source, status) - expected).abs() < 1e-9,
                "{messages} {source} {status}"
            );
        }
    }

    #[test]
    fn the_owner_hears_it_from_four_and_the_ceos_from_eight() {
        let (owner, ceo) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let said = |messages: i64, owner: Option<Uuid>| {
            let lead = Writing {
                id: Uuid::nil(),
                assigned_seller_id: owner,
                lead_source: "ORGANIC".to_owned(),
                status: "won".to_owned(),
                name: String::new(),
                messages,
                burst: 1,
            };
            let notices = notices(&lead, &Thresholds::default(), &[ceo]);
            notices.iter().map(|notice| (notice.recipient, notice.priority)).collect::<Vec<_>>()
        };
        assert_eq!(said(3, Some(owner)), []);
        assert_eq!(said(4, Some(owner)), [(owner, Priority::High)]);
        assert_eq!(said(7, Some(owner)), [(owner, Priority::High)]);
        assert_eq!(said(8, Some(owner)), [(owner, Priority::High), (ceo, Priority::Critical)]);
        assert_eq!(said(4, None), [(ceo, Priority::High)]);
        assert_eq!(said(8, None), [(ceo, Priority::Critical)]);
    }

    #[test]
    fn a_tenant_sets_what_it_says_and_the_rest_stays() {
        let limits: Thresholds = thresholds::of(&json!({ "hot_lead": { "high": 2.5 } }), "hot_lead");
        assert_eq!(limits, Thresholds { high: 2.5, ..Thresholds::default() });
        let nonsense: Thresholds = thresholds::of(&json!({ "hot_lead": "often" }), "hot_lead");
        assert_eq!(nonsense, Thresholds::default());
    }
}
