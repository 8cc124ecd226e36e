//! `/health…`: is it alive, is it ready, is it well. No internals in any answer, each in bounded time.

mod live;
mod overall;
mod ready;

use std::time::Duration;

use utoipa_axum::routes;

use crate::policy::{Policy, Routes};

/// Longest wait for a server that may hang; the questions are asked side by side. As long as every other request
/// waits for a connection: a database that is slow for a moment is not away, and a second of it made releases look
/// broken on a starved machine.
pub(super) const LIMIT: Duration = Duration::from_secs(3);

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(Policy::Public, routes!(overall::overall))
        .with(Policy::Public, routes!(live::live))
        .with(Policy::Public, routes!(ready::ready))
}
