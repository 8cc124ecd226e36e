//! `GET /`: a small page that says what answers here. One file, its style in it and allowed by its hash,
//! nothing from elsewhere.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use utoipa_axum::routes;

use crate::policy::{Policy, Routes};
use crate::state::AppState;

/// The page; `{{name}}` is filled in.
const PAGE: &str = include_str!("../page/index.html");

/// The one policy under which the page's own style works and nothing else does.
static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = PAGE.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style).as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("a policy of plain characters")
});

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    Routes::new().with(Policy::Public, routes!(page))
}

/// A page for people who find this address.
#[utoipa::path(get, path = "/", tag = "meta",
    responses((status = OK, description = "HTML", content_type = "text/html")))]
async fn page(State(state): State<AppState>) -> Response {
    // Release and environment are plain labels (`settings`), so nothing needs escaping.
    let html = PAGE
        .replace("{{release}}", &state.settings().release)
        .replace("{{environment}}", &state.settings().environment);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_its_style_is_the_hashed_one() {
        assert_eq!(PAGE.matches("<style>").count(), 1);
        for forbidden in ["<script", "style=\"", "http://", "https://", "//cdn", "onclick"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        // Nothing is filled in inside the style, or the hash would not fit.
        let style = PAGE.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        assert!(!style.contains("{{"));
    }
}
