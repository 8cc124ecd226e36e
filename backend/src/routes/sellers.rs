//! `/admin/core/sellers/…`: what vendedores do. A vendedor sees own figures only.

mod activity;
mod assign;
mod auto_assign;
mod available;
mod conversation_stats;
mod export;
mod facts;
mod metrics;
mod overview;
mod refresh;
mod rules;
mod shape;
mod shift;

use utoipa_axum::routes;

use crate::policy::{Policy, Role, Routes};

/// Who owns conversations, and who gives them.
const ASSIGNERS: &[Role] = &[Role::Ceo, Role::Setter, Role::Closer];

/// Who decides by which rules they are given.
const CEO: &[Role] = &[Role::Ceo];

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Any, routes!(overview::overview))
        .with(Policy::Roles(ASSIGNERS), routes!(conversation_stats::conversation_stats))
        .with(Policy::Roles(ASSIGNERS), routes!(metrics::one))
        .with(Policy::Roles(ASSIGNERS), routes!(metrics::team))
        .with(Policy::Roles(ASSIGNERS), routes!(metrics::leaderboard))
        .with(Policy::Roles(ASSIGNERS), routes!(export::export))
        .with(Policy::Roles(ASSIGNERS), routes!(facts::facts))
        .with(Policy::Roles(&[Role::Ceo]), routes!(refresh::refresh))
        .with(Policy::Roles(ASSIGNERS), routes!(assign::assign))
        .with(Policy::Roles(CEO), routes!(assign::reassign))
        .with(Policy::Roles(CEO), routes!(auto_assign::auto_assign))
        .with(Policy::Roles(ASSIGNERS), routes!(assign::assignment))
        .with(Policy::Roles(CEO), routes!(available::available))
        .with(Policy::Roles(CEO), routes!(rules::list, rules::create))
        .with(Policy::Roles(CEO), routes!(rules::get, rules::put, rules::patch, rules::delete))
        .with(Policy::Roles(CEO), routes!(shift::get, shift::put))
}
