//! The part of the Graph API that leads need, answered as Meta answers: errors have its codes, lists its cursors.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::people::Form;
use super::world::{Fate, Mode, World};
use crate::meta::proof;

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_secs(30);

type Parameters = HashMap<String, String>;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{version}/{id}", any(node)).route("/{version}/{id}/{edge}", any(edge))
}

async fn node(
    State(world): State<Arc<World>>,
    Path((_, id)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &parameters).await {
        return refusal;
    }
    let options = world.options();
    match id.as_str() {
        "debug_token" => debug_token(&world, &parameters).into_response(),
        "me" => Json(json!({ "id": options.page_id, "name": "Página simulada" })).into_response(),
        id if id == options.page_id => {
            let closed = matches!(world.mode(), Mode::AccessRevoked | Mode::AccessHidden);
            let access = json!({ "can_access_lead": !closed, "page_id": id });
            Json(json!({ "id": id, "name": "Página simulada", "has_lead_access": access })).into_response()
        }
        id => lead(&world, id),
    }
}

fn lead(world: &World, id: &str) -> Response {
    match world.mode() {
        Mode::AccessRevoked | Mode::AccessHidden => return no_access(),
        Mode::Mixed => return Json(json!({ "id": "1", "field_data": [] })).into_response(),
        _ => {}
    }
    match world.fetched(id) {
        Some(form) => Json(shown(&form)).into_response(),
        None => error(400, 100, Some(33), "Unsupported get request"),
    }
}

async fn edge(
    State(world): State<Arc<World>>,
    method: Method,
    Path((_, id, edge)): Path<(String, String, String)>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&world, &headers, &parameters).await {
        return refusal;
    }
    match edge.as_str() {
        "leadgen_forms" if id == world.options().page_id => {
            let form = |index| json!({ "id": world.form_id(index), "name": format!("Formulario {index}"), "status": "ACTIVE" });
            let forms: Vec<Value> = (0..world.options().forms).map(form).collect();
            Json(json!({ "data": forms, "paging": { "cursors": { "before": "a", "after": "z" } } }))
                .into_response()
        }
        "leads" if world.is_form(&id) => leads(&world, &id, &parameters),
        "subscribed_apps" if method == Method::POST => {
            if world.mode() == Mode::Unsubscribed {
                world.behave(Mode::Well);
            }
            Json(json!({ "success": true })).into_response()
        }
        "subscribed_apps" => {
            let app = json!({ "id": world.options().app_id, "subscribed_fields": ["feed", "leadgen"] });
            let apps = if world.mode() == Mode::Unsubscribed { json!([]) } else { json!([app]) };
            Json(json!({ "data": apps })).into_response()
        }
        _ => error(400, 100, Some(33), "Unsupported request"),
    }
}

fn leads(world: &World, form_id: &str, parameters: &Parameters) -> Response {
    match world.mode() {
        Mode::AccessRevoked => return no_access(),
        Mode::AccessHidden => return Json(json!({ "data": [] })).into_response(),
        _ => {}
    }
    let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25).clamp(1, 100);
    let after = parameters.get("after").map(String::as_str);
    let (page, more) = world.list(form_id, since(parameters), after, limit);
    world.has_been_read();
    let data: Vec<Value> = page
        .iter()
        .map(|shown| json!({ "id": shown.leadgen_id, "created_time": time(shown.created_time) }))
        .collect();
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Json(json!({ "data": [] })).into_response();
    };
    let mut paging = json!({ "cursors": { "before": first.leadgen_id, "after": last.leadgen_id } });
    if more {
        paging["next"] = json!(format!("https://graph.facebook.com/next?after={}", last.leadgen_id));
    }
    Json(json!({ "data": data, "paging": paging })).into_response()
}

/// `filtering=[{"field":"time_created","operator":"GREATER_THAN","value":seconds}]`.
fn since(parameters: &Parameters) -> DateTime<Utc> {
    let filter = parameters.get("filtering").and_then(|text| serde_json::from_str::<Value>(text).ok());
    let value = filter.as_ref().and_then(|filter| filter.get(0)?.get("value")?.as_i64());
    value.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or(DateTime::UNIX_EPOCH)
}

fn debug_token(world: &World, parameters: &Parameters) -> Json<Value> {
    let own = parameters.get("input_token") == Some(&world.options().token);
    let mut scopes = vec!["pages_show_list", "pages_manage_metadata"];
    if !matches!(world.mode(), Mode::AccessRevoked | Mode::AccessHidden) {
        scopes.push("leads_retrieval");
    }
    let ends = match world.mode() {
        Mode::ShortToken => (world.started() + TimeDelta::days(2)).timestamp(),
        _ => 0,
    };
    Json(json!({ "data": {
        "app_id": world.options().app_id, "is_valid": own, "expires_at": ends, "scopes": scopes,
    }}))
}

/// Why a call gets no answer, whatever it asks.
async fn refusal(world: &World, headers: &HeaderMap, parameters: &Parameters) -> Option<Response> {
    let fate = world.fate();
    match world.mode() {
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Away => return Some(error(500, 2, None, "Service temporarily unavailable")),
        Mode::Wrong => {
            return Some(Html("<html><body>Sorry, something went wrong.</body></html>").into_response());
        }
        Mode::Busy => return Some(busy()),
        Mode::TokenExpired => return Some(error(400, 190, Some(463), "Session has expired")),
        _ => {}
    }
    match fate {
        Fate::ServerError => return Some(error(500, 1, None, "An unknown error occurred")),
        Fate::RateLimited => return Some(busy()),
        Fate::Answered => {}
    }
    let options = world.options();
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = bearer.or_else(|| parameters.get("access_token").map(String::as_str)).unwrap_or_default();
    let application = format!("{}|{}", options.app_id, options.app_secret.expose_secret());
    if token != options.token && token != application {
        return Some(error(400, 190, None, "Invalid OAuth access token"));
    }
    let proof_given = parameters.get("appsecret_proof");
    if proof_given.is_some_and(|given| *given != proof(&options.app_secret, token)) {
        return Some(error(400, 100, None, "Invalid appsecret_proof provided in the API argument"));
    }
    None
}

fn busy() -> Response {
    let mut answer = error(400, 4, None, "Application request limit reached");
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
    answer
}

fn no_access() -> Response {
    error(403, 200, None, "Requires leads_retrieval permission to manage the object")
}

fn error(status: u16, code: i64, subcode: Option<i64>, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut error = json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A0" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
    }
    (status, Json(json!({ "error": error }))).into_response()
}

/// A form as the Graph API gives it.
fn shown(form: &Form) -> Value {
    let shown = &form.shown;
    let campaign = &shown.form_id[shown.form_id.len() - 1..];
    json!({
        "id": shown.leadgen_id, "created_time": time(shown.created_time), "form_id": shown.form_id,
        "campaign_id": format!("30{campaign}"), "campaign_name": format!("Campaña {campaign}"),
        "adset_id": format!("31{campaign}"), "adset_name": format!("Conjunto {campaign}"),
        "ad_id": format!("32{campaign}"), "ad_name": format!("Anuncio {campaign}"),
        "is_organic": false, "platform": "fb", "field_data": form.fields,
    })
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
