//! The inbox of leads that were told of: stored before anybody knows whose they are, taken by one worker at a time,
//! moved on from state to state. Whoever takes a lead gets a number (`attempts`); who comes back with an older one has
//! lost it and changes nothing.

mod retry;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Executor, FromRow, Postgres};
use uuid::Uuid;

use super::notice::Notice;
use crate::database::Database;
use crate::tenant::Transaction;

pub(crate) use retry::{Retried, retry};

/// The job that a stored notice wakes.
pub(crate) const INTAKE_JOB: &str = "meta_intake";
/// For how long a lead is taken; longer than its work can last.
const LEASE: Duration = Duration::from_secs(120);

/// A lead that this worker has taken.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Claimed {
    pub(super) tenant_id: i32,
    pub(super) id: i64,
    pub(super) leadgen_id: String,
    pub(super) page_id: String,
    pub(super) state: String,
    pub(super) attempts: i32,
}

/// Stores what a webhook told and wakes the worker, in one round trip and one transaction; gives how many were news.
///
/// # Errors
/// When the database did not take them; then none is stored.
pub(crate) async fn store(database: &Database, notices: &[Notice]) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "WITH told AS MATERIALIZED (SELECT crm_meta_store($1) AS news),
         woken AS (
           INSERT INTO scheduled_run (job, scheduled_for)
           SELECT $2, clock_timestamp() FROM told
           WHERE news > 0 AND NOT EXISTS (
             SELECT FROM scheduled_run WHERE finished_at IS NULL AND claimed_by IS NULL AND job = $2)
           ON CONFLICT (job, scheduled_for) DO NOTHING)
         SELECT news FROM told",
    )
    .bind(Json(notices))
    .bind(INTAKE_JOB)
    .fetch_one(database.outside_tenants())
    .await
}

/// Plans a run of the worker, unless one waits.
pub(super) async fn wake<'c>(db: impl Executor<'c, Database = Postgres>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO scheduled_run (job, scheduled_for)
         SELECT $1, clock_timestamp()
         WHERE NOT EXISTS (SELECT FROM scheduled_run WHERE finished_at IS NULL AND claimed_by IS NULL AND job = $1)
         ON CONFLICT (job, scheduled_for) DO NOTHING",
    )
    .bind(INTAKE_JOB)
    .execute(db)
    .await?;
    Ok(())
}

/// Takes up to `limit` leads that are due, of any tenant.
pub(super) async fn claim(database: &Database, limit: i32) -> Result<Vec<Claimed>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM crm_meta_claim($1, make_interval(secs => $2))")
        .bind(limit)
        .bind(LEASE.as_secs_f64())
        .fetch_all(database.outside_tenants())
        .await
}

/// What reconciliation found of one form goes in beside what the webhook told; gives how many nobody had told of.
pub(super) async fn found(
    transaction: &mut Transaction,
    page_id: &str,
    form_id: &str,
    leads: &[(String, Option<DateTime<Utc>>)],
) -> Result<u64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let (ids, times): (Vec<&str>, Vec<Option<DateTime<Utc>>>) =
        leads.iter().map(|(id, at)| (id.as_str(), *at)).unzip();
    let stored = sqlx::query(
        "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, form_id, change, submitted_at)
         SELECT $1, n.id, $2, $3, jsonb_build_object('leadgen_id', n.id, 'form_id', $3, 'page_id', $2), n.at
         FROM unnest($4::text[], $5::timestamptz[]) AS n(id, at)
         WHERE NOT EXISTS (SELECT FROM lead_submissions s WHERE s.tenant_id = $1 AND s.leadgen_id = n.id)
         ORDER BY n.id
         ON CONFLICT (leadgen_id) DO NOTHING",
    )
    .bind(tenant_id)
    .bind(page_id)
    .bind(form_id)
    .bind(ids)
    .bind(times)
    .execute(transaction.db())
    .await?;
    Ok(stored.rows_affected())
}

