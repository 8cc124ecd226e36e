//! Every route of the server, each with its declared policy. `Routes` has no method that adds a route
//! without one; router, permission table and API document all come from this one list. Enforces, but
//! decides nothing about rows (row-level security and the handlers' scope do).

mod enforce;
mod table;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::UtoipaMethodRouter;

pub use crate::auth::caller::Role;
pub(crate) use enforce::AnsweredBy;
pub use table::{Permission, Permissions};

use crate::state::AppState;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Anybody; a token is not looked at.
    Public,
    /// Anybody; who shows a token gets to know more, and a bad one is refused.
    Open,
    /// Every person with a valid token.
    Any,
    /// People of these roles.
    Roles(&'static [Role]),
    /// Another program, with the machine token.
    Machine,
}

impl Policy {
    /// Whether a person of `role` is let in.
    #[must_use]
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Public | Self::Open | Self::Any => true,
            Self::Roles(roles) => roles.contains(&role),
            Self::Machine => false,
        }
    }
}

/// One route: its policy, its place in the document, its handlers.
struct Route {
    policy: Policy,
    endpoint: UtoipaMethodRouter<AppState>,
}

/// The routes of a module, to be put together in `app`.
#[derive(Default)]
pub struct Routes {
    list: Vec<Route>,
}

impl Routes {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the handlers of `routes!(handler, …)` (each with `#[utoipa::path]`) under `policy`.
    #[must_use]
    pub fn with(mut self, policy: Policy, endpoint: UtoipaMethodRouter<AppState>) -> Self {
        self.list.push(Route { policy, endpoint });
        self
    }

    /// Adds all routes of another module.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        self
    }

    /// The router, the table of who may what, and the API document.
    pub(crate) fn build(self, state: &AppState) -> (Router<AppState>, Permissions, OpenApi) {
        let mut router = Router::new();
        let mut permissions = Permissions::default();
        let mut document = crate::routes::openapi::base(state.settings());
        for Route { policy, endpoint: (schemas, mut paths, handlers) } in self.list {
            let handlers = enforce::behind(policy, state, handlers);
            for (path, item) in &mut paths.paths {
                permissions.declare(path, item, policy);
                router = router.route(path, handlers.clone());
            }
            table::merge(&mut document, schemas, paths);
        }
        (router, permissions, document)
    }
}
