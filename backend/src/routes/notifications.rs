//! `/notifications…`: what the caller should know. Own rows only; the same handlers answer under the path of the
//! administration. While migration 016 is reverted these routes answer `feature_unavailable`, and nothing else in the
//! CRM notices.

mod count;
mod list;
mod read;
mod run_checks;
mod settings;
mod types;

use axum::http::StatusCode;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::policy::{Policy, Role, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Any, routes!(count::count))
        .with(Policy::Any, routes!(count::admin_count))
        .with(Policy::Any, routes!(list::list))
        .with(Policy::Any, routes!(list::admin_list))
        .with(Policy::Any, routes!(read::read))
        .with(Policy::Any, routes!(read::admin_read))
        .with(Policy::Any, routes!(read::read_all))
        .with(Policy::Any, routes!(read::admin_read_all))
        .with(Policy::Any, routes!(settings::get, settings::put))
        .with(Policy::Any, routes!(settings::admin_get, settings::admin_put))
        .with(Policy::Any, routes!(types::types))
        .with(Policy::Any, routes!(types::admin_types))
        .with(Policy::Roles(&[Role::Ceo]), routes!(run_checks::run_checks))
        .with(Policy::Roles(&[Role::Ceo]), routes!(run_checks::admin_run_checks))
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