/// `received → fetched`: keeps what the Graph API answered. False when the claim is lost.
pub(super) async fn fetched(
    transaction: &mut Transaction,
    claimed: &Claimed,
    answer: &Value,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE meta_lead_inbox SET state = 'fetched', answer = $4, reason = NULL, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'received'",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .bind(claimed.attempts)
    .bind(answer)
    .execute(transaction.db())
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// The kept answer of a lead that is `fetched`, held until the transaction ends; none when the claim is lost.
pub(super) async fn answer(
    transaction: &mut Transaction,
    claimed: &Claimed,
) -> Result<Option<Value>, sqlx::Error> {
    let answer: Option<Option<Value>> = sqlx::query_scalar(
        "SELECT answer FROM meta_lead_inbox
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'fetched' FOR UPDATE",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .bind(claimed.attempts)
    .fetch_optional(transaction.db())
    .await?;
    Ok(answer.flatten())
}

/// `fetched → mapped`: it is a person now.
pub(super) async fn mapped(
    transaction: &mut Transaction,
    claimed: &Claimed,
    lead_id: Uuid,
    submitted_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE meta_lead_inbox
         SET state = 'mapped', lead_id = $3, answer = NULL, submitted_at = coalesce(submitted_at, $4), updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .bind(lead_id)
    .bind(submitted_at)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// The person that a mapped form made, or belongs to.
pub(super) async fn lead(
    transaction: &mut Transaction,
    claimed: &Claimed,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT lead_id FROM meta_lead_inbox WHERE tenant_id = $1 AND id = $2 AND state = 'mapped'",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .fetch_optional(transaction.db())
    .await
    .map(Option::flatten)
}

/// `mapped → assigned`: whoever takes care of it has it, a vendedor or the common queue. Notes the page's last lead.
pub(super) async fn assigned(transaction: &mut Transaction, claimed: &Claimed) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH done AS (
           UPDATE meta_lead_inbox SET state = 'assigned', reason = NULL, updated_at = now()
           WHERE tenant_id = $1 AND id = $2 AND state = 'mapped' RETURNING page_id, submitted_at)
         UPDATE meta_pages p SET last_lead_at = done.submitted_at
         FROM done WHERE p.tenant_id = $1 AND p.page_id = done.page_id
           AND (p.last_lead_at IS NULL OR p.last_lead_at < done.submitted_at)",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// It could not be moved on: again after `wait`.
pub(super) async fn postponed(
    transaction: &mut Transaction,
    claimed: &Claimed,
    reason: &str,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE meta_lead_inbox
         SET reason = $4, not_before = clock_timestamp() + make_interval(secs => $5), updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .bind(claimed.attempts)
    .bind(reason)
    .bind(wait.as_secs_f64())
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// Given up until somebody looks: the dead letter.
pub(super) async fn failed(
    transaction: &mut Transaction,
    claimed: &Claimed,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE meta_lead_inbox SET state = 'failed', reason = $4, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state IN ('received', 'fetched', 'mapped')",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .bind(claimed.attempts)
    .bind(reason)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// How long ago it was told of.
pub(super) async fn age(transaction: &mut Transaction, claimed: &Claimed) -> Result<Duration, sqlx::Error> {
    let seconds: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - received_at)::float8 FROM meta_lead_inbox
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(claimed.tenant_id)
    .bind(claimed.id)
    .fetch_one(transaction.db())
    .await?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// None of the page's leads is asked for before `wait` is over.
pub(super) async fn pause_page(
    transaction: &mut Transaction,
    page_id: &str,
    reason: &str,
    wait: Duration,
) -> Result<u64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    // Rows that another worker holds at this moment are left to it.
    let paused = sqlx::query(
        "UPDATE meta_lead_inbox
         SET reason = $3, not_before = clock_timestamp() + make_interval(secs => $4), updated_at = now()
         WHERE id IN (
           SELECT id FROM meta_lead_inbox
           WHERE tenant_id = $1 AND page_id = $2 AND state = 'received'
             AND not_before < clock_timestamp() + make_interval(secs => $4) ORDER BY id FOR UPDATE SKIP LOCKED)",
    )
    .bind(tenant_id)
    .bind(page_id)
    .bind(reason)
    .bind(wait.as_secs_f64())
    .execute(transaction.db())
    .await?;
    Ok(paused.rows_affected())
}

/// Everything of the page that waits is due now; what is worked on at this moment is left alone.
pub(super) async fn resume_page(transaction: &mut Transaction, page_id: &str) -> Result<u64, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let resumed = sqlx::query(
        "UPDATE meta_lead_inbox SET not_before = now(), updated_at = now()
         WHERE id IN (
           SELECT id FROM meta_lead_inbox
           WHERE tenant_id = $1 AND page_id = $2 AND state IN ('received', 'fetched', 'mapped') FOR UPDATE SKIP LOCKED)",
    )
    .bind(tenant_id)
    .bind(page_id)
    .execute(transaction.db())
    .await?;
    Ok(resumed.rows_affected())
}
