//! The queue of a tenant and who hands out of it: one at a time, under an advisory lock. Something new is offered when it
//! is born, freed capacity is filled again, and a sweep looks each minute at all that waits.
//!
//! Invariant: first the leads and conversations one needs are held, then the queue is entered, then leads are written
//! (the kept counts of `lead_counts` are rows too). Whoever is in the queue waits for no lead and no conversation:
//! `Work::take` passes over what is held. So no two can wait for each other.

use serde_json::json;
use uuid::Uuid;

use super::candidate::Candidate;
use super::decision::{Decision, decide};
use super::rule::Rule;
use super::work::{Place, Work};
use super::{Before, Change, Reason, Subject};
use crate::tenant::Transaction;

/// Places looked at when capacity was freed.
const REFILL: i64 = 20;
/// Places of one step of the sweep.
const STEP: i64 = 50;
/// Steps of one sweep: what waits behind them is looked at a minute later.
const STEPS: usize = 40;

/// Goes into the queue, alone until the transaction ends; false when the tenant has no active rule, and then nobody
/// waits. Entering again does nothing.
///
/// # Errors
/// When the database did not answer.
pub(crate) async fn enter(transaction: &mut Transaction) -> Result<bool, sqlx::Error> {
    let tenant_id = transaction.tenant_id();
    let entered = sqlx::query(
        "SELECT pg_advisory_xact_lock(hashtextextended('assignment_queue', $1))
         WHERE EXISTS (SELECT FROM assignment_rules WHERE tenant_id = $2 AND active)",
    )
    .bind(i64::from(tenant_id))
    .bind(tenant_id)
    .fetch_optional(transaction.db())
    .await?;
    Ok(entered.is_some())
}

/// Offers something that nobody owns to the team; gives who got it. The caller has entered.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn offer(
    transaction: &mut Transaction,
    subject: Subject,
) -> Result<Option<Uuid>, sqlx::Error> {
    let Some(work) = Work::take(transaction, subject).await? else { return Ok(None) };
    let mut team = Team::read(transaction).await?;
    Ok(team.give(transaction, &work).await?.chosen.map(|(_, seller)| seller))
}

/// Decides about one thing that the caller holds; none when rules give no such thing away. The caller has entered.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn decide_now(
    transaction: &mut Transaction,
    subject: Subject,
) -> Result<Option<Decision>, sqlx::Error> {
    let Some(work) = Work::take(transaction, subject).await? else { return Ok(None) };
    let mut team = Team::read(transaction).await?;
    team.give(transaction, &work).await.map(Some)
}

/// Somebody can take more: gives away what has waited longest. The caller has entered.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn refill(transaction: &mut Transaction) -> Result<(), sqlx::Error> {
    step(transaction, None, REFILL).await.map(drop)
}

/// Looks at everything that waits in one tenant; each step is a transaction that `open` opens and this commits.
///
/// # Errors
/// When the database did not take it.
pub(crate) async fn sweep<F>(mut open: impl FnMut() -> F) -> Result<(), crate::error::ApiError>
where
    F: Future<Output = Result<Transaction, crate::error::ApiError>>,
{
    let mut place = None;
    for _ in 0..STEPS {
        let mut transaction = open().await?;
        if !enter(&mut transaction).await? {
            return Ok(());
        }
        place = step(&mut transaction, place.as_ref(), STEP).await?;
        transaction.commit().await?;
        if place.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

/// Gives away what stands behind `place`; where to go on, none at the end or when nobody can take more.
async fn step(
    transaction: &mut Transaction,
    place: Option<&Place>,
    limit: i64,
) -> Result<Option<Place>, sqlx::Error> {
    let mut team = Team::read(transaction).await?;
    if !team.has_room() {
        return Ok(None);
    }
    let mut places = Place::after(transaction, place, limit).await?;
    for place in places.iter().filter(|place| team.has_rule_for(place)).collect::<Vec<_>>() {
        if !team.has_room() {
            return Ok(None);
        }
        if let Some(work) = Work::take(transaction, place.subject()).await? {
            team.give(transaction, &work).await?;
        }
    }
    let more = i64::try_from(places.len()).is_ok_and(|found| found == limit);
    Ok(places.pop().filter(|_| more))
}

/// Rules and candidates as they stand while the queue is held.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) rules: Vec<Rule>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Team {
    /// Rules and team of the tenant.
    ///
    /// # Errors
    /// When the database did not say.
    pub(crate) async fn read(transaction: &mut Transaction) -> Result<Self, sqlx::Error> {
        let rules = Rule::active(transaction).await?;
        Ok(Self { rules, candidates: Candidate::all(transaction).await? })
    }

    /// Whether anybody can take anything.
    fn has_room(&self) -> bool {
        self.rules.iter().any(|rule| self.candidates.iter().any(|one| rule.refuses(one).is_none()))
    }

    fn has_rule_for(&self, place: &Place) -> bool {
        self.rules.iter().any(|rule| rule.fits(place.lead_source.as_deref(), place.status.as_deref()))
    }

    /// Gives `work` to whom the rules choose, and counts it to them.
    async fn give(&mut self, transaction: &mut Transaction, work: &Work) -> Result<Decision, sqlx::Error> {
        let decision = decide(&self.rules, &self.candidates, work);
        let Some((rule, seller)) = decision.chosen else { return Ok(decision) };
        let change = Change {
            to: Some(seller),
            reason: Reason::Rule,
            rule_id: Some(rule),
            candidates: json!(decision.verdicts),
        };
        let logged = super::record(transaction, work.subject, Before { owner: None }, &change).await?;
        if let Some(candidate) = self.candidates.iter_mut().find(|one| one.seller_id == seller) {
            candidate.took_one(logged.created_at, logged.id);
        }
        Ok(decision)
    }
}
