//! One connection from its first byte to its end. While the server drains each answer says
//! `Connection: close`, unless the client has already sent its next request; idle connections stay open
//! until the drain is over. (Closing them at once made hundreds of requests fail.)

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use super::observed::{Conversation, Observed};
use super::scope::Scope;
use super::{Shared, Watched};
use crate::extract::PeerAddress;
use crate::lifecycle::Stage;

/// Longest time for a head to arrive, which is also how long an idle connection stays.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of a head.
const LONGEST_HEAD: usize = 64 * 1024;
/// Most requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// A connection that has not asked anything yet gets this long to do so.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves `stream` until either side is done with it.
pub(super) async fn drive<S>(stream: S, peer: PeerAddress, shared: Shared, scope: Scope)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conversation = Watched::default();
    let io = TokioIo::new(Observed::new(stream, conversation.clone()));
    let answering = (conversation.clone(), shared.clone(), scope.says_close());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (conversation, shared, says_close) = answering.clone();
        request.extensions_mut().insert(peer);
        async move { Ok::<_, Infallible>(answer(request, &conversation, &shared, says_close).await) }
    });
    let builder = builder();
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let ended = tokio::select! {
        // First, so that what has come in is heard before anything is decided.
        biased;
        ended = connection.as_mut() => Some(ended),
        () = time_to_leave(&conversation, &shared, &scope) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients hang up in many ways, none of which is our failure.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LONGEST_HEAD * 4)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

async fn answer(
    request: Request<Incoming>,
    conversation: &Conversation,
    shared: &Shared,
    says_close: bool,
) -> Response<Body> {
    let is_h1 = request.version() <= Version::HTTP_11;
    let answered = shared.router.clone().oneshot(request.map(Body::new)).await;
    let mut response = answered.unwrap_or_else(|never| match never {});
    let more_has_come = conversation.answered();
    let drains = shared.lifecycle.stage() == Stage::Draining;
    let stays_http = response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if says_close && drains && is_h1 && stays_http && !more_has_come {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Waits for the moment to say goodbye: HTTP/2 has a frame for it and does so when the drain begins;
/// HTTP/1 can only hang up, so it waits for the end of the drain and for silence.
async fn time_to_leave(conversation: &Conversation, shared: &Shared, scope: &Scope) {
    shared.lifecycle.reached(Stage::Draining).await;
    if scope.says_close() && conversation.is_h2() {
        return;
    }
    scope.closing().await;
    let first_request = Instant::now() + FIRST_REQUEST;
    loop {
        let may_still_ask = conversation.is_fresh() && Instant::now() < first_request;
        if conversation.is_quiet() && !may_still_ask {
            return;
        }
        tokio::select! {
            () = conversation.changed() => {}
            () = sleep_until(first_request), if may_still_ask => {}
        }
    }
}
