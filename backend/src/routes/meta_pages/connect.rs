//! `POST /crm/meta/pages`: connects a page, or gives one that is connected a new token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::list::{MetaPage, read};
use crate::error::{ApiError, ErrorBody, FieldError};
use crate::extract::Body;
use crate::meta;
use crate::state::AppState;
use crate::tenant::Tenant;

/// Longest token, in bytes; Meta's have about 200.
const LONGEST_TOKEN: usize = 2_000;

/// A page and its token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectPage {
    /// Its number at Meta.
    page_id: String,
    /// A page access token, long-lived, with `leads_retrieval` and `pages_manage_metadata`.
    #[serde(deserialize_with = "hidden")]
    #[schema(value_type = String, write_only)]
    token: SecretString,
}

/// The page as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageConnected {
    page: MetaPage,
    /// Leads that had come before the page was known, and are worked on now.
    adopted: i64,
}

/// A text that shows itself in no log from here on.
fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Connects a page.
#[utoipa::path(post, path = "/crm/meta/pages", tag = "meta-pages", request_body = ConnectPage, responses(
    (status = CREATED, body = PageConnected),
    (status = BAD_REQUEST, description = "Also when Meta does not accept the token", body = ErrorBody),
    (status = CONFLICT, description = "`page_taken`: another tenant has it", body = ErrorBody),
    (status = SERVICE_UNAVAILABLE, description = "Meta does not answer, or is not set up", body = ErrorBody),
))]
pub(crate) async fn connect(
    State(state): State<AppState>,
    mut tenant: Tenant,
    Body(page): Body<ConnectPage>,
) -> Result<(StatusCode, Json<PageConnected>), ApiError> {
    let meta = state.meta()?;
    page.check()?;
    let connected = meta::connect(meta, tenant.transaction(), &page.page_id, &page.token).await?;
    tracing::info!(page = page.page_id, name = connected.name, "a page was connected");
    let page = read(&mut tenant, Some(&page.page_id)).await?.pop().ok_or_else(ApiError::internal)?;
    Ok((StatusCode::CREATED, Json(PageConnected { page, adopted: connected.adopted })))
}

impl ConnectPage {
    fn check(&self) -> Result<(), ApiError> {
        let mut fields = Vec::new();
        let digits = self.page_id.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !(1..=32).contains(&self.page_id.len()) {
            let message = "must be the number of the page".to_owned();
            fields.push(FieldError { field: "page_id".to_owned(), message });
        }
        let token = self.token.expose_secret();
        if !(10..=LONGEST_TOKEN).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let message = "is no page access token".to_owned();
            fields.push(FieldError { field: "token".to_owned(), message });
        }
        if fields.is_empty() { Ok(()) } else { Err(ApiError::fields(fields)) }
    }
}
