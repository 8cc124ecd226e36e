//! From an HTTP request to an open socket. Whoever cannot be let in hears why in the one error shape; who they are is
//! asked afterwards, in the socket's own CONNECT.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Realtime;
use super::farewell::Farewell;
use crate::error::{ApiError, FieldError};
use crate::settings::Settings;

/// Most sockets of one server.
const MOST: usize = 10_000;
/// The version of Engine.IO that Socket.IO's protocol 5 travels in.
const ENGINE: &str = "4";
/// The one version of the WebSocket protocol there is (RFC 6455, 4.1).
const VERSION: &str = "13";

impl Realtime {
    /// Opens a socket for `request`; it becomes one once the answer is written.
    ///
    /// # Errors
    /// 400 when it asks for something else than a WebSocket, 403 from a page of somebody else, 503 when there are too
    /// many.
    pub(crate) fn open(
        &self,
        mut request: Request<Body>,
        settings: &Settings,
    ) -> Result<Response<Body>, ApiError> {
        speaks_engine(request.uri())?;
        comes_from_home(request.headers(), request.uri(), settings)?;
        let key = websocket_key(request.headers())?;
        if self.count() >= MOST {
            return Err(ApiError::unavailable("there are too many sockets here"));
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let (mut parts, _) = request.into_parts();
        let hub = self.0.clone();
        // From here on it counts: the end of the drain waits for it, too.
        let (connection, open) = hub.connections.open();
        tokio::spawn(async move {
            let Ok(stream) = upgrade.await else { return };
            parts.extensions.insert(connection);
            let stream = Farewell::new(TokioIo::new(stream), open);
            let request = Request::from_parts(parts, ());
            if let Err(error) = hub.service.call((stream, request)).await {
                tracing::warn!(%error, "a socket was not taken");
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        Ok(response)
    }
}

/// The parameters of the stock client with `transports: ['websocket']`.
fn speaks_engine(uri: &Uri) -> Result<(), ApiError> {
    let given = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if given("transport").as_deref() != Some("websocket") || given("sid").is_some() {
        let message =
            "only WebSocket is spoken here, no long polling: connect with `transports: ['websocket']`";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "transport_not_supported", message));
    }
    if given("EIO").as_deref() != Some(ENGINE) {
        let message = "must be 4: use socket.io-client 4".to_owned();
        return Err(ApiError::fields(vec![FieldError { field: "EIO".to_owned(), message }]));
    }
    Ok(())
}

/// A browser says which page asks: it must be one of ours. Other programs say nothing, and need a token all the same.
fn comes_from_home(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let known = settings.cors_origins.iter().any(|known| known == origin);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let own = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    if known || own {
        return Ok(());
    }
    let message = "this page may not connect; name its origin in CORS_ORIGINS";
    Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message))
}

/// The answer to the key of a WebSocket handshake (RFC 6455, 4.2.1).
fn websocket_key(headers: &HeaderMap) -> Result<HeaderValue, ApiError> {
    let says = |name: header::HeaderName, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, "websocket") {
        let message = "this is a WebSocket: `Connection: upgrade` and `Upgrade: websocket` are missing, a proxy may \
                       have taken them";
        return Err(ApiError::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message));
    }
    if !says(header::SEC_WEBSOCKET_VERSION, VERSION) {
        return Err(ApiError::invalid("the WebSocket version must be 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.len() != 24 {
        return Err(ApiError::invalid("`Sec-WebSocket-Key` must hold 16 bytes in base64"));
    }
    HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| ApiError::internal())
}
