//! `/admin/…`: what those who run the system ask.

mod database_health;

use utoipa_axum::routes;

use crate::policy::{Policy, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Open, routes!(database_health::health))
}
