//! The worker: takes leads that are due, asks the Graph API for each and moves it from state to state, each in a
//! transaction of its own, so that what was reached is kept. Many may work at once. What is wrong with a whole page
//! (token, access, Meta away) makes the page wait; what is wrong with one lead makes that lead wait, and in the end it
//! is put aside for somebody to look at.

mod trouble;

use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::StreamExt;
use secrecy::SecretString;
use serde_json::Value;

use super::inbox::{self, Claimed};
use super::{Meta, mapping, pages, person};
use crate::assignment::{Subject, queue};
use crate::database::Database;
use crate::jobs::engine::JobError;
use crate::tenant::{Profile, Transaction};
use trouble::{Trouble, Troubles};

/// Leads that are taken at once.
const BATCH: i32 = 16;
/// Of those, worked on beside each other. Well below the connections of the pool: requests come first.
const BESIDE: usize = 4;
/// After this a run ends, so that other jobs get their turn; what is left is done by the next.
const LONGEST_RUN: Duration = Duration::from_secs(15);

/// Works until nothing is due or the time is over; gives how many leads were moved to their end.
///
/// # Errors
/// When the database is away; what was taken is due again after its lease.
pub(crate) async fn work(meta: &Meta, database: &Database) -> Result<usize, JobError> {
    let begun = Instant::now();
    let troubles = Troubles::default();
    let mut done = 0;
    loop {
        let batch = inbox::claim(database, BATCH).await?;
        if batch.is_empty() {
            return Ok(done);
        }
        let results: Vec<Result<bool, JobError>> = futures_util::stream::iter(batch)
            .map(|claimed| move_on(meta, database, claimed, &troubles))
            .buffer_unordered(BESIDE)
            .collect()
            .await;
        let mut moved = 0;
        for result in results {
            moved += usize::from(result?);
        }
        done += moved;
        if moved == 0 && troubles.any() {
            // Whatever else is due may be of the same page; the next run looks with fresh eyes.
            return Ok(done);
        }
        if begun.elapsed() > LONGEST_RUN {
            inbox::wake(database.outside_tenants()).await?;
            return Ok(done);
        }
    }
}

/// Moves one lead on as far as it goes; true when it has come to its end.
async fn move_on(
    meta: &Meta,
    database: &Database,
    claimed: Claimed,
    troubles: &Troubles,
) -> Result<bool, JobError> {
    if claimed.state == "received" {
        if troubles.stand_against(&claimed.page_id) {
            // The page waits as a whole already; this one was taken before that was known.
            trouble::wait_with_the_page(database, &claimed).await?;
            return Ok(false);
        }
        match fetch(meta, database, &claimed).await? {
            Ok(answer) => {
                troubles.forget(&claimed.page_id);
                if !kept(database, &claimed, &answer).await? {
                    return Ok(false);
                }
            }
            Err(trouble) => {
                trouble::note(database, &claimed, &trouble, troubles).await?;
                return Ok(false);
            }
        }
    }
    if claimed.state != "mapped" {
        match map(database, &claimed).await {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(JobError::Database(error)) if is_about_data(&error) => {
                put_aside(database, &claimed, &error).await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    assign(database, &claimed).await?;
    Ok(true)
}

/// Asks the Graph API with the page's token; no transaction is open meanwhile.
async fn fetch(
    meta: &Meta,
    database: &Database,
    claimed: &Claimed,
) -> Result<Result<Value, Trouble>, JobError> {
    let Some(token) = token(meta, database, claimed).await? else { return Ok(Err(Trouble::NoToken)) };
    Ok(meta.graph().lead(&token, &claimed.leadgen_id).await.map_err(Trouble::Graph))
}

async fn token(
    meta: &Meta,
    database: &Database,
    claimed: &Claimed,
) -> Result<Option<SecretString>, JobError> {
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    let token = pages::token(meta, &mut transaction, &claimed.page_id).await?;
    transaction.commit().await?;
    Ok(token)
}

async fn kept(database: &Database, claimed: &Claimed, answer: &Value) -> Result<bool, JobError> {
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    let answer = super::notice::storable(answer.clone());
    let kept = inbox::fetched(&mut transaction, claimed, &answer).await?;
    transaction.commit().await?;
    Ok(kept)
}

/// `fetched → mapped`; false when the claim is lost or the answer names no lead.
async fn map(database: &Database, claimed: &Claimed) -> Result<bool, JobError> {
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    let Some(answer) = inbox::answer(&mut transaction, claimed).await? else { return Ok(false) };
    let profile = Profile::read(&mut transaction).await?;
    let country = profile.calling_code();
    let Some(sent) = mapping::submission(answer, Utc::now(), country.as_deref()) else {
        inbox::failed(&mut transaction, claimed, "answer_unreadable").await?;
        transaction.commit().await?;
        return Ok(false);
    };
    let form_name = pages::form_name(&mut transaction, &claimed.page_id, sent.form_id.as_deref()).await?;
    let sheet = person::Sheet { page_id: &claimed.page_id, form_name };
    let lead_id = person::store(&mut transaction, &sent, &sheet, &profile).await?;
    inbox::mapped(&mut transaction, claimed, lead_id, sent.submitted_at).await?;
    transaction.commit().await?;
    Ok(true)
}

/// `mapped → assigned`: a known person stays with their vendedor, a new one is offered to the team by its rules and else
/// lies in the common queue. Apart from `map`, so that a person is there even when nobody could be chosen.
async fn assign(database: &Database, claimed: &Claimed) -> Result<(), JobError> {
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    if let Some(lead) = inbox::lead(&mut transaction, claimed).await?
        && queue::enter(&mut transaction).await?
    {
        queue::offer(&mut transaction, Subject::Lead(lead)).await?;
    }
    inbox::assigned(&mut transaction, claimed).await?;
    transaction.commit().await?;
    Ok(())
}

/// What the database will never take: a value out of range (class 22) or against a rule (class 23).
fn is_about_data(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

async fn put_aside(database: &Database, claimed: &Claimed, error: &sqlx::Error) -> Result<(), JobError> {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    tracing::error!(lead = claimed.id, %code, "a lead cannot be stored as it is");
    let mut transaction = Transaction::inside(database, claimed.tenant_id).await?;
    inbox::failed(&mut transaction, claimed, &format!("not_storable: {code}")).await?;
    transaction.commit().await?;
    Ok(())
}
