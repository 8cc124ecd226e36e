//! `/admin/…`: what those who run the system ask, and what the CEOs of a tenant set.

mod database_health;
mod tenant_settings;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Open, routes!(database_health::health))
        .with(Policy::Roles(&[Role::Ceo]), routes!(tenant_settings::get, tenant_settings::put))
}
