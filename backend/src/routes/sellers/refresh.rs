//! `POST /admin/core/sellers/metrics/refresh`: derives the figures of the last days anew, and says what was different.

use axum::Json;
use axum::extract::State;
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::audit;
use crate::error::ApiError;
use crate::extract::Query;
use crate::metrics;
use crate::outbox::{self, Audience, Event};
use crate::state::AppState;
use crate::tenant::Tenant;

/// No parameter besides `tenant_id`; any other is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// How far back it looks.
const DAYS: i64 = 3;

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refreshed {
    /// True: there were no figures by this definition, and all were made.
    made: bool,
    /// Facts and sums that were other than they should be; mended. 0 unless something is wrong.
    differences: i64,
    /// Definition of the figures.
    metrics_version: i32,
}

/// Derives the figures of the last three days anew.
#[utoipa::path(post, path = "/admin/core/sellers/metrics/refresh", tag = "sellers",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Refreshed)))]
pub(crate) async fn refresh(
    State(state): State<AppState>,
    mut tenant: Tenant,
    _: Query<Nothing>,
) -> Result<Json<Refreshed>, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let made = metrics::ensure(state.database(), tenant_id).await?;
    let checked = metrics::check(state.database(), tenant_id, Utc::now() - TimeDelta::days(DAYS)).await?;
    let details = json!({ "made": made, "differences": checked.differences() });
    let entry = audit::Entry { action: "metrics.refreshed", entity: None, details: &details };
    audit::record(tenant.transaction(), entry).await?;
    outbox::publish(tenant.transaction(), Event::MetricsUpdated, Audience::Owner(None), &json!({})).await?;
    Ok(Json(Refreshed { made, differences: checked.differences(), metrics_version: metrics::VERSION }))
}
