//! `GET /admin/core/sellers/available`: who could take something now, and why not the others. Asks what the queue would
//! ask, holds nothing.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assignment::candidate::Candidate;
use crate::assignment::queue::Team;
use crate::assignment::rule::{OFF_SHIFT, Rule};
use crate::error::ApiError;
use crate::tenant::Tenant;

/// The team, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Available {
    sellers: Vec<AvailableSeller>,
    /// When this was so.
    computed_at: DateTime<Utc>,
}

/// One vendedor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailableSeller {
    seller_id: Uuid,
    name: String,
    /// `setter` or `closer`.
    role: String,
    /// Whether a rule could give them something now; without rules, whether they work now.
    available: bool,
    /// Why not: `off_shift`, `at_max_open`, `at_max_per_day`, `other_role`, under the first rule; null when they could.
    reason: Option<&'static str>,
    on_shift: bool,
    /// People in work.
    open: i64,
    /// What they got today.
    today: i64,
    /// When they last got something.
    last_assigned_at: Option<DateTime<Utc>>,
    /// The same under each active rule, in the order they are tried.
    rules: Vec<UnderRule>,
}

/// One vendedor under one rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnderRule {
    rule_id: Uuid,
    rule: String,
    available: bool,
    /// Why not; null when they could.
    reason: Option<&'static str>,
}

/// Who could take something now, and why not the others.
#[utoipa::path(get, path = "/admin/core/sellers/available", tag = "assignment",
    params(("tenant_id" = Option<i32>, Query, description = "Must be the caller's own")),
    responses((status = OK, body = Available)))]
pub(crate) async fn available(mut tenant: Tenant) -> Result<Json<Available>, ApiError> {
    let Team { rules, candidates } = Team::read(tenant.transaction()).await?;
    let sellers = candidates.into_iter().map(|candidate| seller(candidate, &rules)).collect();
    Ok(Json(Available { sellers, computed_at: Utc::now() }))
}

fn seller(candidate: Candidate, rules: &[Rule]) -> AvailableSeller {
    let rules: Vec<UnderRule> = rules
        .iter()
        .map(|rule| {
            let reason = rule.refuses(&candidate);
            UnderRule { rule_id: rule.id, rule: rule.name.clone(), available: reason.is_none(), reason }
        })
        .collect();
    let reason = match rules.first() {
        None => (!candidate.on_shift).then_some(OFF_SHIFT),
        Some(first) => first.reason.filter(|_| rules.iter().all(|rule| !rule.available)),
    };
    AvailableSeller {
        available: reason.is_none(),
        reason,
        rules,
        seller_id: candidate.seller_id,
        name: candidate.name,
        role: candidate.role,
        on_shift: candidate.on_shift,
        open: candidate.open,
        today: candidate.today,
        last_assigned_at: candidate.last.map(|(at, _)| at),
    }
}
