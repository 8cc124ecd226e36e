//! `GET /socket.io/`: where the stock Socket.IO client connects. Says who may speak at all; everything else is `realtime`.

use axum::extract::{Request, State};

use axum::response::Response;
use utoipa_axum::routes;

use crate::error::{ApiError, ErrorBody};
use crate::policy::{Policy, Routes};
use crate::state::AppState;

/// Routes of this resource.
pub(super) fn routes() -> Routes {
    // The token comes later, in the socket's CONNECT: a browser cannot send a header with a WebSocket.
    Routes::new().with(Policy::Public, routes!(socket))
}

/// Opens a socket for `socket.io-client` 4 with `transports: ['websocket']` and `auth: {token}`.
///
/// Events: `ready`, `new_notification`, `notification_count_update`, `notification_marked_read`,
/// `SELLER_ASSIGNMENT_UPDATED`, `META_LEAD_RECEIVED`, `NEW_MESSAGE`, `metrics_updated`. Each carries an `event_id`;
/// handed back as `auth: {token, after}` it brings what was missed.
#[utoipa::path(get, path = "/socket.io/", tag = "realtime",
    params(("EIO" = String, Query, description = "4"), ("transport" = String, Query, description = "websocket")),
    responses(
        (status = SWITCHING_PROTOCOLS, description = "A socket from here on"),
        (status = BAD_REQUEST, body = ErrorBody, description = "`transport_not_supported`: only WebSocket is spoken"),
        (status = FORBIDDEN, body = ErrorBody, description = "`origin_not_allowed`"),
        (status = UPGRADE_REQUIRED, body = ErrorBody, description = "`upgrade_required`: not a WebSocket"),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody, description = "Too many sockets")))]
pub(crate) async fn socket(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    // Also while this release drains: whoever came here by the last of its connections is sent over with all others.
    state.realtime().open(request, state.settings())
}
