//! `POST /crm/leads`: a lead typed in by a person. A vendedor owns what they type in.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::person::Checker;
use super::queries::{self, LeadRow};
use crate::assignment::{self, Reason};
use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Body;
use crate::leads::{self, NewLead};
use crate::tenant::Tenant;

/// What is known of a person; a name, a phone number or an address at least.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateLead {
    /// With its country, however it is punctuated.
    phone: Option<String>,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    email: Option<String>,
    /// `REFERRAL`, `ORGANIC` (the default), `WEBSITE` …
    lead_source: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// Who gets it; only a CEO gives leads to others.
    assigned_seller_id: Option<Uuid>,
}

/// Makes a lead.
#[utoipa::path(post, path = "/crm/leads", tag = "leads", request_body = CreateLead, responses(
    (status = CREATED, body = LeadRow),
    (status = BAD_REQUEST, body = ErrorBody),
    (status = FORBIDDEN, description = "Only a CEO gives leads to others", body = ErrorBody),
    (status = CONFLICT, description = "`phone_taken`, with the lead that has the number", body = ErrorBody),
))]
pub(crate) async fn create(
    mut tenant: Tenant,
    Body(given): Body<CreateLead>,
) -> Result<(StatusCode, Json<LeadRow>), ApiError> {
    let caller = tenant.caller();
    let wanted = given.assigned_seller_id;
    let mut lead = given.checked()?;
    lead.owner = if caller.role.is_seller() {
        if wanted.is_some_and(|seller| seller != caller.user_id) {
            return Err(ApiError::forbidden());
        }
        Some((caller.user_id, Reason::Claimed))
    } else if let Some(seller) = wanted {
        if caller.role != crate::policy::Role::Ceo {
            return Err(ApiError::forbidden());
        }
        assignment::refuse_unless_seller(tenant.transaction(), seller).await?;
        Some((seller, Reason::Manual))
    } else {
        None
    };
    let scope = Scope::of(&caller);
    let id = leads::create(tenant.transaction(), scope, &lead).await?;
    let made = queries::one(tenant.transaction(), scope, id).await?.ok_or_else(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(made)))
}

impl CreateLead {
    fn checked(self) -> Result<NewLead, ApiError> {
        let mut checker = Checker::default();
        let lead = NewLead {
            phone: self.phone.as_deref().and_then(|phone| checker.phone(phone)),
            first_name: checker.name("first_name", self.first_name),
            last_name: checker.name("last_name", self.last_name),
            email: self.email.as_deref().and_then(|email| checker.email(email)),
            lead_source: self.lead_source.map_or("ORGANIC".to_owned(), |source| checker.lead_source(&source)),
            tags: checker.tags(self.tags),
            owner: None,
        };
        checker.finish()?;
        let known = lead.phone.is_some() || lead.email.is_some() || !lead.first_name.is_empty();
        if known {
            Ok(lead)
        } else {
            Err(ApiError::field("first_name", "is missing, and so are `phone` and `email`"))
        }
    }
}
