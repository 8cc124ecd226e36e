//! The layer in front of each route's handlers: first who asks, then whether they may, then the claims
//! they make; then it opens their tenant and, after the answer, commits or rolls back.

use std::collections::BTreeSet;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::Policy;
use crate::auth::{Caller, Identity};
use crate::error::{ApiError, FieldError};
use crate::state::AppState;
use crate::tenant::{Access, Slot, Transaction};

/// The template of the route that answered, for the log.
#[derive(Debug, Clone)]
pub(crate) struct AnsweredBy(pub(crate) MatchedPath);

#[derive(Clone)]
struct Guard {
    policy: Policy,
    state: AppState,
}

/// Puts `handlers` behind `policy`.
pub(super) fn behind(
    policy: Policy,
    state: &AppState,
    handlers: MethodRouter<AppState>,
) -> MethodRouter<AppState> {
    let guard = Guard { policy, state: state.clone() };
    handlers.route_layer(from_fn_with_state(guard, guarded))
}

async fn guarded(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let answered_by = request.extensions().get::<MatchedPath>().cloned();
    let mut response = guard.answer(request, next).await.unwrap_or_else(IntoResponse::into_response);
    if let Some(path) = answered_by {
        response.extensions_mut().insert(AnsweredBy(path));
    }
    response
}

impl Guard {
    async fn answer(&self, mut request: Request, next: Next) -> Result<Response, ApiError> {
        let identity = self.identify(&request)?;
        request.extensions_mut().insert(identity);
        let Identity::Person(caller) = identity else {
            self.admit_stranger(identity)?;
            each_parameter_once(request.uri().query())?;
            return Ok(next.run(request).await);
        };
        if self.policy == Policy::Open {
            // Answers without a database too, so the handler opens the tenant itself.
            each_parameter_once(request.uri().query())?;
            return Ok(next.run(request).await);
        }
        self.inside_tenant(caller, request, next).await
    }

    /// Who asks, as far as the policy wants to know.
    fn identify(&self, request: &Request) -> Result<Identity, ApiError> {
        if self.policy == Policy::Public {
            return Ok(Identity::Anonymous);
        }
        let Some(value) = request.headers().get(header::AUTHORIZATION) else {
            return Ok(Identity::Anonymous);
        };
        let token = value.to_str().ok().and_then(bearer).ok_or_else(ApiError::unauthorized)?;
        if self.state.is_machine_token(token) {
            return Ok(Identity::Machine);
        }
        self.state.tokens().verify(token).map(Identity::Person).map_err(|_| ApiError::unauthorized())
    }

    fn admit_stranger(&self, identity: Identity) -> Result<(), ApiError> {
        match (self.policy, identity) {
            (Policy::Public | Policy::Open, _) | (Policy::Machine, Identity::Machine) => Ok(()),
            (_, Identity::Machine) => Err(ApiError::forbidden()),
            _ => Err(ApiError::unauthorized()),
        }
    }

    async fn inside_tenant(
        &self,
        caller: Caller,
        mut request: Request,
        next: Next,
    ) -> Result<Response, ApiError> {
        let access = access_of(request.method());
        let transaction = Transaction::open(self.state.database(), &caller, access).await?;
        if !self.policy.admits(caller.role) {
            return Err(ApiError::forbidden());
        }
        each_parameter_once(request.uri().query())?;
        check_tenant_claim(request.uri().query(), caller.tenant_id)?;
        let slot = Slot::holding(transaction);
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(slot.clone());
        let response = next.run(request).await;
        match slot.take() {
            Some(transaction) if !is_error(&response) => transaction.commit().await?,
            _ => {}
        }
        Ok(response)
    }
}

fn access_of(method: &Method) -> Access {
    if method.is_safe() { Access::Read } else { Access::Write }
}

fn is_error(response: &Response) -> bool {
    response.status().is_client_error() || response.status().is_server_error()
}

/// The token of an `Authorization` value; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token.trim())
}

/// A parameter given twice means two things to two readers: refused.
fn each_parameter_once(query: Option<&str>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let twice = pairs.map(|(name, _)| name).find(|name| !seen.insert(name.clone()));
    twice.map_or(Ok(()), |name| {
        let message = "is given twice".to_owned();
        Err(ApiError::fields(vec![FieldError { field: name.into_owned(), message }]))
    })
}

/// `tenant_id` in a query is a claim to check, never a choice.
fn check_tenant_claim(query: Option<&str>, own: i32) -> Result<(), ApiError> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, claim)) = pairs.find(|(name, _)| name == "tenant_id") else { return Ok(()) };
    match claim.parse::<i64>() {
        Ok(claim) if claim == i64::from(own) => Ok(()),
        Ok(_) => Err(ApiError::forbidden()),
        Err(_) => {
            let message = "must be a whole number".to_owned();
            Err(ApiError::fields(vec![FieldError { field: "tenant_id".to_owned(), message }]))
        }
    }
}
