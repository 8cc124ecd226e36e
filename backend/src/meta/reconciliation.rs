//! Asks each form for its leads, so that one nobody told of is found: from an hour before the form's watermark, page by
//! page to the end. What is found goes into the inbox; the worker stores it.
//!
//! Invariant: a watermark moves only after its form was read to the end, and only up to the oldest lead that is not
//! stored. A form that could not be read, in whole or in part, keeps its watermark.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::FromRow;

use super::notice::{id, moment};
use super::pages::{self, Page};
use super::{GraphError, Meta, checkup, inbox};
use crate::database::Database;
use crate::jobs::engine::JobError;
use crate::tenant::Transaction;

/// The job that runs it.
pub(crate) const JOB: &str = "meta_reconciliation";
/// Read again before the watermark: leads become visible late, and clocks differ.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// Pages of one list; more would be a list without an end.
const MOST_PAGES: usize = 2_000;

/// Why a page or a form could not be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{}", .0.message)]
    Api(crate::error::ApiError),
}

impl From<crate::error::ApiError> for Unread {
    fn from(error: crate::error::ApiError) -> Self {
        Self::Api(error)
    }
}

/// A form and how far it was read.
#[derive(Debug, Clone, FromRow)]
struct Form {
    form_id: String,
    watermark: DateTime<Utc>,
}

/// Where it reads.
struct Reader<'a> {
    meta: &'a Meta,
    database: &'a Database,
    tenant_id: i32,
    page: &'a Page,
    token: SecretString,
}

/// Reads every form of every page; gives how many leads nobody had told of. What is wrong with one page keeps no other
/// from being read.
///
/// # Errors
/// When the database is away.
pub(crate) async fn reconcile(meta: &Meta, database: &Database) -> Result<u64, JobError> {
    let tenants: Vec<i32> = sqlx::query_scalar("SELECT id FROM crm_tenant_list() WHERE status = 'active'")
        .fetch_all(database.outside_tenants())
        .await?;
    let mut found = 0;
    for tenant_id in tenants {
        let mut transaction = Transaction::inside(database, tenant_id).await?;
        let pages = pages::connected(&mut transaction).await?;
        transaction.commit().await?;
        for page in &pages {
            match of_page(meta, database, tenant_id, page).await {
                Ok(new) => found += new,
                Err(Unread::Graph(error)) => {
                    tracing::warn!(tenant = tenant_id, page = page.page_id, %error, "a page could not be read");
                    let mut transaction = Transaction::inside(database, tenant_id).await?;
                    pages::stumbled(&mut transaction, &page.page_id, &error).await?;
                    transaction.commit().await?;
                }
                Err(Unread::Database(error)) => return Err(error.into()),
                Err(Unread::Api(error)) => return Err(error.into()),
            }
        }
    }
    if found > 0 {
        inbox::wake(database.outside_tenants()).await?;
    }
    Ok(found)
}

