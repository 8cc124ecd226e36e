//! `DELETE /crm/meta/pages/{page_id}`: the page, its token and its forms go; leads stay.

use axum::extract::Path;
use axum::http::StatusCode;

use crate::error::{ApiError, ErrorBody};
use crate::meta;
use crate::tenant::Tenant;

/// Removes a page.
#[utoipa::path(delete, path = "/crm/meta/pages/{page_id}", tag = "meta-pages",
    params(("page_id" = String, Path, description = "Its number at Meta")), responses(
        (status = NO_CONTENT, description = "It is gone"),
        (status = NOT_FOUND, body = ErrorBody),
    ))]
pub(crate) async fn remove(Path(page_id): Path<String>, mut tenant: Tenant) -> Result<StatusCode, ApiError> {
    // What is no number is the number of no page.
    let digits = !page_id.is_empty() && page_id.bytes().all(|byte| byte.is_ascii_digit());
    if digits && meta::remove(tenant.transaction(), &page_id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}
