//! `GET /admin/core/sellers/facts`: the rows behind a number, one per fact, so exactly as many as the number says.

use axum::Json;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shape::Frame;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::keyset;
use crate::metrics::{self, Period, Wish};
use crate::tenant::Tenant;

/// Which number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// A kind of fact, as `first_response`, `lead_won`, `waiting`.
    metric: String,
    /// Whose; everybody's when absent.
    seller_id: Option<Uuid>,
    /// Only what is nobody's.
    #[serde(default)]
    unowned: bool,
    period_days: Option<i64>,
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
    time_zone: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// One fact.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Fact {
    #[serde(skip)]
    id: i64,
    /// When it happened.
    at: DateTime<Utc>,
    /// Whom it is credited to; null: nobody.
    seller_id: Option<Uuid>,
    /// The lead, when there is one.
    lead_id: Option<Uuid>,
    /// Its name.
    lead_name: Option<String>,
    /// The conversation, when it is about one.
    conversation_id: Option<Uuid>,
    /// Seconds of a duration, hundredths of an amount; null for what is only counted.
    value: Option<i64>,
}

/// A page of facts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    facts: Vec<Fact>,
    /// How many there are in all.
    total: i64,
    /// For the next page; null: this was the last.
    next_cursor: Option<String>,
    #[serde(flatten)]
    frame: Frame,
}

/// Kinds that stand now, whatever the period.
const STANDING: [&str; 2] = ["open", "waiting"];

/// The rows behind a number of the same period; a vendedor sees the own ones.
#[utoipa::path(get, path = "/admin/core/sellers/facts", tag = "sellers",
    params(("metric" = String, Query, description = "Kind of fact: response, unanswered, first_response, \
            first_response_own, silence, followed_up, assigned, taken_away, lead, lead_contacted, lead_won, won, lost, pipeline_ars …; open and \
            waiting stand now, whatever the period"),
        ("seller_id" = Option<Uuid>, Query, description = "Whose"),
        ("unowned" = Option<bool>, Query, description = "Only what is nobody's"),
        ("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("limit" = Option<i64>, Query, description = "1 to 200"), ("cursor" = Option<String>, Query),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Facts), (status = BAD_REQUEST, body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody, description = "`metrics_not_made`: they are being made")))]
pub(crate) async fn facts(mut tenant: Tenant, Query(which): Query<Which>) -> Result<Json<Facts>, ApiError> {
    let Which { metric, seller_id, unowned, period_days, from, until, time_zone, limit, cursor } = which;
    let caller = tenant.caller();
    let own = caller.role.is_seller().then_some(caller.user_id);
    if own.is_some() && (unowned || seller_id.is_some_and(|seller| Some(seller) != own)) {
        return Err(ApiError::not_found());
    }
    if metric.is_empty() || !metric.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(ApiError::field("metric", "is no kind of fact"));
    }
    let limit = keyset::limit(limit.as_deref())?;
    let after = keyset::number(cursor.as_deref())?;
    let period = Period::of(tenant.transaction(), &Wish { period_days, from, until, time_zone }).await?;
    metrics::refuse_unless_made(tenant.transaction()).await?;
    let standing = STANDING.contains(&metric.as_str());
    let (from, until) = if standing { (None, None) } else { (Some(period.from), Some(period.until)) };
    let seller = own.or(seller_id);
    let query = |sql| {
        sqlx::query_as::<_, Fact>(sql)
            .bind(caller.tenant_id)
            .bind(&metric)
            .bind(seller)
            .bind(unowned)
            .bind(from)
            .bind(until)
    };
    let mut facts = query(PAGE).bind(after).bind(limit + 1).fetch_all(tenant.db()).await?;
    let total = sqlx::query_scalar(TOTAL)
        .bind(caller.tenant_id)
        .bind(&metric)
        .bind(seller)
        .bind(unowned)
        .bind(from)
        .bind(until)
        .fetch_one(tenant.db())
        .await?;
    let next_cursor = keyset::cut(&mut facts, limit).map(|last| last.id.to_string());
    let now = period.now;
    Ok(Json(Facts { facts, total, next_cursor, frame: Frame::new(period, now) }))
}

/// `$1` tenant, `$2` kind, `$3` seller or null, `$4` only unowned, `$5` from, `$6` until, `$7` after this fact, `$8` limit.
const PAGE: &str = "\
    SELECT e.id, e.occurred_at AS at, e.seller_id, coalesce(e.lead_id, c.lead_id) AS lead_id,
           nullif(btrim(l.first_name || ' ' || l.last_name), '') AS lead_name, e.conversation_id, e.value
    FROM seller_events e
    LEFT JOIN conversations c ON c.tenant_id = e.tenant_id AND c.id = e.conversation_id
    LEFT JOIN leads l ON l.tenant_id = e.tenant_id AND l.id = coalesce(e.lead_id, c.lead_id)
    WHERE e.tenant_id = $1 AND e.kind = $2 AND ($3::uuid IS NULL OR e.seller_id = $3) AND (NOT $4 OR e.seller_id IS NULL)
      AND ($5::timestamptz IS NULL OR e.occurred_at >= $5) AND ($6::timestamptz IS NULL OR e.occurred_at < $6)
      AND ($7::bigint IS NULL OR (e.occurred_at, e.id) <
           (SELECT p.occurred_at, p.id FROM seller_events p WHERE p.tenant_id = $1 AND p.id = $7))
    ORDER BY e.occurred_at DESC, e.id DESC LIMIT $8";

const TOTAL: &str = "\
    SELECT count(*) FROM seller_events e
    WHERE e.tenant_id = $1 AND e.kind = $2 AND ($3::uuid IS NULL OR e.seller_id = $3) AND (NOT $4 OR e.seller_id IS NULL)
      AND ($5::timestamptz IS NULL OR e.occurred_at >= $5) AND ($6::timestamptz IS NULL OR e.occurred_at < $6)";