async fn of_page(meta: &Meta, database: &Database, tenant_id: i32, page: &Page) -> Result<u64, Unread> {
    let Some(token) = page.token(meta, tenant_id) else {
        return Err(GraphError::Token("sealed under another secret".to_owned()).into());
    };
    let health = checkup::look(meta, &token, &page.page_id).await?;
    let mut transaction = Transaction::inside(database, tenant_id).await?;
    pages::looked_at(&mut transaction, &page.page_id, &health).await?;
    transaction.commit().await?;
    if let Some(refusal) = health.refusal {
        // Its forms would look empty.
        tracing::warn!(tenant = tenant_id, page = page.page_id, error = %refusal, "a page does not give its leads");
        return Ok(0);
    }
    let reader = Reader { meta, database, tenant_id, page, token };
    let mut found = 0;
    for form in reader.forms().await? {
        match reader.read(&form).await {
            Ok(new) => found += new,
            Err(Unread::Graph(error)) => {
                reader.unread(&form, &error).await?;
                if !matches!(
                    error,
                    GraphError::Missing(_) | GraphError::Refused(_) | GraphError::Unreadable(_)
                ) {
                    return Err(error.into());
                }
            }
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

impl Reader<'_> {
    async fn transaction(&self) -> Result<Transaction, Unread> {
        Ok(Transaction::inside(self.database, self.tenant_id).await?)
    }

    /// The forms of the page, new ones made known.
    async fn forms(&self) -> Result<Vec<Form>, Unread> {
        let mut after = None;
        for _ in 0..MOST_PAGES {
            let list = self.meta.graph().forms(&self.token, &self.page.page_id, after.as_deref()).await?;
            let mut transaction = self.transaction().await?;
            for form in &list.items {
                self.know(&mut transaction, form).await?;
            }
            transaction.commit().await?;
            after = list.after;
            if after.is_none() {
                return self.known().await;
            }
        }
        Err(GraphError::Unreadable("its list of forms has no end".to_owned()).into())
    }

    async fn know(&self, transaction: &mut Transaction, form: &Value) -> Result<(), Unread> {
        let Some(form_id) = form.get("id").and_then(id) else {
            return Err(GraphError::Unreadable("a form has no id".to_owned()).into());
        };
        let text = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or_default().replace('\0', "");
        sqlx::query(
            "INSERT INTO meta_forms (tenant_id, page_id, form_id, name, status, watermark)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, page_id, form_id) DO UPDATE
             SET name = EXCLUDED.name, status = EXCLUDED.status, updated_at = now()
             WHERE (meta_forms.name, meta_forms.status) <> (EXCLUDED.name, EXCLUDED.status)",
        )
        .bind(self.tenant_id)
        .bind(&self.page.page_id)
        .bind(form_id)
        .bind(text("name"))
        .bind(text("status"))
        .bind(self.page.created_at)
        .execute(transaction.db())
        .await?;
        Ok(())
    }

    async fn known(&self) -> Result<Vec<Form>, Unread> {
        let mut transaction = self.transaction().await?;
        let forms = sqlx::query_as(
            "SELECT form_id, watermark FROM meta_forms WHERE tenant_id = $1 AND page_id = $2 ORDER BY form_id",
        )
        .bind(self.tenant_id)
        .bind(&self.page.page_id)
        .fetch_all(transaction.db())
        .await?;
        transaction.commit().await?;
        Ok(forms)
    }

    /// Reads a form to its end. Never stops at leads that are known: new ones push the unknown to later pages.
    async fn read(&self, form: &Form) -> Result<u64, Unread> {
        let since = form.watermark - OVERLAP;
        let (mut after, mut newest, mut found) = (None, None, 0);
        for _ in 0..MOST_PAGES {
            let list = self.meta.graph().leads(&self.token, &form.form_id, since, after.as_deref()).await?;
            let leads = list.items.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            newest = newest.max(leads.iter().filter_map(|(_, at)| *at).max());
            let mut transaction = self.transaction().await?;
            found += inbox::found(&mut transaction, &self.page.page_id, &form.form_id, &leads).await?;
            transaction.commit().await?;
            after = list.after;
            if after.is_none() {
                self.move_watermark(form, newest).await?;
                return Ok(found);
            }
        }
        Err(GraphError::Unreadable("its list of leads has no end".to_owned()).into())
    }

    /// Up to the newest lead that was listed, but not over one that is not stored. `least` passes over nulls.
    async fn move_watermark(&self, form: &Form, newest: Option<DateTime<Utc>>) -> Result<(), Unread> {
        let mut transaction = self.transaction().await?;
        sqlx::query(
            "UPDATE meta_forms SET
               watermark = CASE WHEN $4::timestamptz IS NULL THEN watermark ELSE greatest(watermark, least($4, (
                 SELECT min(coalesce(submitted_at, received_at)) FROM meta_lead_inbox
                 WHERE tenant_id = $1 AND form_id = $3 AND state IN ('received', 'fetched', 'failed')))) END,
               checked_at = now(), problem = NULL, updated_at = now()
             WHERE tenant_id = $1 AND page_id = $2 AND form_id = $3",
        )
        .bind(self.tenant_id)
        .bind(&self.page.page_id)
        .bind(&form.form_id)
        .bind(newest)
        .execute(transaction.db())
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn unread(&self, form: &Form, error: &GraphError) -> Result<(), Unread> {
        tracing::warn!(tenant = self.tenant_id, form = form.form_id, %error, "a form could not be read to its end");
        let mut transaction = self.transaction().await?;
        sqlx::query(
            "UPDATE meta_forms SET problem = $4, updated_at = now() WHERE tenant_id = $1 AND page_id = $2 AND form_id = $3",
        )
        .bind(self.tenant_id)
        .bind(&self.page.page_id)
        .bind(&form.form_id)
        .bind(error.to_string())
        .execute(transaction.db())
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Id and time of a listed lead. One without an id could not be asked for, so its form counts as not read.
fn named(lead: &Value) -> Result<(String, Option<DateTime<Utc>>), GraphError> {
    let id = lead.get("id").and_then(id);
    let id = id.ok_or_else(|| GraphError::Unreadable("a lead in a list has no id".to_owned()))?;
    Ok((id, lead.get("created_time").and_then(moment)))
}
