//! `GET /admin/core/sellers/dashboard/conversation-stats`: how conversations went, day by day and by hour of the day.

use axum::Json;
use chrono::NaiveDate;
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::metrics::Days;
use super::shape::{self, Durations, Frame, Rate};
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::metrics::{self, Metric, Period};
use crate::tenant::Tenant;

/// One day.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Day {
    /// The day, in the zone of the period.
    day: NaiveDate,
    /// Leads created.
    leads: i64,
    /// Of these, won by now.
    won: i64,
    /// Messages sent.
    messages_sent: i64,
    /// Messages of leads; null for a vendedor.
    messages_received: Option<i64>,
    /// Turns answered.
    responses: i64,
    /// Mean seconds of these; null without any.
    avg_response_seconds: Option<f64>,
    /// First answers.
    first_responses: i64,
    /// Mean seconds of these; null without any.
    avg_first_response_seconds: Option<f64>,
    /// Waits that closing ended.
    closed_unanswered: i64,
}

/// One hour of the day.
#[derive(Debug, Default, Serialize, FromRow, ToSchema)]
pub(crate) struct Hour {
    /// 0 to 23, in the zone of the period.
    hour: i32,
    /// Messages sent in it, over all days.
    messages_sent: i64,
    /// Messages of leads.
    messages_received: i64,
}

/// Conversations of the period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationStats {
    /// Open now.
    open: i64,
    /// Of these, with a message since the start of the day six days ago.
    active: i64,
    /// Open ones that nobody owns; 0 for a vendedor.
    unassigned: i64,
    /// Open ones in which somebody waits.
    unanswered: i64,
    /// First answers of the period.
    first_response: Durations,
    /// Answered turns of the period.
    response: Durations,
    /// Answered within 24 hours, of all answered or closed without an answer.
    response_rate_24h: Rate,
    /// Every day of the period.
    by_day: Vec<Day>,
    /// The hours of the day; a zone whose offset is no whole hour is cut where UTC's hours are.
    by_hour: Vec<Hour>,
    #[serde(flatten)]
    frame: Frame,
}

/// How conversations went; for a vendedor the own ones.
#[utoipa::path(get, path = "/admin/core/sellers/dashboard/conversation-stats", tag = "sellers",
    params(("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = ConversationStats), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn conversation_stats(
    mut tenant: Tenant,
    Query(days): Query<Days>,
) -> Result<Json<ConversationStats>, ApiError> {
    let caller = tenant.caller();
    let only = caller.role.is_seller().then_some(caller.user_id);
    let period = Period::of(tenant.transaction(), &days.wish()).await?;
    let by_seller = metrics::figures(tenant.transaction(), &period, only).await?;
    let trend = metrics::trend(tenant.transaction(), &period, only).await?;
    let by_hour = hours(&mut tenant, &period, only).await?;
    let total = shape::total(&by_seller);
    let response = total.get(Metric::RESPONSE);
    let asked = response.measured() + total.count(Metric::UNANSWERED);
    Ok(Json(ConversationStats {
        open: total.open,
        active: total.active,
        unassigned: by_seller.get(&None).map_or(0, |nobody| nobody.open),
        unanswered: total.waiting,
        first_response: total.get(Metric::FIRST_RESPONSE).into(),
        response: response.into(),
        response_rate_24h: Rate::new(response.within_a_day(), asked),
        by_day: by_day(&period, &trend, only),
        by_hour,
        frame: Frame::new(period, by_seller.at),
    }))
}

/// Every day, those on which nothing happened included.
fn by_day(period: &Period, trend: &[metrics::Day], only: Option<Uuid>) -> Vec<Day> {
    period
        .days()
        .map(|day| {
            let of = |metric: &str| {
                let found = trend.iter().find(|row| row.day == day && row.kind == metric);
                found.map_or((0, 0), |row| (row.count, row.sum))
            };
            let mean = |(n, sum): (i64, i64)| (n > 0).then(|| sum as f64 / n as f64);
            let (responses, first) = (of(Metric::RESPONSE), of(Metric::FIRST_RESPONSE));
            Day {
                day,
                leads: of(Metric::LEAD).0,
                won: of(Metric::LEAD_WON).0,
                messages_sent: of(Metric::SENT).0,
                messages_received: only.is_none().then(|| of(Metric::RECEIVED).0),
                responses: responses.0,
                avg_response_seconds: mean(responses),
                first_responses: first.0,
                avg_first_response_seconds: mean(first),
                closed_unanswered: of(Metric::UNANSWERED).0,
            }
        })
        .collect()
}

async fn hours(tenant: &mut Tenant, period: &Period, only: Option<Uuid>) -> Result<Vec<Hour>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    let rows: Vec<Hour> = sqlx::query_as(
        "SELECT extract(hour FROM hour AT TIME ZONE $5)::int AS hour,
                coalesce(sum(count) FILTER (WHERE metric = 'sent'), 0)::bigint AS messages_sent,
                coalesce(sum(count) FILTER (WHERE metric = 'received'), 0)::bigint AS messages_received
         FROM seller_metrics_hourly
         WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 AND metric IN ('sent', 'received')
           AND ($4::uuid IS NULL OR seller_id = $4)
         GROUP BY 1 ORDER BY 1",
    )
    .bind(tenant_id)
    .bind(period.from)
    .bind(period.until)
    .bind(only)
    .bind(&period.time_zone)
    .fetch_all(tenant.db())
    .await?;
    let mut hours: Vec<Hour> = (0..24).map(|hour| Hour { hour, ..Hour::default() }).collect();
    for row in rows {
        if let Some(place) = hours.iter_mut().find(|hour| hour.hour == row.hour) {
            *place = row;
        }
    }
    Ok(hours)
}
