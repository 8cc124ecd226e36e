//! `/simulator/…`: what a test or a person changes and looks at. Meta has none of this.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::telling::{self, Manner, Told};
use super::world::{Ledger, Mode, World};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/simulator/ledger", get(ledger))
        .route("/simulator/mode", get(mode).put(behave))
        .route("/simulator/leads", post(leads))
}

async fn ledger(State(world): State<Arc<World>>) -> Json<Ledger> {
    Json(world.ledger())
}

async fn mode(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({ "mode": world.mode() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    mode: Mode,
}

async fn behave(State(world): State<Arc<World>>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    world.behave(behaviour.mode);
    StatusCode::NO_CONTENT
}

/// Forms to be sent, and whom to tell of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sending {
    count: usize,
    webhook_url: Option<Url>,
    #[serde(default)]
    manner: Manner,
}

async fn leads(State(world): State<Arc<World>>, Json(sending): Json<Sending>) -> Json<Value> {
    let ids = world.send_forms(sending.count.min(100_000));
    let told: Option<Told> = match &sending.webhook_url {
        Some(webhook) => Some(telling::tell(&world, webhook, &ids, sending.manner).await),
        None => None,
    };
    Json(json!({ "leads": ids, "told": told }))
}
