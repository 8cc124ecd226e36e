//! A form that was sent becomes a person, or one more form of a person who is there. Who it is, the phone number says;
//! where that is new, the mail address, unless both have a number and they differ: a number is a person, an address
//! may be shared. A form is stored once, however often it comes.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::mapping::Submission;
use crate::outbox::{self, Audience, Event};
use crate::phone::Phone;
use crate::tenant::{Profile, Transaction};

/// A person, held until the transaction ends.
#[derive(Debug, Clone, Copy, FromRow)]
struct Person {
    id: Uuid,
    assigned_seller_id: Option<Uuid>,
}

/// Where a form came from, as far as the form does not say.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    pub(super) page_id: &'a str,
    /// Its name when it is known.
    pub(super) form_name: Option<String>,
}

/// Stores a form; gives whose it is.
///
/// # Errors
/// When the database did not take it.
pub(super) async fn store(
    transaction: &mut Transaction,
    sent: &Submission,
    sheet: &Sheet<'_>,
    profile: &Profile,
) -> Result<Uuid, sqlx::Error> {
    hold_address(transaction, sent).await?;
    if let Some(known) = stored(transaction, &sent.leadgen_id).await? {
        return Ok(known);
    }
    let (person, repeated) = match who(transaction, sent).await? {
        Some(person) => {
            complete(transaction, person, sent, sheet).await?;
            (person, true)
        }
        None => match born(transaction, sent, sheet, profile).await? {
            Some(person) => (person, false),
            // Somebody with this number came in between.
            None => return Box::pin(store(transaction, sent, sheet, profile)).await,
        },
    };
    submit(transaction, person, sent, sheet).await?;
    transaction.touched().lead(person.id);
    tell(transaction, person, sent, repeated).await?;
    Ok(person.id)
}

/// Two first forms of one address, one after the other; numbers have a unique index for that.
async fn hold_address(transaction: &mut Transaction, sent: &Submission) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let mut names = vec![format!("leadgen:{}", sent.leadgen_id)];
    names.extend(sent.email.as_ref().map(|email| format!("person:email:{email}")));
    for name in names {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))")
            .bind(name)
            .bind(i64::from(tenant_id))
            .execute(transaction.db())
            .await?;
    }
    Ok(())
}

async fn stored(transaction: &mut Transaction, leadgen_id: &str) -> Result<Option<Uuid>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query_scalar("SELECT lead_id FROM lead_submissions WHERE tenant_id = $1 AND leadgen_id = $2")
        .bind(tenant_id)
        .bind(leadgen_id)
        .fetch_optional(transaction.db())
        .await
}

/// The person it is, when there is one. Made-up people and real ones are never the same by their address.
async fn who(transaction: &mut Transaction, sent: &Submission) -> Result<Option<Person>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    if let Some(phone) = &sent.phone {
        let known: Option<Person> = sqlx::query_as(
            "SELECT id, assigned_seller_id FROM leads
             WHERE tenant_id = $1 AND phone = $2 AND merged_into IS NULL FOR NO KEY UPDATE",
        )
        .bind(tenant_id)
        .bind(phone.as_str())
        .fetch_optional(transaction.db())
        .await?;
        if known.is_some() {
            return Ok(known);
        }
    }
    let Some(email) = &sent.email else { return Ok(None) };
    sqlx::query_as(
        "SELECT id, assigned_seller_id FROM leads
         WHERE tenant_id = $1 AND email = $2 AND merged_into IS NULL AND is_test = $3 AND (phone IS NULL OR $4)
         ORDER BY created_at, id LIMIT 1 FOR NO KEY UPDATE",
    )
    .bind(tenant_id)
    .bind(email)
    .bind(sent.is_test)
    .bind(sent.phone.is_none())
    .fetch_optional(transaction.db())
    .await
}

