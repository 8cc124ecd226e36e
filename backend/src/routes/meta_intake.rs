//! `/crm/meta/intake`: how leads come in, for the CEO: how many stand where, how far each form was read, what was put
//! aside and why, and another try for it.

mod retry;
mod status;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who looks after the intake.
const KEEPERS: Policy = Policy::Roles(&[Role::Ceo]);

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(KEEPERS, routes!(status::status)).with(KEEPERS, routes!(retry::retry))
}
