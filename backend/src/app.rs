//! The application: every route behind its policy, inside the layers that every answer passes.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;

use crate::envelope::envelope;
use crate::policy::{Permissions, Routes};
use crate::routes;
use crate::settings::Settings;
use crate::state::AppState;

/// How long a browser may remember what it was allowed.
const CORS_MAX_AGE: Duration = Duration::from_secs(600);

/// The whole application over `state`.
pub fn app(state: AppState) -> Router {
    app_with(state, Routes::new())
}

/// The same with routes of your own: each behind its policy, in the API document and in the permission table, under the
/// same limits and headers. A path that is taken panics at the start.
pub fn app_with(state: AppState, own: Routes) -> Router {
    let (router, _, document) = routes::all().and(own).build(&state);
    let settings = state.settings();
    state.publish_document(&document);
    router
        .layer(RequestBodyLimitLayer::new(settings.body_limit))
        .layer(cors(settings))
        .layer(from_fn_with_state(state.clone(), envelope))
        .with_state(state)
}

/// Who may call what, for tests and documents.
pub fn permissions(state: &AppState) -> Permissions {
    routes::all().build(state).1
}

/// The API document.
pub fn document(state: &AppState) -> utoipa::openapi::OpenApi {
    routes::all().build(state).2
}

/// Exactly the configured origins, and no cookies: tokens travel in a header.
fn cors(settings: &Settings) -> CorsLayer {
    let origins = settings.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let request_id = HeaderName::from_static(crate::envelope::REQUEST_ID);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, request_id.clone()])
        .expose_headers([request_id, HeaderName::from_static("x-crm-release"), header::RETRY_AFTER])
        .max_age(CORS_MAX_AGE)
}