/// Fills what was not known; a real form makes a made-up person real.
async fn complete(
    transaction: &mut Transaction,
    person: Person,
    sent: &Submission,
    sheet: &Sheet<'_>,
) -> Result<(), sqlx::Error> {
    if sent.is_test {
        return Ok(());
    }
    let tenant_id = transaction.tenant_id();
    sqlx::query(
        "UPDATE leads SET
           phone = coalesce(phone, $3), email = coalesce(email, $4),
           first_name = CASE WHEN name_key = '' THEN $5 ELSE first_name END,
           last_name = CASE WHEN name_key = '' THEN $6 ELSE last_name END,
           is_test = false, meta_lead_id = coalesce(meta_lead_id, $7),
           meta_campaign_id = CASE WHEN meta_lead_id IS NULL THEN $8 ELSE meta_campaign_id END,
           meta_campaign_name = CASE WHEN meta_lead_id IS NULL THEN $9 ELSE meta_campaign_name END,
           meta_adset_id = CASE WHEN meta_lead_id IS NULL THEN $10 ELSE meta_adset_id END,
           meta_adset_name = CASE WHEN meta_lead_id IS NULL THEN $11 ELSE meta_adset_name END,
           meta_ad_id = CASE WHEN meta_lead_id IS NULL THEN $12 ELSE meta_ad_id END,
           meta_ad_name = CASE WHEN meta_lead_id IS NULL THEN $13 ELSE meta_ad_name END,
           meta_form_id = CASE WHEN meta_lead_id IS NULL THEN $14 ELSE meta_form_id END,
           meta_form_name = CASE WHEN meta_lead_id IS NULL THEN $15 ELSE meta_form_name END,
           updated_at = now()
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(person.id)
    .bind(sent.phone.as_ref().map(Phone::as_str))
    .bind(&sent.email)
    .bind(&sent.first_name)
    .bind(&sent.last_name)
    .bind(&sent.leadgen_id)
    .bind(&sent.campaign.id)
    .bind(&sent.campaign.name)
    .bind(&sent.adset.id)
    .bind(&sent.adset.name)
    .bind(&sent.ad.id)
    .bind(&sent.ad.name)
    .bind(&sent.form_id)
    .bind(&sheet.form_name)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// A new lead with the clock of the first answer started at the moment the form was sent; none when somebody with this
/// number was there first.
async fn born(
    transaction: &mut Transaction,
    sent: &Submission,
    sheet: &Sheet<'_>,
    profile: &Profile,
) -> Result<Option<Person>, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let at: DateTime<Utc> = sent.submitted_at;
    let due = profile.response_target().due(at, "META_ADS");
    sqlx::query_as(
        "WITH lead AS (
           INSERT INTO leads (tenant_id, phone, first_name, last_name, email, source, lead_source, is_test, created_at,
                              status_changed_at, response_warn_at, response_due_at, meta_lead_id, meta_campaign_id,
                              meta_campaign_name, meta_adset_id, meta_adset_name, meta_ad_id, meta_ad_name, meta_form_id,
                              meta_form_name)
           VALUES ($1, $2, $3, $4, $5, 'meta_lead_form', 'META_ADS', $6, $7, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                   $17, $18)
           ON CONFLICT (tenant_id, phone) WHERE merged_into IS NULL DO NOTHING
           RETURNING tenant_id, id, assigned_seller_id),
         history AS (
           INSERT INTO lead_status_history (tenant_id, lead_id, to_status, changed_at)
           SELECT tenant_id, id, 'new', $7 FROM lead)
         SELECT id, assigned_seller_id FROM lead",
    )
    .bind(tenant_id)
    .bind(sent.phone.as_ref().map(Phone::as_str))
    .bind(&sent.first_name)
    .bind(&sent.last_name)
    .bind(&sent.email)
    .bind(sent.is_test)
    .bind(at)
    .bind(due.warn_at)
    .bind(due.due_at)
    .bind(&sent.leadgen_id)
    .bind(&sent.campaign.id)
    .bind(&sent.campaign.name)
    .bind(&sent.adset.id)
    .bind(&sent.adset.name)
    .bind(&sent.ad.id)
    .bind(&sent.ad.name)
    .bind(&sent.form_id)
    .bind(&sheet.form_name)
    .fetch_optional(transaction.db())
    .await
}

async fn submit(
    transaction: &mut Transaction,
    person: Person,
    sent: &Submission,
    sheet: &Sheet<'_>,
) -> Result<(), sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    sqlx::query(
        "INSERT INTO lead_submissions (tenant_id, lead_id, leadgen_id, page_id, form_id, fields, raw, is_test, submitted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant_id)
    .bind(person.id)
    .bind(&sent.leadgen_id)
    .bind(sheet.page_id)
    .bind(&sent.form_id)
    .bind(&sent.fields)
    .bind(&sent.raw)
    .bind(sent.is_test)
    .bind(sent.submitted_at)
    .execute(transaction.db())
    .await?;
    Ok(())
}

/// Whoever owns the person and the CEOs hear of it; everybody while it lies in the queue.
async fn tell(
    transaction: &mut Transaction,
    person: Person,
    sent: &Submission,
    repeated: bool,
) -> Result<(), sqlx::Error> {
    let payload = json!({
        "lead_id": person.id, "leadgen_id": sent.leadgen_id, "form_id": sent.form_id,
        "campaign_id": sent.campaign.id, "repeated": repeated, "is_test": sent.is_test,
    });
    let audience = Audience::Owner(person.assigned_seller_id);
    outbox::publish(transaction, Event::MetaLeadReceived, audience, &payload).await
}
