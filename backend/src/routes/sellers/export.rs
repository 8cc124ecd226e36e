//! `GET /admin/core/sellers/export.csv`: the figures of the team as a file, a line per vendedor and one of all together;
//! the same numbers as `team/metrics`. Noted, as every export is.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde_json::json;

use super::metrics::Days;
use super::shape::{self, Durations, Rate, SellerMetrics};
use crate::audit;
use crate::csv;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::metrics::{self, Period};
use crate::tenant::{Access, Profile, Tenant};

/// The columns: as the fields of `team/metrics`, `_` where there is a dot.
const COLUMNS: [&str; 32] = [
    "seller_name",
    "seller_role",
    "first_response_n",
    "first_response_mean_seconds",
    "first_response_p50_seconds",
    "first_response_p90_seconds",
    "first_response_own_mean_seconds",
    "response_n",
    "response_mean_seconds",
    "response_p50_seconds",
    "response_p90_seconds",
    "response_rate_24h",
    "response_rate_24h_of",
    "follow_up_rate",
    "follow_up_rate_of",
    "contact_rate",
    "contact_rate_of",
    "conversion_rate",
    "conversion_rate_of",
    "win_rate",
    "win_rate_of",
    "assignments",
    "assignment_latency_mean_seconds",
    "reassignment_rate",
    "messages_sent",
    "messages_received",
    "active_days",
    "closed_unanswered",
    "open_conversations",
    "active_conversations",
    "unanswered",
    "pipeline",
];

/// Figures of the team and of each vendedor as a file; a vendedor's team is themselves.
#[utoipa::path(get, path = "/admin/core/sellers/export.csv", tag = "sellers",
    params(("period_days" = Option<i64>, Query, description = "1 to 366, today included; 30 when nothing is said"),
        ("from" = Option<NaiveDate>, Query, description = "First day"),
        ("until" = Option<NaiveDate>, Query, description = "Last day, included"),
        ("time_zone" = Option<String>, Query, description = "Zone of the days; the tenant's when absent"),
        ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, content_type = "text/csv", body = String, description = "UTF-8 with a byte order mark, `;`, CRLF; \
            an empty cell is a figure that there is none of; the last line is the team"),
        (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn export(mut tenant: Tenant, Query(days): Query<Days>) -> Result<Response, ApiError> {
    let caller = tenant.caller();
    let only = caller.role.is_seller().then_some(caller.user_id);
    let period = Period::of(tenant.transaction(), &days.wish()).await?;
    let by_seller = metrics::figures(tenant.transaction(), &period, only).await?;
    let sellers = shape::sellers(&mut tenant, only).await?;
    let mut transaction = tenant.detach();
    let zone = Profile::read(&mut transaction).await?.zone;
    transaction.again(Access::Write).await?;
    let details = json!({ "own": only.is_some(), "sellers": sellers.len() });
    let entry = audit::Entry { action: "metrics.exported", entity: None, details: &details };
    audit::record(&mut transaction, entry).await?;
    transaction.commit().await?;

    let mut text = csv::BYTE_ORDER_MARK.to_owned();
    csv::push_line(&mut text, COLUMNS);
    for seller in sellers {
        let own = by_seller.get(&Some(seller.seller_id)).cloned().unwrap_or_default();
        push(&mut text, [seller.name, seller.role], &SellerMetrics::new(&own, false));
    }
    let team = SellerMetrics::new(&shape::total(&by_seller), only.is_none());
    push(&mut text, ["TOTAL".to_owned(), String::new()], &team);
    let day = Utc::now().with_timezone(&zone).format("%Y-%m-%d");
    let name = format!("attachment; filename=\"vendedores-{day}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(|_| ApiError::internal())?),
    ];
    Ok((headers, text).into_response())
}

fn push(text: &mut String, who: [String; 2], figures: &SellerMetrics) {
    let [first, first_own] = [figures.first_response, figures.first_response_own];
    let pipeline = figures.pipeline.iter().map(|open| format!("{} {}", open.currency, open.amount));
    let mut cells = who.to_vec();
    cells.extend([first.n.to_string()]);
    cells.extend(seconds(first));
    cells.extend([number(first_own.mean_seconds), figures.response.n.to_string()]);
    cells.extend(seconds(figures.response));
    let rates = [
        figures.response_rate_24h,
        figures.follow_up_rate,
        figures.contact_rate,
        figures.conversion_rate,
        figures.win_rate,
    ];
    cells.extend(rates.iter().flat_map(|rate| [share(*rate), rate.of.to_string()]));
    cells.extend([
        figures.assignments.to_string(),
        number(figures.assignment_latency.mean_seconds),
        share(figures.reassignment_rate),
        figures.messages_sent.to_string(),
        figures.messages_received.map_or_else(String::new, |count| count.to_string()),
        figures.active_days.to_string(),
        figures.closed_unanswered.to_string(),
        figures.open_conversations.to_string(),
        figures.active_conversations.to_string(),
        figures.unanswered.to_string(),
        pipeline.collect::<Vec<_>>().join(", "),
    ]);
    debug_assert_eq!(cells.len(), COLUMNS.len(), "a cell for each column");
    csv::push_line(text, cells.iter().map(String::as_str));
}

fn seconds(durations: Durations) -> [String; 3] {
    [durations.mean_seconds, durations.p50_seconds, durations.p90_seconds].map(number)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.0}"))
}

fn share(rate: Rate) -> String {
    rate.rate.map_or_else(String::new, |share| format!("{share:.4}"))
}
