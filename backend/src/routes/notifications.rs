//! `/notifications…`: what the caller should know. Own rows only. While migration 016 is reverted these
//! routes answer `feature_unavailable`, and nothing else in the CRM notices.

mod count;

use axum::http::StatusCode;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::policy::{Policy, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Any, routes!(count::count)).with(Policy::Any, routes!(count::admin_count))
}

/// No parameter besides `tenant_id`; any other is refused.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// The error of a query on the tables of notifications.
fn failed(error: sqlx::Error) -> ApiError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(UNDEFINED_TABLE) {
        tracing::warn!("notifications are asked for while migration 016 is not applied");
        let message = "notifications are switched off at the moment";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "feature_unavailable", message);
    }
    error.into()
}
