//! `PATCH /crm/leads/{id}`: what is known of a person. Absent fields stay, null clears; owner and status have ways of
//! their own.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::person::{Checker, given};
use super::queries::{self, LeadRow};
use crate::audit;
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Id};
use crate::phone::Phone;
use crate::tenant::Tenant;

/// What to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditLead {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    phone: Option<Option<String>>,
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Decimal number as text, two places at most; with a currency.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    amount: Option<Option<String>>,
    /// ISO 4217.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    currency: Option<Option<String>>,
    tags: Option<Vec<String>>,
}

/// Changes a lead.
#[utoipa::path(patch, path = "/crm/leads/{id}", tag = "leads",
    params(("id" = Uuid, Path, description = "The lead")), request_body = EditLead, responses(
        (status = OK, body = LeadRow),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "`phone_taken`: another lead has the number", body = ErrorBody),
    ))]
pub(crate) async fn edit(
    Path(Id(id)): Path<Id>,
    mut tenant: Tenant,
    Body(change): Body<EditLead>,
) -> Result<Json<LeadRow>, ApiError> {
    let scope = Scope::of(&tenant.caller());
    let change = change.checked()?;
    if !change.write(&mut tenant, scope, id).await? {
        return Err(ApiError::not_found());
    }
    let details = json!({ "fields": change.names() });
    let entry =
        audit::Entry { action: "lead.edited", entity: Some(("lead", id.to_string())), details: &details };
    audit::record(tenant.transaction(), entry).await?;
    queries::one(tenant.transaction(), scope, id).await?.map(Json).ok_or_else(ApiError::not_found)
}

/// The same, checked.
struct Change {
    phone: Option<Option<Phone>>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<Option<String>>,
    amount: Option<Option<String>>,
    currency: Option<Option<String>>,
    tags: Option<Vec<String>>,
}

impl EditLead {
    fn checked(self) -> Result<Change, ApiError> {
        let mut checker = Checker::default();
        let change = Change {
            phone: self.phone.map(|phone| phone.and_then(|phone| checker.phone(&phone))),
            first_name: self.first_name.map(|name| checker.name("first_name", name)),
            last_name: self.last_name.map(|name| checker.name("last_name", name)),
            email: self.email.map(|email| email.and_then(|email| checker.email(&email))),
            amount: self.amount.map(|amount| amount.and_then(|amount| checker.amount(&amount))),
            currency: self.currency.map(|currency| currency.and_then(|currency| checker.currency(&currency))),
            tags: self.tags.map(|tags| checker.tags(tags)),
        };
        checker.finish().map(|()| change)
    }
}

impl Change {
    /// Names of what changes, for the audit log; never the values.
    fn names(&self) -> Vec<&'static str> {
        let Self { phone, first_name, last_name, email, amount, currency, tags } = self;
        [
            ("phone", phone.is_some()),
            ("first_name", first_name.is_some()),
            ("last_name", last_name.is_some()),
            ("email", email.is_some()),
            ("amount", amount.is_some()),
            ("currency", currency.is_some()),
            ("tags", tags.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Writes it; false when there is no such lead in scope.
    async fn write(&self, tenant: &mut Tenant, scope: Scope, id: Uuid) -> Result<bool, ApiError> {
        let tenant_id = tenant.caller().tenant_id;
        let written = sqlx::query(
            "UPDATE leads SET updated_at = now(),
                    phone = CASE WHEN $4 THEN $5 ELSE phone END,
                    first_name = coalesce($6, first_name), last_name = coalesce($7, last_name),
                    email = CASE WHEN $8 THEN $9 ELSE email END,
                    amount = CASE WHEN $10 THEN $11::numeric ELSE amount END,
                    currency = CASE WHEN $12 THEN $13 ELSE currency END,
                    tags = coalesce($14, tags)
             WHERE tenant_id = $1 AND id = $2 AND merged_into IS NULL
               AND ($3::uuid IS NULL OR assigned_seller_id = $3 OR assigned_seller_id IS NULL)",
        )
        .bind(tenant_id)
        .bind(id)
        .bind(scope.seller())
        .bind(self.phone.is_some())
        .bind(self.phone.as_ref().and_then(|phone| phone.as_ref().map(Phone::as_str)))
        .bind(&self.first_name)
        .bind(&self.last_name)
        .bind(self.email.is_some())
        .bind(self.email.as_ref().and_then(Option::as_ref))
        .bind(self.amount.is_some())
        .bind(self.amount.as_ref().and_then(Option::as_ref))
        .bind(self.currency.is_some())
        .bind(self.currency.as_ref().and_then(Option::as_ref))
        .bind(&self.tags)
        .execute(tenant.db())
        .await;
        match written {
            Ok(written) => {
                tenant.transaction().touched().lead(id);
                Ok(written.rows_affected() == 1)
            }
            Err(error) => Err(refused(error)),
        }
    }
}

/// What the constraints of the table say, in the words of the request.
fn refused(error: sqlx::Error) -> ApiError {
    let constraint = error.as_database_error().and_then(|cause| cause.constraint()).unwrap_or_default();
    match constraint {
        "leads_tenant_phone_key" => {
            ApiError::conflict("phone_taken", "another lead has this phone number", json!({}))
        }
        "leads_amount_with_currency" => ApiError::field("currency", "is missing: an amount needs one"),
        _ => error.into(),
    }
}
