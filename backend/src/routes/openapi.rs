//! `GET /openapi.json`: the document, read off the same list of routes. Closed at the edge.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa_axum::routes;

use crate::error::ErrorBody;
use crate::policy::{Policy, Routes};
use crate::settings::Settings;
use crate::state::AppState;

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Public, routes!(document))
}

/// The document without any path.
pub(crate) fn base(settings: &Settings) -> OpenApi {
    let info = InfoBuilder::new()
        .title("CRM")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Tenant and role come from the token; `tenant_id` in a query is only checked."))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components =
        ComponentsBuilder::new().security_scheme("bearer", bearer).schema_from::<ErrorBody>().build();
    let servers = settings.backend_url.as_ref().map(|url| vec![Server::new(url.as_str())]);
    OpenApiBuilder::new().info(info).servers(servers).components(Some(components)).build()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "meta",
    responses((status = OK, description = "OpenAPI 3.1", content_type = "application/json")))]
async fn document(State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], state.document())
}
