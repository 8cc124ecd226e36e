//! Pages of a tenant: connected with a token that proves itself against the Graph API, marked with what is wrong with
//! them, removed. A page belongs to one tenant of the whole installation.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::json;
use sqlx::FromRow;

use super::checkup::Health;
use super::{GraphError, Meta, inbox, reconciliation};
use crate::audit;
use crate::error::ApiError;
use crate::jobs::engine::state::request_run;
use crate::tenant::Transaction;

/// Longest time that connecting may take: it holds a transaction.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page that is connected now.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) name: String,
    /// Leads that had come before the page was known.
    pub(crate) adopted: i64,
}

/// A page with a token.
#[derive(Debug, FromRow)]
pub(super) struct Page {
    pub(super) page_id: String,
    pub(super) created_at: DateTime<Utc>,
    sealed_token: Vec<u8>,
}

impl Page {
    /// Its token; none when it was sealed under another secret.
    pub(super) fn token(&self, meta: &Meta, tenant_id: i32) -> Option<SecretString> {
        meta.seal().open(tenant_id, &self.page_id, &self.sealed_token)
    }
}

/// Connects a page: its token must be its own and may read leads; then the page is asked to tell of them.
///
/// # Errors
/// 400 naming `token`, 409 `page_taken` when another tenant has the page, 503 when Meta does not answer.
pub(crate) async fn connect(
    meta: &Meta,
    transaction: &mut Transaction,
    page_id: &str,
    token: &SecretString,
) -> Result<Connected, ApiError> {
    let asked = tokio::time::timeout(PATIENCE, prove(meta, page_id, token)).await;
    let (name, expires_at) = asked.map_err(|_| unreachable_now())?.map_err(|error| refusal(&error))?;
    keep(meta, transaction, page_id, token, &name, expires_at).await?;
    let adopted: i64 =
        sqlx::query_scalar("SELECT crm_meta_adopt($1)").bind(page_id).fetch_one(transaction.db()).await?;
    inbox::resume_page(transaction, page_id).await?;
    inbox::wake(transaction.db()).await?;
    request_run(transaction.db(), reconciliation::JOB).await?;
    let details = json!({ "adopted": adopted });
    let entity = Some(("meta_page", page_id.to_owned()));
    audit::record(transaction, audit::Entry { action: "meta_page.connected", entity, details: &details })
        .await?;
    Ok(Connected { name, adopted })
}

async fn prove(
    meta: &Meta,
    page_id: &str,
    token: &SecretString,
) -> Result<(String, Option<DateTime<Utc>>), GraphError> {
    let name = meta.graph().page_name(token, page_id).await?;
    let info = meta.graph().token_info(token).await?;
    if !info.reads_leads {
        return Err(GraphError::Access("it lacks the permission `leads_retrieval`".to_owned()));
    }
    meta.graph().subscribe(token, page_id).await?;
    Ok((name, info.expires_at))
}

fn refusal(error: &GraphError) -> ApiError {
    match error {
        GraphError::Away(_) | GraphError::Busy { .. } | GraphError::Unreadable(_) => {
            tracing::warn!(%error, "a page could not be connected");
            unreachable_now()
        }
        GraphError::Token(_) | GraphError::Access(_) | GraphError::Missing(_) | GraphError::Refused(_) => {
            ApiError::field("token", format!("is not accepted: {error}"))
        }
    }
}

fn unreachable_now() -> ApiError {
    ApiError::unavailable("Meta does not answer, try again later")
}

