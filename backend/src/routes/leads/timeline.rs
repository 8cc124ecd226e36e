//! `GET /crm/leads/{id}/timeline`: everything that happened with one person, newest first.

use axum::Json;
use axum::extract::Path;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries;
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Id;
use crate::tenant::Tenant;

/// Entries shown: the newest.
const MOST: i64 = 500;

/// One thing that happened.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct TimelineEntry {
    /// `form`, `status`, `assignment`, `message`, `closed` or `reopened`.
    #[serde(rename = "type")]
    kind: String,
    at: DateTime<Utc>,
    /// Who did it; null: the lead, a rule or the system.
    actor_id: Option<Uuid>,
    /// Their name.
    actor_name: Option<String>,
    /// Before: a status, or an owner's name.
    from: Option<String>,
    /// After: a status, an owner's name, or the text of a message.
    to: Option<String>,
    /// Why, or which form.
    note: Option<String>,
    /// The conversation it happened in.
    conversation_id: Option<Uuid>,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// Newest first, at most 500.
    entries: Vec<TimelineEntry>,
}

/// The timeline of a lead.
#[utoipa::path(get, path = "/crm/leads/{id}/timeline", tag = "leads",
    params(("id" = Uuid, Path, description = "The lead"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Timeline), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn timeline(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<Json<Timeline>, ApiError> {
    let caller = tenant.caller();
    if queries::one(tenant.transaction(), Scope::of(&caller), id).await?.is_none() {
        return Err(ApiError::not_found());
    }
    let entries =
        sqlx::query_as(TIMELINE).bind(caller.tenant_id).bind(id).bind(MOST).fetch_all(tenant.db()).await?;
    Ok(Json(Timeline { entries }))
}

/// `$1` tenant, `$2` lead, `$3` how many.
const TIMELINE: &str = r#"
    SELECT e.kind, e.at, e.actor_id, btrim(a.first_name || ' ' || a.last_name) AS actor_name, e."from", e."to", e.note,
           e.conversation_id
    FROM (
      SELECT 'form' AS kind, s.submitted_at AS at, s.id AS rank, NULL::uuid AS actor_id, NULL AS "from", NULL AS "to",
             s.form_id AS note, NULL::uuid AS conversation_id
      FROM lead_submissions s WHERE s.tenant_id = $1 AND s.lead_id = $2
      UNION ALL
      SELECT 'status', h.changed_at, h.id, h.changed_by, h.from_status, h.to_status, h.reason, NULL
      FROM lead_status_history h WHERE h.tenant_id = $1 AND h.lead_id = $2
      UNION ALL
      SELECT 'assignment', g.created_at, g.id, g.assigned_by, btrim(f.first_name || ' ' || f.last_name),
             btrim(t.first_name || ' ' || t.last_name), g.reason, g.conversation_id
      FROM assignment_log g
      LEFT JOIN users f ON f.tenant_id = g.tenant_id AND f.id = g.from_seller_id
      LEFT JOIN users t ON t.tenant_id = g.tenant_id AND t.id = g.to_seller_id
      WHERE g.tenant_id = $1 AND g.lead_id = $2
      UNION ALL
      SELECT 'message', m.created_at, m.id, m.author_id, NULL, left(m.body, 500), m.direction, m.conversation_id
      FROM conversations c JOIN messages m ON m.tenant_id = c.tenant_id AND m.conversation_id = c.id
      WHERE c.tenant_id = $1 AND c.lead_id = $2
      UNION ALL
      SELECT k.kind, k.changed_at, k.id, k.changed_by, NULL, NULL, NULL, k.conversation_id
      FROM conversations c JOIN conversation_history k ON k.tenant_id = c.tenant_id AND k.conversation_id = c.id
      WHERE c.tenant_id = $1 AND c.lead_id = $2
    ) e
    LEFT JOIN users a ON a.tenant_id = $1 AND a.id = e.actor_id
    ORDER BY e.at DESC, e.kind, e.rank DESC LIMIT $3"#;
