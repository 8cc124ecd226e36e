//! The listener of `METRICS_BIND`: one path, no token, so it belongs on an address that users do not reach. Two releases
//! of one machine take turns on it: whoever comes second waits until the first has gone.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::state::AppState;

/// How often what was recorded is brought into its buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often a taken address is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `GET /metrics` at `address`. Never returns.
pub(crate) async fn listen(state: AppState, address: SocketAddr) {
    tokio::join!(upkeep(&state), answer(&state, address));
}

async fn upkeep(state: &AppState) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(telemetry) = state.telemetry() {
            telemetry.settle();
        }
    }
}

async fn answer(state: &AppState, address: SocketAddr) {
    let router = Router::new().route("/metrics", get(metrics)).with_state(state.clone());
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                tracing::info!(%address, "figures for Prometheus are at /metrics");
                if let Err(error) = serve(listener, router.clone()).await {
                    tracing::warn!(%error, "the listener of figures ended");
                }
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(%error, %address, "figures wait for their address; `METRICS_BIND` says which");
            }
            Err(_) => {}
        }
        sleep(AGAIN).await;
    }
}

async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(stream, service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a reader of figures hung up");
            }
        });
    }
}

async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let text = match state.telemetry() {
        Some(telemetry) => telemetry.render(&state).await,
        None => String::new(),
    };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}
