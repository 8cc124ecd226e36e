//! `/admin/core/sellers/rules`: rules of automatic assignment. Only a CEO makes them; every change is audited. The
//! decisions are `assignment`'s.

mod input;

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sqlx::AssertSqlSafe;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use input::RuleInput;
use input::{Draft, Given};

use crate::assignment::rule::Rule;
use crate::audit;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::tenant::{Tenant, Transaction};

/// Columns of a rule.
const COLUMNS: &str =
    "id, name, priority, active, strategy, lead_sources, lead_statuses, seller_roles, max_open, max_per_day";

/// Every rule, in the order they are tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

/// The rules, in the order they are tried; inactive ones too.
#[utoipa::path(get, path = "/admin/core/sellers/rules", tag = "assignment",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Rules)))]
pub(crate) async fn list(mut tenant: Tenant) -> Result<Json<Rules>, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let sql = format!("SELECT {COLUMNS} FROM assignment_rules WHERE tenant_id = $1 ORDER BY priority, id");
    let rules = sqlx::query_as(AssertSqlSafe(sql)).bind(tenant_id).fetch_all(tenant.db()).await?;
    Ok(Json(Rules { rules }))
}

/// Makes a rule.
#[utoipa::path(post, path = "/admin/core/sellers/rules", tag = "assignment", request_body = RuleInput, responses(
    (status = CREATED, body = Rule),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = CONFLICT, description = "`name_taken`", body = ErrorBody),
))]
pub(crate) async fn create(
    mut tenant: Tenant,
    Body(input): Body<RuleInput>,
) -> Result<(StatusCode, Json<Rule>), ApiError> {
    let draft = input.checked(Given::Anew)?;
    let rule = draft.write(tenant.transaction(), None).await?.ok_or_else(ApiError::internal)?;
    note(tenant.transaction(), "rule.created", rule.id, &["all"]).await?;
    Ok((StatusCode::CREATED, Json(rule)))
}

/// One rule.
#[utoipa::path(get, path = "/admin/core/sellers/rules/{id}", tag = "assignment",
    params(("id" = Uuid, Path, description = "The rule"), ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Rule), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn get(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<Json<Rule>, ApiError> {
    one(tenant.transaction(), id).await.map(Json)
}

/// Replaces a rule: what is not given is as in a new one.
#[utoipa::path(put, path = "/admin/core/sellers/rules/{id}", tag = "assignment",
    params(("id" = Uuid, Path, description = "The rule")), request_body = RuleInput, responses(
        (status = OK, body = Rule),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`name_taken`", body = ErrorBody),
    ))]
pub(crate) async fn put(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(input): Body<RuleInput>,
) -> Result<Json<Rule>, ApiError> {
    let names = input.names();
    change(&mut tenant, id, &input.checked(Given::Anew)?, &names).await
}

/// Changes what is given; null clears a limit.
#[utoipa::path(patch, path = "/admin/core/sellers/rules/{id}", tag = "assignment",
    params(("id" = Uuid, Path, description = "The rule")), request_body = RuleInput, responses(
        (status = OK, body = Rule),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`name_taken`", body = ErrorBody),
    ))]
pub(crate) async fn patch(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(input): Body<RuleInput>,
) -> Result<Json<Rule>, ApiError> {
    let names = input.names();
    let before = one(tenant.transaction(), id).await?;
    change(&mut tenant, id, &input.checked(Given::Over(before))?, &names).await
}

/// Removes a rule; what it gave away stays, and its log says only that a rule chose.
#[utoipa::path(delete, path = "/admin/core/sellers/rules/{id}", tag = "assignment",
    params(("id" = Uuid, Path, description = "The rule")),
    responses((status = NO_CONTENT), (status = NOT_FOUND, body = ErrorBody)))]
pub(crate) async fn delete(Path(Id(id)): Path<Id>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    let tenant_id = tenant.caller().tenant_id;
    let gone = sqlx::query("DELETE FROM assignment_rules WHERE tenant_id = $1 AND id = $2")
        .bind(tenant_id)
        .bind(id)
        .execute(tenant.db())
        .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    note(tenant.transaction(), "rule.deleted", id, &[]).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    tenant: &mut Tenant,
    id: Uuid,
    draft: &Draft,
    names: &[&'static str],
) -> Result<Json<Rule>, ApiError> {
    let rule = draft.write(tenant.transaction(), Some(id)).await?.ok_or_else(ApiError::not_found)?;
    note(tenant.transaction(), "rule.changed", id, names).await?;
    Ok(Json(rule))
}

/// One rule.
async fn one(transaction: &mut Transaction, id: Uuid) -> Result<Rule, ApiError> {
    let tenant_id = transaction.tenant_id();
    let sql = format!("SELECT {COLUMNS} FROM assignment_rules WHERE tenant_id = $1 AND id = $2");
    let found =
        sqlx::query_as(AssertSqlSafe(sql)).bind(tenant_id).bind(id).fetch_optional(transaction.db()).await?;
    found.ok_or_else(ApiError::not_found)
}

async fn note(
    transaction: &mut Transaction,
    action: &'static str,
    id: Uuid,
    fields: &[&'static str],
) -> Result<(), sqlx::Error> {
    let details = json!({ "fields": fields });
    let entry = audit::Entry { action, entity: Some(("assignment_rule", id.to_string())), details: &details };
    audit::record(transaction, entry).await
}
