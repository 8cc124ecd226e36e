//! `GET /config.json`: what the page must know before anybody logs in. Nothing secret.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::policy::{Policy, Routes};
use crate::settings::Features;
use crate::state::AppState;

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Public, routes!(config))
}

/// Settings of the page; one build of it serves every environment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageConfig {
    /// Where the API is; empty means "where the page came from".
    api_url: String,
    /// Name of the environment.
    environment: String,
    /// Release id.
    release: String,
    /// What is switched on.
    features: Features,
}

/// What the page must know.
#[utoipa::path(get, path = "/config.json", tag = "meta", responses((status = OK, body = PageConfig)))]
async fn config(State(state): State<AppState>) -> ([(HeaderName, HeaderValue); 1], Json<PageConfig>) {
    let settings = state.settings();
    let api_url = settings.backend_url.as_ref().map_or("", |url| url.as_str().trim_end_matches('/'));
    let config = PageConfig {
        api_url: api_url.to_owned(),
        environment: settings.environment.clone(),
        release: settings.release.clone(),
        features: settings.features,
    };
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], Json(config))
}
