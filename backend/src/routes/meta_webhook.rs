//! `/webhooks/meta`: where Meta greets and tells of leads. Nobody logs in here: a signature says who speaks.

mod greet;
mod receive;

use utoipa_axum::routes;

use crate::policy::{Policy, Routes};

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Public, routes!(greet::greet, receive::receive))
}
