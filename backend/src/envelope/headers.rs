//! The headers of every answer. A handler that set one itself keeps its own.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

use super::{REQUEST_ID, RequestId, milliseconds, plain};
use crate::state::AppState;

/// Where the release of an answer stands.
const RELEASE: HeaderName = HeaderName::from_static("x-crm-release");
/// Durations of the answer in milliseconds (Server-Timing, W3C).
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Nothing may be loaded, framed, sniffed or leaked by an API answer, and nothing is stored.
const DEFAULTS: [(HeaderName, HeaderValue); 7] = [
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Completes `response`.
pub(super) fn finish(
    mut response: Response,
    state: &AppState,
    id: &RequestId,
    app: Duration,
    database: Duration,
) -> Response {
    let headers = response.headers_mut();
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    headers.insert(RELEASE, plain(&state.settings().release));
    headers.insert(HeaderName::from_static(REQUEST_ID), plain(&id.0));
    let timing = format!("app;dur={:.3}, db;dur={:.3}", milliseconds(app), milliseconds(database));
    headers.insert(SERVER_TIMING, plain(&timing));
    response
}
