//! Which of many leads are meant: those that are named, or all that a filter lets through.

use std::collections::HashSet;

use uuid::Uuid;

use crate::error::ApiError;
use crate::leads;
use crate::routes::leads::filter::{Filter, Page, Parameters, Sort};
use crate::routes::leads::queries::{self, Within};
use crate::tenant::Transaction;

/// Most leads of one request.
const MOST: usize = 1_000;

/// The leads that are meant, each once and held until the transaction ends: in the order they were asked for, or in the
/// order of the list. Of a filter those that it still lets through once they are held.
///
/// # Errors
/// 400 when neither or both are given, when there are too many, or for each mistake of the filter.
pub(crate) async fn which(
    transaction: &mut Transaction,
    within: Within,
    lead_ids: Option<Vec<Uuid>>,
    filter: Option<Parameters>,
) -> Result<Vec<Uuid>, ApiError> {
    match (lead_ids, filter) {
        (Some(ids), None) if (1..=MOST).contains(&ids.len()) => {
            let mut seen = HashSet::new();
            let ids: Vec<Uuid> = ids.into_iter().filter(|id| seen.insert(*id)).collect();
            leads::hold(transaction, &ids).await?;
            Ok(ids)
        }
        (Some(_), None) => Err(ApiError::field("lead_ids", format!("must be 1 to {MOST} ids"))),
        (None, Some(filter)) => {
            let (filter, sort) = filter.check_whole()?;
            let found = passing(transaction, within, &filter, sort).await?;
            if found.len() > MOST {
                return Err(ApiError::field("filter", format!("lets more than {MOST} leads through")));
            }
            leads::hold(transaction, &found).await?;
            // Somebody else may have changed them while they were waited for.
            let still: HashSet<Uuid> =
                passing(transaction, within, &filter, sort).await?.into_iter().collect();
            Ok(found.into_iter().filter(|id| still.contains(id)).collect())
        }
        (None, None) => Err(ApiError::field("lead_ids", "is missing, and so is `filter`")),
        (Some(_), Some(_)) => Err(ApiError::field("filter", "contradicts `lead_ids`")),
    }
}

/// The leads that a filter lets through, one more than may be meant at most.
async fn passing(
    transaction: &mut Transaction,
    within: Within,
    filter: &Filter,
    sort: Sort,
) -> Result<Vec<Uuid>, ApiError> {
    let page = Page { sort, limit: i64::try_from(MOST).unwrap_or(i64::MAX), after: None };
    let found = queries::page(transaction, within, filter, &page).await?;
    Ok(found.into_iter().map(|lead| lead.id).collect())
}
