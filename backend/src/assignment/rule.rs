//! A rule of automatic assignment: for which work it is, who may get it, and how one of several is picked. Says who is
//! refused and why; the picking is the strategy's.

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::candidate::Candidate;
use super::work::Work;
use crate::tenant::Transaction;

/// Why somebody is passed over, whatever the strategy.
pub(crate) const OTHER_ROLE: &str = "other_role";
/// The work came back from them a moment ago.
pub(crate) const RELEASED: &str = "released";
/// They do not work at this hour.
pub(crate) const OFF_SHIFT: &str = "off_shift";
/// They have as much open work as the rule allows.
pub(crate) const AT_MAX_OPEN: &str = "at_max_open";
/// They got as much today as the rule allows.
pub(crate) const AT_MAX_PER_DAY: &str = "at_max_per_day";

/// A rule, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, ToSchema)]
#[schema(as = AssignmentRule)]
pub(crate) struct Rule {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Lower ones are tried first.
    pub(crate) priority: i32,
    pub(crate) active: bool,
    /// `round_robin`, `least_open` or `sticky`.
    pub(crate) strategy: String,
    /// Only leads of these sources; empty: everybody.
    pub(crate) lead_sources: Vec<String>,
    /// Only leads in these statuses; empty: everybody.
    pub(crate) lead_statuses: Vec<String>,
    /// Only vendedores of these roles.
    pub(crate) seller_roles: Vec<String>,
    /// Most people in work of one vendedor; null: no limit.
    pub(crate) max_open: Option<i32>,
    /// Most assignments of one vendedor in a day of the tenant; null: no limit.
    pub(crate) max_per_day: Option<i32>,
}

impl Rule {
    /// The active rules of the tenant, in the order they are tried.
    ///
    /// # Errors
    /// When the database did not say.
    pub(super) async fn active(transaction: &mut Transaction) -> Result<Vec<Self>, sqlx::Error> {
        let tenant_id = transaction.tenant_id();
        sqlx::query_as(
            "SELECT id, name, priority, active, strategy, lead_sources, lead_statuses, seller_roles, max_open, max_per_day
             FROM assignment_rules WHERE tenant_id = $1 AND active ORDER BY priority, id",
        )
        .bind(tenant_id)
        .fetch_all(transaction.db())
        .await
    }

    /// Whether it is for work of this source and status. What has neither fits only a rule that asks for neither.
    pub(super) fn fits(&self, source: Option<&str>, status: Option<&str>) -> bool {
        let within = |allowed: &[String], given: Option<&str>| {
            allowed.is_empty() || given.is_some_and(|given| allowed.iter().any(|one| one == given))
        };
        within(&self.lead_sources, source) && within(&self.lead_statuses, status)
    }

    /// Why `candidate` gets nothing under this rule; none: they could.
    pub(crate) fn refuses(&self, candidate: &Candidate) -> Option<&'static str> {
        let reached = |limit: Option<i32>, have: i64| limit.is_some_and(|limit| have >= i64::from(limit));
        let role = self.seller_roles.is_empty() || self.seller_roles.contains(&candidate.role);
        match () {
            () if !role => Some(OTHER_ROLE),
            () if !candidate.on_shift => Some(OFF_SHIFT),
            () if reached(self.max_open, candidate.open) => Some(AT_MAX_OPEN),
            () if reached(self.max_per_day, candidate.today) => Some(AT_MAX_PER_DAY),
            () => None,
        }
    }

    /// The same for one piece of work: who gave it back does not get it again.
    pub(super) fn refuses_for(&self, candidate: &Candidate, work: &Work) -> Option<&'static str> {
        let gave_back = work.released_by == Some(candidate.seller_id);
        self.refuses(candidate).or(gave_back.then_some(RELEASED))
    }
}
