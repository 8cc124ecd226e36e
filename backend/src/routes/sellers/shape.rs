//! How figures look in answers. A rate carries its `n`, and is null when there is nothing to divide by.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::metrics::{self, Figure, Figures, Metric, Period};
use crate::tenant::Tenant;

/// A share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Rate {
    /// From 0 to 1; null when `of` is 0.
    pub(crate) rate: Option<f64>,
    /// How many it is true for.
    pub(crate) n: i64,
    /// Of how many.
    pub(crate) of: i64,
}

impl Rate {
    pub(crate) fn new(n: i64, of: i64) -> Self {
        Self { rate: (of > 0).then(|| n as f64 / of as f64), n, of }
    }
}

/// Durations that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Durations {
    /// How many.
    pub(crate) n: i64,
    /// Mean in seconds; null without any.
    pub(crate) mean_seconds: Option<f64>,
    /// Half take no longer; as fine as the buckets.
    pub(crate) p50_seconds: Option<f64>,
    /// Nine of ten take no longer.
    pub(crate) p90_seconds: Option<f64>,
    /// How many took up to 1, 5, 15, 30, 60 minutes, 4 hours, 24 hours, and longer.
    pub(crate) buckets: [i64; 8],
}

impl From<Figure> for Durations {
    fn from(figure: Figure) -> Self {
        Self {
            n: figure.measured(),
            mean_seconds: figure.mean(),
            p50_seconds: figure.quantile(0.5),
            p90_seconds: figure.quantile(0.9),
            buckets: figure.buckets,
        }
    }
}

/// Open amounts in one currency.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Pipeline {
    /// ISO 4217.
    pub(crate) currency: String,
    /// Leads with an amount.
    pub(crate) n: i64,
    /// Decimal number with two places.
    pub(crate) amount: String,
}

/// What somebody, or the team, did in the period. Test and merged leads count nowhere.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct SellerMetrics {
    /// From the first message (or the lead's creation, when the vendedor wrote first) to the first human reply.
    pub(crate) first_response: Durations,
    /// The same from when it was theirs.
    pub(crate) first_response_own: Durations,
    /// From the first unanswered message of each turn to the human reply.
    pub(crate) response: Durations,
    /// Answered within 24 hours, of all answered or closed without an answer.
    pub(crate) response_rate_24h: Rate,
    /// Of the silences after a message of theirs, a day of which was over in the period, those that we ended.
    pub(crate) follow_up_rate: Rate,
    /// Leads of the period that somebody has answered.
    pub(crate) contact_rate: Rate,
    /// Leads of the period that are won by now.
    pub(crate) conversion_rate: Rate,
    /// Won in the period, of all won or lost in it.
    pub(crate) win_rate: Rate,
    /// Assignments to them.
    pub(crate) assignments: i64,
    /// From the lead's creation to its first assignment.
    pub(crate) assignment_latency: Durations,
    /// Taken away again, of all assigned.
    pub(crate) reassignment_rate: Rate,
    /// Messages they sent.
    pub(crate) messages_sent: i64,
    /// Messages of leads; null for one vendedor, since they are the team's.
    pub(crate) messages_received: Option<i64>,
    /// Days on which they sent any; for the team, the sum.
    pub(crate) active_days: i64,
    /// Waits that closing ended.
    pub(crate) closed_unanswered: i64,
    /// Open conversations now.
    pub(crate) open_conversations: i64,
    /// Of these, with a message since the start of the day six days ago.
    pub(crate) active_conversations: i64,
    /// Open conversations in which somebody waits now.
    pub(crate) unanswered: i64,
    /// Open amounts of leads of the period.
    pub(crate) pipeline: Vec<Pipeline>,
}

impl SellerMetrics {
    /// Of one vendedor, or `of_team` with what is nobody's.
    pub(crate) fn new(figures: &Figures, of_team: bool) -> Self {
        let count = |metric| figures.count(metric);
        let response = figures.get(Metric::RESPONSE);
        let asked = response.measured() + count(Metric::UNANSWERED);
        Self {
            first_response: figures.get(Metric::FIRST_RESPONSE).into(),
            first_response_own: figures.get(Metric::FIRST_RESPONSE_OWN).into(),
            response: response.into(),
            response_rate_24h: Rate::new(response.within_a_day(), asked),
            follow_up_rate: Rate::new(count(Metric::FOLLOWED_UP), count(Metric::SILENCE)),
            contact_rate: Rate::new(count(Metric::LEAD_CONTACTED), count(Metric::LEAD)),
            conversion_rate: Rate::new(count(Metric::LEAD_WON), count(Metric::LEAD)),
            win_rate: Rate::new(count(Metric::WON), count(Metric::WON) + count(Metric::LOST)),
            assignments: count(Metric::ASSIGNED),
            assignment_latency: figures.get(Metric::ASSIGNED).into(),
            reassignment_rate: Rate::new(count(Metric::TAKEN_AWAY), count(Metric::ASSIGNED)),
            messages_sent: count(Metric::SENT),
            messages_received: of_team.then(|| count(Metric::RECEIVED)),
            active_days: figures.active_days,
            closed_unanswered: count(Metric::UNANSWERED),
            open_conversations: figures.open,
            active_conversations: figures.active,
            unanswered: figures.waiting,
            pipeline: figures.pipeline().map(|(currency, figure)| pipeline(currency, &figure)).collect(),
        }
    }
}

fn pipeline(currency: String, figure: &Figure) -> Pipeline {
    let amount = format!("{}.{:02}", figure.sum / 100, figure.sum % 100);
    Pipeline { currency, n: figure.count, amount }
}

/// An active vendedor.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow, ToSchema)]
pub(crate) struct Seller {
    /// Who.
    pub(crate) seller_id: Uuid,
    /// First and last name.
    pub(crate) name: String,
    /// `setter` or `closer`.
    pub(crate) role: String,
}

/// Active vendedores by name, or `only` one, active or not.
///
/// # Errors
/// When the database did not say.
pub(super) async fn sellers(tenant: &mut Tenant, only: Option<Uuid>) -> Result<Vec<Seller>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "SELECT id AS seller_id, btrim(first_name || ' ' || last_name) AS name, role FROM users \
         WHERE tenant_id = $1 AND role IN ('setter', 'closer') AND (status = 'active' OR id = $2) \
           AND ($2::uuid IS NULL OR id = $2) ORDER BY 2, 1",
    )
    .bind(tenant_id)
    .bind(only)
    .fetch_all(tenant.db())
    .await
}

/// What every answer with figures says about them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Frame {
    /// The days.
    pub(crate) period: Period,
    /// Definition of the figures.
    pub(crate) metrics_version: i32,
    /// When they were true.
    pub(crate) computed_at: DateTime<Utc>,
}

impl Frame {
    /// `computed_at`: when the oldest figure in the answer was true.
    pub(crate) fn new(period: Period, computed_at: DateTime<Utc>) -> Self {
        Self { computed_at, metrics_version: metrics::VERSION, period }
    }
}

/// All together, people who left and what is nobody's included, so that an average of the team is sum by sum.
pub(super) fn total(by_seller: &metrics::BySeller) -> Figures {
    let mut total = Figures::default();
    by_seller.values().for_each(|figures| total.add(figures));
    total
}
