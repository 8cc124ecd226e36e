//! `GET /notifications`: own notifications, newest first, in the reader's language. `since` asks for what came after
//! the last one seen, for a page that was away.

#![expect(
    unused_qualifications,
    reason = "the macro that documents the route names the parameters by their path"
)]

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};

use super::failed;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::keyset;
use crate::notifications::text::{self, Locale};
use crate::notifications::{Kind, Priority};
use crate::tenant::Tenant;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `true`: unread ones only.
    unread: Option<String>,
    /// A type, as `unanswered`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// `critical`, `high`, `medium` or `low`.
    priority: Option<String>,
    /// Only those with a greater id than this.
    since: Option<String>,
    /// Rows of a page, 1 to 200; 50 when absent.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One notification.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notification {
    id: i64,
    /// One of the seven types.
    #[serde(rename = "type")]
    kind: String,
    /// `critical`, `high`, `medium` or `low`.
    priority: String,
    /// Short, in the reader's language.
    title: String,
    /// A sentence, in the reader's language.
    body: String,
    /// How often it came while unread.
    count: i32,
    /// Kind of thing it is about: `lead`, `conversation`, `user`, `tenant`.
    entity_type: Option<String>,
    /// Its id.
    entity_id: Option<String>,
    /// Where in the page it leads.
    link: Option<String>,
    /// Why it was raised.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    read_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notifications {
    /// The rows, newest first.
    notifications: Vec<Notification>,
    /// Give it as `cursor` for the page after this; null on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, FromRow)]
struct Row {
    id: i64,
    r#type: String,
    priority: String,
    text_key: String,
    params: Value,
    count: i32,
    entity_type: Option<String>,
    entity_id: Option<String>,
    link: Option<String>,
    reasons: Value,
    read_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    locale: String,
}

/// Own notifications, a page at a time.
#[utoipa::path(get, path = "/notifications", tag = "notifications",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Notifications), (status = BAD_REQUEST, body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody, description = "`feature_unavailable`: switched off")))]
pub(crate) async fn list(
    mut tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Notifications>, ApiError> {
    let which = parameters.check()?;
    let mut rows = page(&mut tenant, &which).await.map_err(failed)?;
    let next_cursor = keyset::cut(&mut rows, which.limit).map(|last| last.id.to_string());
    Ok(Json(Notifications { notifications: rows.into_iter().map(Notification::from).collect(), next_cursor }))
}

/// The same under the path of the administration.
#[utoipa::path(get, path = "/admin/core/notifications", tag = "notifications",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Notifications), (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn admin_list(
    tenant: Tenant,
    query: Query<Parameters>,
) -> Result<Json<Notifications>, ApiError> {
    list(tenant, query).await
}

/// What is asked for, checked.
struct Which {
    unread: bool,
    kind: Option<Kind>,
    priority: Option<Priority>,
    since: Option<i64>,
    before: Option<i64>,
    limit: i64,
}

impl Parameters {
    fn check(self) -> Result<Which, ApiError> {
        let unread = match self.unread.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::field("unread", "must be `true` or `false`")),
        };
        let kind = self.kind.as_deref().map(|name| {
            Kind::from_name(name).ok_or_else(|| ApiError::field("type", "is no type of notification"))
        });
        let priority = self.priority.as_deref().map(|name| {
            Priority::from_name(name)
                .ok_or_else(|| ApiError::field("priority", "must be critical, high, medium or low"))
        });
        let since = self.since.as_deref().map(|text| {
            let id = text.parse::<i64>().ok().filter(|id| *id >= 0);
            id.ok_or_else(|| ApiError::field("since", "must be the id of a notification"))
        });
        Ok(Which {
            unread,
            kind: kind.transpose()?,
            priority: priority.transpose()?,
            since: since.transpose()?,
            before: keyset::number(self.cursor.as_deref())?,
            limit: keyset::limit(self.limit.as_deref())?,
        })
    }
}

async fn page(tenant: &mut Tenant, which: &Which) -> Result<Vec<Row>, sqlx::Error> {
    let caller = tenant.caller();
    sqlx::query_as(
        "SELECT n.id, n.type, n.priority, n.text_key, n.params, n.count, n.entity_type, n.entity_id, n.link, n.reasons,
                n.read_at, n.created_at, u.locale
         FROM notifications n JOIN users u ON u.tenant_id = n.tenant_id AND u.id = n.recipient_id
         WHERE n.tenant_id = $1 AND n.recipient_id = $2 AND (n.expires_at IS NULL OR n.expires_at > now())
           AND (NOT $3 OR n.read_at IS NULL)
           AND ($4::text IS NULL OR n.type = $4) AND ($5::text IS NULL OR n.priority = $5)
           AND ($6::bigint IS NULL OR n.id > $6) AND ($7::bigint IS NULL OR n.id < $7)
         ORDER BY n.id DESC LIMIT $8",
    )
    .bind(caller.tenant_id)
    .bind(caller.user_id)
    .bind(which.unread)
    .bind(which.kind.map(Kind::name))
    .bind(which.priority.map(Priority::name))
    .bind(which.since)
    .bind(which.before)
    .bind(which.limit + 1)
    .fetch_all(tenant.db())
    .await
}

impl From<Row> for Notification {
    fn from(row: Row) -> Self {
        let text = text::render(&row.text_key, &row.params, Locale::from_name(&row.locale));
        Self {
            id: row.id,
            kind: row.r#type,
            priority: row.priority,
            title: text.title,
            body: text.body,
            count: row.count,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            link: row.link,
            reasons: row.reasons,
            read_at: row.read_at,
            created_at: row.created_at,
        }
    }
}