async fn keep(
    meta: &Meta,
    transaction: &mut Transaction,
    page_id: &str,
    token: &SecretString,
    name: &str,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(), ApiError> {
    let tenant_id = transaction.tenant_id();
    let sealed = meta.seal().close(tenant_id, page_id, token);
    // A page of another tenant cannot be seen, only met.
    let statements = [
        "INSERT INTO meta_pages (tenant_id, page_id, name, sealed_token, token_expires_at, subscribed_at)
         VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT (page_id) DO NOTHING",
        "UPDATE meta_pages
         SET name = $3, sealed_token = $4, token_expires_at = $5, subscribed_at = coalesce(subscribed_at, now()),
             status = 'active', status_since = CASE WHEN status = 'active' THEN status_since ELSE now() END,
             problem = NULL, updated_at = now()
         WHERE tenant_id = $1 AND page_id = $2",
    ];
    for statement in statements {
        let kept = sqlx::query(statement)
            .bind(tenant_id)
            .bind(page_id)
            .bind(name)
            .bind(&sealed)
            .bind(expires_at)
            .execute(transaction.db())
            .await?;
        if kept.rows_affected() == 1 {
            return Ok(());
        }
    }
    let message = "another tenant has this page";
    Err(ApiError::conflict("page_taken", message, json!({ "page_id": page_id })))
}

/// Removes a page with its token and its forms; leads and what came of them stay. False when there is none.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn remove(transaction: &mut Transaction, page_id: &str) -> Result<bool, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let removed = sqlx::query("DELETE FROM meta_pages WHERE tenant_id = $1 AND page_id = $2")
        .bind(tenant_id)
        .bind(page_id)
        .execute(transaction.db())
        .await?;
    if removed.rows_affected() == 0 {
        return Ok(false);
    }
    let entity = Some(("meta_page", page_id.to_owned()));
    audit::record(transaction, audit::Entry { action: "meta_page.removed", entity, details: &json!({}) })
        .await?;
    Ok(true)
}

/// Pages of the tenant that have a token.
pub(super) async fn connected(transaction: &mut Transaction) -> Result<Vec<Page>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_as(
        "SELECT page_id, created_at, sealed_token FROM meta_pages
         WHERE tenant_id = $1 AND sealed_token IS NOT NULL ORDER BY page_id",
    )
    .bind(tenant_id)
    .fetch_all(transaction.db())
    .await
}

/// The token of a page; none when there is none that can be opened.
pub(super) async fn token(
    meta: &Meta,
    transaction: &mut Transaction,
    page_id: &str,
) -> Result<Option<SecretString>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let sealed: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT sealed_token FROM meta_pages WHERE tenant_id = $1 AND page_id = $2 AND sealed_token IS NOT NULL",
    )
    .bind(tenant_id)
    .bind(page_id)
    .fetch_optional(transaction.db())
    .await?;
    Ok(sealed.and_then(|sealed| meta.seal().open(tenant_id, page_id, &sealed)))
}

/// The name of a form, where reconciliation has seen it.
pub(super) async fn form_name(
    transaction: &mut Transaction,
    page_id: &str,
    form_id: Option<&str>,
) -> Result<Option<String>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_scalar(
        "SELECT name FROM meta_forms WHERE tenant_id = $1 AND page_id = $2 AND form_id = $3 AND name <> ''",
    )
    .bind(tenant_id)
    .bind(page_id)
    .bind(form_id)
    .fetch_optional(transaction.db())
    .await
}

/// A question for the whole page failed: what can be concluded from that is kept.
pub(super) async fn stumbled(
    transaction: &mut Transaction,
    page_id: &str,
    error: &GraphError,
) -> Result<(), sqlx::Error> {
    let status = match error {
        GraphError::Token(_) => Some("token_expired"),
        GraphError::Access(_) => Some("access_revoked"),
        _ => None,
    };
    mark(transaction, page_id, status, Some(&error.to_string())).await
}

/// What a look at the page gave is kept.
pub(super) async fn looked_at(
    transaction: &mut Transaction,
    page_id: &str,
    health: &Health,
) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    mark(transaction, page_id, Some(health.status()), health.problem().as_deref()).await?;
    sqlx::query(
        "UPDATE meta_pages
         SET checked_at = now(), token_expires_at = CASE WHEN $3 THEN $4 ELSE token_expires_at END,
             subscribed_at = CASE WHEN $5 THEN coalesce(subscribed_at, now()) END
         WHERE tenant_id = $1 AND page_id = $2",
    )
    .bind(tenant_id)
    .bind(page_id)
    .bind(health.token.is_some())
    .bind(health.token.as_ref().and_then(|token| token.expires_at))
    .bind(health.is_subscribed)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// An episode begins when the status changes.
async fn mark(
    transaction: &mut Transaction,
    page_id: &str,
    status: Option<&str>,
    problem: Option<&str>,
) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query(
        "UPDATE meta_pages
         SET status = coalesce($3, status), problem = $4, updated_at = now(),
             status_since = CASE WHEN status = coalesce($3, status) THEN status_since ELSE now() END
         WHERE tenant_id = $1 AND page_id = $2",
    )
    .bind(tenant_id)
    .bind(page_id)
    .bind(status)
    .bind(problem)
    .execute(transaction.db())
    .await?;
    Ok(())
}
