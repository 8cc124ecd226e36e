//! What is around every answer, errors of the router included: request id, release, timing, security
//! headers, the error shape, the timeout, and a panic turned into a 500. Knows no route.

mod headers;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::error::ApiError;
use crate::meter::Meter;
use crate::policy::AnsweredBy;
use crate::state::AppState;

/// Name of the header with the id of a request.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The id of a request, as in the log and in its answer.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    /// The caller's id when it is a plain one, else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let plain = |id: &&str| {
            (8..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
        Self(given.map_or_else(|| Uuid::now_v7().simple().to_string().into(), Into::into))
    }
}

/// The outermost layer.
pub(crate) async fn envelope(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = %id.0);
    request.extensions_mut().insert(id.clone());
    let meter = Arc::new(Meter::default());
    let work = answer(&state, request, next);
    let response = Arc::clone(&meter).measure(work.instrument(span.clone())).await;
    let response = in_shape(response, &id);
    span.in_scope(|| log(&method, &response, start.elapsed(), meter.database()));
    if let Some(telemetry) = state.telemetry() {
        let status = response.status().as_u16();
        telemetry.answered(&method, route(&response), status, start.elapsed(), meter.database());
    }
    headers::finish(response, &state, &id, start.elapsed(), meter.database())
}

/// The answer of the routes, in bounded time and without a panic.
async fn answer(state: &AppState, request: Request, next: Next) -> Response {
    #[cfg(feature = "faults")]
    {
        let path = request.uri().path().to_owned();
        if let Some(response) = crate::faults::answer(&path, state.lifecycle().stage()).await {
            return response;
        }
    }
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(state.settings().request_timeout, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            tracing::error!(panic = panic_message(panic.as_ref()), "a handler panicked");
            ApiError::internal().into_response()
        }
        Err(_) => {
            tracing::error!("a request took too long");
            ApiError::unavailable("the request took too long").into_response()
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Gives every error the one JSON shape; an error answer that is JSON already has its own on purpose.
fn in_shape(mut response: Response, id: &RequestId) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = response.extensions_mut().remove::<ApiError>();
    if error.is_none() && is_json(response.headers()) {
        return response;
    }
    let error = error.unwrap_or_else(|| ApiError::of_status(status));
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = (status, Json(error.body(&id.0))).into_response();
    let (shaped, body) = body.into_parts();
    parts.headers.extend(shaped.headers);
    Response::from_parts(parts, body)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// The template of the route that answered; empty when none did.
fn route(response: &Response) -> &str {
    response.extensions().get::<AnsweredBy>().map_or("", |by| by.0.as_str())
}

/// One line per request: never its query, body or address.
fn log(method: &Method, response: &Response, app: Duration, database: Duration) {
    tracing::info!(
        %method,
        route = route(response),
        status = response.status().as_u16(),
        app_ms = milliseconds(app),
        database_ms = milliseconds(database),
        "answered"
    );
}

/// With three decimals, as `Server-Timing` and the log show it.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A header value of text that is known to be plain.
fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::settings::{Settings, Source};

    async fn answer(path: &str) -> (StatusCode, String, HeaderMap) {
        let pairs = [
            ("POSTGRES_DSN", "postgresql://nobody@127.0.0.1:1/nothing"),
            ("JWT_SECRET", "f3a91c5e7b2d4068e1f09c8b7a6d5e4f3c2b1a09"),
            ("REQUEST_TIMEOUT_SECONDS", "1"),
        ];
        let state = AppState::new(Settings::read(Source::from_pairs(pairs)).unwrap());
        let router: Router = Router::new()
            .route("/panics", get(async || -> () { panic!("a secret detail") }))
            .route("/hangs", get(async || std::future::pending::<()>().await))
            .layer(from_fn_with_state(state, envelope));
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, String::from_utf8(body.to_vec()).unwrap(), parts.headers)
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_shape_and_tells_nothing() {
        let (status, body, headers) = answer("/panics").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("secret"), "{body}");
        assert!(headers.contains_key("x-crm-release") && headers.contains_key("server-timing"));
    }

    #[tokio::test]
    async fn a_handler_that_hangs_is_ended() {
        let (status, body, headers) = answer("/hangs").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("took too long") && headers.contains_key("x-request-id"), "{body}");
    }
}
