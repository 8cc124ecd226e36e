//! `GET /crm/meta/pages`: the pages and how each is.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::tenant::Tenant;

/// The pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetaPages {
    pages: Vec<MetaPage>,
}

/// A page.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct MetaPage {
    /// Its number at Meta.
    pub(super) page_id: String,
    /// Its name there.
    pub(super) name: String,
    /// `active`, `token_expired`, `access_revoked` or `unsubscribed`.
    pub(super) status: String,
    /// Since when.
    pub(super) status_since: DateTime<Utc>,
    /// Whether it has a token; the token itself is shown to nobody.
    pub(super) has_token: bool,
    /// When the token ends; null: never, or Meta does not say.
    pub(super) token_expires_at: Option<DateTime<Utc>>,
    /// Since when it tells of its leads; null: it does not.
    pub(super) subscribed_at: Option<DateTime<Utc>>,
    /// When its newest lead was sent.
    pub(super) last_lead_at: Option<DateTime<Utc>>,
    /// When it was last looked at.
    pub(super) checked_at: Option<DateTime<Utc>>,
    /// What the last look stumbled over.
    pub(super) problem: Option<String>,
}

/// Pages of the tenant.
#[utoipa::path(get, path = "/crm/meta/pages", tag = "meta-pages", responses((status = OK, body = MetaPages)))]
pub(crate) async fn list(mut tenant: Tenant) -> Result<Json<MetaPages>, ApiError> {
    let pages = read(&mut tenant, None).await?;
    Ok(Json(MetaPages { pages }))
}

/// All of them, or one.
pub(super) async fn read(tenant: &mut Tenant, only: Option<&str>) -> Result<Vec<MetaPage>, sqlx::Error> {
    let tenant_id = tenant.caller().tenant_id;
    sqlx::query_as(
        "SELECT page_id, name, status, coalesce(status_since, created_at) AS status_since, sealed_token IS NOT NULL AS has_token, token_expires_at,
                subscribed_at, last_lead_at, checked_at, problem
         FROM meta_pages WHERE tenant_id = $1 AND ($2::text IS NULL OR page_id = $2) ORDER BY name, page_id",
    )
    .bind(tenant_id)
    .bind(only)
    .fetch_all(tenant.db())
    .await
}
