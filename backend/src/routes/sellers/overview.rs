//! `GET /admin/core/sellers/dashboard/overview`: the team on one screen.

use axum::Json;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::activity::{self, Activity};
use super::shape::{self, Seller};
use crate::error::ApiError;
use crate::extract::Query;
use crate::metrics::{self, Figures, Metric, Period, Wish};
use crate::tenant::Tenant;

/// How long a reader may keep showing the figures.
const FRESH: TimeDelta = TimeDelta::seconds(15);

/// What is told of the period, and of today.
const OF_PERIOD: &[&str] = &[Metric::LEAD, Metric::LEAD_WON, Metric::FIRST_RESPONSE, metrics::STANDING];
const OF_TODAY: &[&str] = &[Metric::ASSIGNED];

/// No parameter besides `tenant_id`; any other is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Figures of the team, or of the calling vendedor. Test and merged leads count nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Active vendedores (roles setter and closer).
    total_sellers: usize,
    /// Open conversations with a message since the start of the day six days ago, by the tenant's clock.
    active_conversations: i64,
    /// Open conversations that nobody owns; always 0 for a vendedor.
    unassigned_conversations: i64,
    /// Open conversations in which somebody waits for a human answer.
    unanswered: i64,
    /// Assignments to a vendedor today, by the tenant's clock.
    today_assignments: i64,
    /// Leads created in the period.
    leads: i64,
    /// Of these, won by now.
    won: i64,
    /// `won / leads`, from 0 to 1; null without leads.
    conversion_rate: Option<f64>,
    /// First answers in the period, of a conversation or after it was opened again.
    first_responses: i64,
    /// Mean seconds from the first message (or the lead's creation, when the vendedor wrote first) to the
    /// first human reply; null without replies. `unanswered` says who is not in it.
    avg_first_response_seconds: Option<f64>,
    /// Active vendedores by name.
    per_seller: Vec<SellerFigures>,
    /// Latest assignments and changes of status, newest first, at most 10.
    recent_activity: Vec<Activity>,
    /// The period of `leads`, `won`, `first_responses` and what follows from them: 30 days, today included.
    period: Period,
    /// Definition of the figures.
    metrics_version: i32,
    /// When the figures were true.
    computed_at: DateTime<Utc>,
    /// Until when they may be shown as current.
    fresh_until: DateTime<Utc>,
}

/// The same figures of one vendedor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SellerFigures {
    /// The vendedor.
    seller_id: Uuid,
    /// First and last name.
    name: String,
    /// `setter` or `closer`.
    role: String,
    /// Own open conversations with a message since the start of the day six days ago.
    active_conversations: i64,
    /// Own open conversations in which somebody waits.
    unanswered: i64,
    /// Assignments to them today.
    today_assignments: i64,
    /// Leads created in the period that they own now.
    leads: i64,
    /// Of these, won by now.
    won: i64,
    /// `won / leads`; null without leads.
    conversion_rate: Option<f64>,
    /// First replies they sent.
    first_responses: i64,
    /// Mean seconds to these; null without any.
    avg_first_response_seconds: Option<f64>,
}

/// Figures of the team, or of the calling vendedor.
#[utoipa::path(get, path = "/admin/core/sellers/dashboard/overview", tag = "sellers",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Overview)))]
pub(crate) async fn overview(mut tenant: Tenant, _: Query<Nothing>) -> Result<Json<Overview>, ApiError> {
    let caller = tenant.caller();
    let only = caller.role.is_seller().then_some(caller.user_id);
    let period = Period::of(tenant.transaction(), &Wish::default()).await?;
    let one_day = Wish { period_days: Some(1), ..Wish::default() };
    let today = Period::at(period.now, &period.time_zone, &one_day)?;
    let by_seller = metrics::few_figures(tenant.transaction(), &period, only, OF_PERIOD).await?;
    let of_today = metrics::few_figures(tenant.transaction(), &today, only, OF_TODAY).await?;
    let sellers = shape::sellers(&mut tenant, only).await?;
    let recent_activity = activity::latest(&mut tenant, only).await?;
    let nothing = Figures::default();
    let per_seller: Vec<_> = sellers
        .into_iter()
        .map(|seller| {
            let id = Some(seller.seller_id);
            let own = by_seller.get(&id).unwrap_or(&nothing);
            seller_figures(seller, own, of_today.get(&id).unwrap_or(&nothing))
        })
        .collect();
    let total = shape::total(&by_seller);
    let (leads, won) = (total.count(Metric::LEAD), total.count(Metric::LEAD_WON));
    let first = total.get(Metric::FIRST_RESPONSE);
    Ok(Json(Overview {
        total_sellers: per_seller.len(),
        active_conversations: total.active,
        unassigned_conversations: by_seller.get(&None).map_or(0, |nobody| nobody.open),
        unanswered: total.waiting,
        today_assignments: shape::total(&of_today).count(Metric::ASSIGNED),
        leads,
        won,
        conversion_rate: shape::Rate::new(won, leads).rate,
        first_responses: first.measured(),
        avg_first_response_seconds: first.mean(),
        per_seller,
        recent_activity,
        metrics_version: metrics::VERSION,
        computed_at: by_seller.at.min(of_today.at),
        fresh_until: by_seller.at.min(of_today.at) + FRESH,
        period,
    }))
}

fn seller_figures(seller: Seller, own: &Figures, today: &Figures) -> SellerFigures {
    let (leads, won) = (own.count(Metric::LEAD), own.count(Metric::LEAD_WON));
    let first = own.get(Metric::FIRST_RESPONSE);
    SellerFigures {
        seller_id: seller.seller_id,
        name: seller.name,
        role: seller.role,
        active_conversations: own.active,
        unanswered: own.waiting,
        today_assignments: today.count(Metric::ASSIGNED),
        leads,
        won,
        conversion_rate: shape::Rate::new(won, leads).rate,
        first_responses: first.measured(),
        avg_first_response_seconds: first.mean(),
    }
}
