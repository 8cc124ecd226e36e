//! `GET /crm/leads/export.csv`, and the same for the list of Meta leads: all rows that the list has, under the same
//! filter, in the same order and scope, as a file. It is sent a page at a time out of one moment of the database, and
//! is noted before the first row leaves.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::cursor::Cursor;
use super::filter::{Filter, Page, Parameters};
use super::queries::{self, LeadRow, Within};
use crate::audit;
use crate::conversations::Scope;
use crate::csv;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::response_target::ResponseState;
use crate::tenant::{Access, Profile, Tenant, Transaction};

/// Rows read at once: what an export has in memory.
const PAGE: i64 = 500;

/// The columns, named as the fields of the list.
const COLUMNS: [&str; 22] = [
    "id",
    "created_at",
    "first_name",
    "last_name",
    "phone",
    "email",
    "status",
    "status_changed_at",
    "source",
    "lead_source",
    "assigned_seller_name",
    "assigned_at",
    "meta_campaign_name",
    "meta_adset_name",
    "meta_ad_name",
    "meta_form_name",
    "amount",
    "currency",
    "tags",
    "first_response_at",
    "due_at",
    "response_state",
];

/// Leads of the caller's scope as a file.
#[utoipa::path(get, path = "/crm/leads/export.csv", tag = "leads",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, content_type = "text/csv", body = String, description = "UTF-8 with a byte order mark, `;`, CRLF; times in the tenant's zone"),
        (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn export(
    tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Response, ApiError> {
    let within = Within { meta: false, scope: Scope::of(&tenant.caller()) };
    answer(tenant, within, parameters).await
}

/// The rows of a list as a file.
///
/// # Errors
/// 400 with each parameter that cannot be used.
pub(crate) async fn answer(
    tenant: Tenant,
    within: Within,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let (filter, sort) = parameters.check_whole()?;
    let mut transaction = tenant.detach();
    let zone = Profile::read(&mut transaction).await?.zone;
    note(&mut transaction, within, &filter).await?;
    transaction.again(Access::Snapshot).await?;
    let page = Page { sort, limit: PAGE, after: None };
    let mut export = Export { transaction, within, filter, page, zone, is_over: false };
    let mut first = csv::BYTE_ORDER_MARK.to_owned();
    csv::push_line(&mut first, COLUMNS);
    // An error before the first row is an answer; one after it ends the file early, which its reader notices.
    first.push_str(&export.next().await?.unwrap_or_default());
    let rest = stream::try_unfold(export, |mut export| async move {
        let text = export.next().await.map_err(|error| std::io::Error::other(error.message))?;
        Ok::<_, std::io::Error>(text.map(|text| (Bytes::from(text), export)))
    });
    let body = Body::from_stream(stream::iter([Ok(Bytes::from(first))]).chain(rest));
    let name =
        format!("attachment; filename=\"leads-{}.csv\"", Utc::now().with_timezone(&zone).format("%Y-%m-%d"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(|_| ApiError::internal())?),
    ];
    Ok((headers, body).into_response())
}

/// Who took which leads out, kept whatever becomes of the file.
async fn note(transaction: &mut Transaction, within: Within, filter: &Filter) -> Result<(), ApiError> {
    transaction.again(Access::Write).await?;
    let details =
        json!({ "meta": within.meta, "own": within.scope.seller().is_some(), "filter": filter.names() });
    let entry = audit::Entry { action: "leads.exported", entity: None, details: &details };
    audit::record(transaction, entry).await?;
    Ok(())
}

/// What is left to send; its transaction lasts as long as it does.
struct Export {
    transaction: Transaction,
    within: Within,
    filter: Filter,
    page: Page,
    zone: Tz,
    is_over: bool,
}

impl Export {
    /// The lines of the next page.
    async fn next(&mut self) -> Result<Option<String>, ApiError> {
        if self.is_over {
            return Ok(None);
        }
        let mut rows = queries::page(&mut self.transaction, self.within, &self.filter, &self.page).await?;
        let next = self.page.cut(&mut rows);
        self.page.after = next.and_then(|next| Cursor::decode(&next, self.page.sort));
        self.is_over = self.page.after.is_none();
        let mut text = String::with_capacity(rows.len() * 200);
        for row in &rows {
            csv::push_line(&mut text, cells(row, self.zone).iter().map(String::as_str));
        }
        Ok(Some(text))
    }
}

fn cells(row: &LeadRow, zone: Tz) -> [String; COLUMNS.len()] {
    let time = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string();
    let at = |at: Option<DateTime<Utc>>| at.map(time).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        row.id.to_string(),
        time(row.created_at),
        row.first_name.clone(),
        row.last_name.clone(),
        text(&row.phone),
        text(&row.email),
        row.status.clone(),
        time(row.status_changed_at),
        row.source.clone(),
        row.lead_source.clone(),
        text(&row.assigned_seller_name),
        at(row.assigned_at),
        text(&row.meta_campaign_name),
        text(&row.meta_adset_name),
        text(&row.meta_ad_name),
        text(&row.meta_form_name),
        text(&row.amount),
        text(&row.currency),
        row.tags.join(", "),
        at(row.first_response_at),
        at(row.response_due_at),
        row.response_state.map(ResponseState::name).unwrap_or_default().to_owned(),
    ]
}
