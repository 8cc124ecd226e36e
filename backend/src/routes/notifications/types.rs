//! `GET /notifications/types`: the seven types and the four priorities, for the settings page.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::notifications::{Kind, Priority};
use crate::tenant::Tenant;

/// What there is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Types {
    /// Types, each can be muted.
    types: [Kind; 7],
    /// Priorities, the highest first.
    priorities: [Priority; 4],
}

/// Types and priorities.
#[utoipa::path(get, path = "/notifications/types", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Types)))]
pub(crate) async fn types(_: Tenant) -> Json<Types> {
    Json(Types { types: Kind::ALL, priorities: Priority::ALL })
}

/// The same under the path of the administration.
#[utoipa::path(get, path = "/admin/core/notifications/types", tag = "notifications",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Types)))]
pub(crate) async fn admin_types(tenant: Tenant) -> Json<Types> {
    types(tenant).await
}
