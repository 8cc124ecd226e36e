//! `/health…`: is it alive, is it ready, is it well. No internals in any answer.

mod live;

use utoipa_axum::routes;

use crate::policy::{Policy, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Public, routes!(live::live))
}
