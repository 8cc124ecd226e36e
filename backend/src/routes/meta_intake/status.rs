//! `GET /crm/meta/intake`: the intake as the tables know it. Shows no person's data.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::tenant::Tenant;

/// Most leads that are shown one by one.
const MOST: i64 = 100;

/// The intake.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Intake {
    /// Leads by state.
    counts: Counts,
    /// When the newest lead was sent.
    last_lead_at: Option<DateTime<Utc>>,
    /// When the webhook last told of one.
    last_webhook_at: Option<DateTime<Utc>>,
    /// Each form.
    forms: Vec<Form>,
    /// What was put aside, then what waits for another attempt, newest first; 100 at most.
    troubles: Vec<TroubledLead>,
    /// Of `troubles`, the one that was last tried.
    last_error: Option<TroubledLead>,
}

/// Leads by state.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Counts {
    /// Told of.
    received: i64,
    /// Meta's answer is here.
    fetched: i64,
    /// A person.
    mapped: i64,
    /// With a vendedor or in the common queue.
    assigned: i64,
    /// Put aside.
    failed: i64,
}

/// A form.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct Form {
    page_id: String,
    form_id: String,
    name: String,
    /// As Meta says: `ACTIVE`, `ARCHIVED` …
    status: String,
    /// Leads sent up to here are stored for certain.
    watermark: DateTime<Utc>,
    /// When it was last read to its end.
    checked_at: Option<DateTime<Utc>>,
    /// Why the last reading did not come to its end.
    problem: Option<String>,
}

/// A lead that is not stored yet.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub(crate) struct TroubledLead {
    id: i64,
    leadgen_id: String,
    page_id: String,
    form_id: Option<String>,
    state: String,
    /// Why it failed, or what it waits for.
    reason: Option<String>,
    attempts: i32,
    received_at: DateTime<Utc>,
    /// When it was last tried.
    updated_at: DateTime<Utc>,
}

/// How leads come in.
#[utoipa::path(get, path = "/crm/meta/intake", tag = "meta-intake", responses((status = OK, body = Intake)))]
pub(crate) async fn status(mut tenant: Tenant) -> Result<Json<Intake>, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let counts = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'received') AS received,
                count(*) FILTER (WHERE state = 'fetched') AS fetched,
                count(*) FILTER (WHERE state = 'mapped') AS mapped,
                count(*) FILTER (WHERE state = 'assigned') AS assigned,
                count(*) FILTER (WHERE state = 'failed') AS failed
         FROM meta_lead_inbox WHERE tenant_id = $1",
    )
    .bind(tenant_id)
    .fetch_one(tenant.db())
    .await?;
    let (last_lead_at, last_webhook_at) = sqlx::query_as(
        "SELECT (SELECT max(last_lead_at) FROM meta_pages WHERE tenant_id = $1),
                (SELECT max(webhook_at) FROM meta_lead_inbox WHERE tenant_id = $1)",
    )
    .bind(tenant_id)
    .fetch_one(tenant.db())
    .await?;
    let forms = sqlx::query_as(
        "SELECT page_id, form_id, name, status, watermark, checked_at, problem
         FROM meta_forms WHERE tenant_id = $1 ORDER BY page_id, name, form_id",
    )
    .bind(tenant_id)
    .fetch_all(tenant.db())
    .await?;
    let troubles: Vec<TroubledLead> = sqlx::query_as(
        "SELECT id, leadgen_id, page_id, form_id, state, reason, attempts, received_at, updated_at
         FROM meta_lead_inbox
         WHERE tenant_id = $1 AND (state = 'failed' OR (state IN ('received', 'fetched', 'mapped') AND reason IS NOT NULL))
         ORDER BY state <> 'failed', received_at DESC, id DESC LIMIT $2",
    )
    .bind(tenant_id)
    .bind(MOST)
    .fetch_all(tenant.db())
    .await?;
    let last_error = troubles.iter().max_by_key(|lead| lead.updated_at).cloned();
    Ok(Json(Intake { counts, last_lead_at, last_webhook_at, forms, troubles, last_error }))
}
