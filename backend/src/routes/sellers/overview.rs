//! `GET /admin/core/sellers/dashboard/overview`: the team on one screen. Computed from the rows
//! themselves at each call; shapes the figures, asks nothing itself (`queries` does).

use std::collections::HashMap;

use axum::Json;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries::{self, Activity, Bounds, Figures, Seller};
use crate::error::ApiError;
use crate::extract::Query;
use crate::tenant::Tenant;

/// How long a reader may keep showing the figures.
const FRESH: TimeDelta = TimeDelta::seconds(15);

/// No parameter besides `tenant_id`; any other is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The period behind rates and averages: 30 days of the tenant's zone, today included, the end excluded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Period {
    /// First moment.
    from: DateTime<Utc>,
    /// First moment that is no longer part of it.
    until: DateTime<Utc>,
    /// Zone the days are counted in.
    time_zone: String,
}

/// Figures of the team, or of the calling vendedor. Test and merged leads count nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Active vendedores (roles setter and closer).
    total_sellers: usize,
    /// Open conversations with a message in the last 7 days.
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
    /// Conversations begun in the period that a person has answered.
    first_responses: i64,
    /// Mean seconds from the first message (or the lead's creation, when the vendedor wrote first) to the
    /// first human reply; null without replies. `unanswered` says who is not in it.
    avg_first_response_seconds: Option<f64>,
    /// Active vendedores by name.
    per_seller: Vec<SellerFigures>,
    /// Latest assignments and changes of status, newest first, at most 10.
    recent_activity: Vec<Activity>,
    /// The period of `leads`, `won`, `first_responses` and what follows from them.
    period: Period,
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
    /// Own open conversations with a message in the last 7 days.
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
    let bounds = queries::bounds(&mut tenant).await?;
    let sellers = queries::sellers(&mut tenant, only).await?;
    let figures = queries::figures(&mut tenant, &bounds, only).await?;
    let activity = queries::activity(&mut tenant, only).await?;
    Ok(Json(compose(bounds, sellers, figures, activity)))
}

/// Puts the answer together. Sums go over everybody's figures, people who left and leads of nobody
/// included, so that an average of the team is sum by sum.
fn compose(bounds: Bounds, sellers: Vec<Seller>, figures: Vec<Figures>, activity: Vec<Activity>) -> Overview {
    let total = figures.iter().fold(Figures::default(), Figures::plus);
    let unassigned = figures.iter().find(|figures| figures.seller_id.is_none());
    let unassigned_conversations = unassigned.map_or(0, |figures| figures.open);
    let by_seller: HashMap<_, _> = figures.iter().filter_map(|row| Some((row.seller_id?, row))).collect();
    let nothing = Figures::default();
    let per_seller: Vec<_> = sellers
        .into_iter()
        .map(|seller| {
            let own = by_seller.get(&seller.id).copied().unwrap_or(&nothing);
            seller_figures(seller, own)
        })
        .collect();
    Overview {
        total_sellers: per_seller.len(),
        active_conversations: total.active,
        unassigned_conversations,
        unanswered: total.unanswered,
        today_assignments: total.assigned_today,
        leads: total.leads,
        won: total.won,
        conversion_rate: ratio(total.won as f64, total.leads),
        first_responses: total.responses,
        avg_first_response_seconds: ratio(total.response_seconds, total.responses),
        per_seller,
        recent_activity: activity,
        period: Period { from: bounds.since, until: bounds.tomorrow, time_zone: bounds.time_zone },
        computed_at: bounds.now,
        fresh_until: bounds.now + FRESH,
    }
}

fn seller_figures(seller: Seller, own: &Figures) -> SellerFigures {
    SellerFigures {
        seller_id: seller.id,
        name: seller.name,
        role: seller.role,
        active_conversations: own.active,
        unanswered: own.unanswered,
        today_assignments: own.assigned_today,
        leads: own.leads,
        won: own.won,
        conversion_rate: ratio(own.won as f64, own.leads),
        first_responses: own.responses,
        avg_first_response_seconds: ratio(own.response_seconds, own.responses),
    }
}

/// A rate, or null when there is nothing to divide by.
fn ratio(sum: f64, n: i64) -> Option<f64> {
    (n > 0).then(|| sum / n as f64)
}
