//! `GET /crm/meta/leads/export.csv`: the list of Meta leads as a file (see `leads::export`).

use axum::response::Response;

use crate::conversations::Scope;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::routes::leads::export::answer;
use crate::routes::leads::filter::Parameters;
use crate::routes::leads::queries::Within;
use crate::tenant::Tenant;

/// Meta leads of the tenant as a file.
#[utoipa::path(get, path = "/crm/meta/leads/export.csv", tag = "meta-leads",
    params(Parameters, ("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, content_type = "text/csv", body = String, description = "UTF-8 with a byte order mark, `;`, CRLF; times in the tenant's zone"),
        (status = BAD_REQUEST, body = ErrorBody)))]
pub(crate) async fn export(
    tenant: Tenant,
    Query(parameters): Query<Parameters>,
) -> Result<Response, ApiError> {
    answer(tenant, Within { meta: true, scope: Scope::Tenant }, parameters).await
}
