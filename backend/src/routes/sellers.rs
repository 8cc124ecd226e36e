//! `/admin/core/sellers/…`: what vendedores do. A vendedor sees own figures only.

mod overview;
mod queries;

use utoipa_axum::routes;

use crate::policy::{Policy, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Any, routes!(overview::overview))
}
