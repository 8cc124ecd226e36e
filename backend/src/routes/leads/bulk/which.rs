//! Which of many leads are meant: those that are named, or all that a filter lets through.

use std::collections::HashSet;

use uuid::Uuid;

use crate::error::ApiError;
use crate::routes::leads::filter::{Page, Parameters};
use crate::routes::leads::queries::{self, Within};
use crate::tenant::Transaction;

/// Most leads of one request.
const MOST: usize = 1_000;

/// The leads that are meant, each once: in the order they were asked for, or in the order of the list.
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
            Ok(ids.into_iter().filter(|id| seen.insert(*id)).collect())
        }
        (Some(_), None) => Err(ApiError::field("lead_ids", format!("must be 1 to {MOST} ids"))),
        (None, Some(filter)) => {
            let (filter, sort) = filter.check_whole()?;
            let page = Page { sort, limit: i64::try_from(MOST).unwrap_or(i64::MAX), after: None };
            let found = queries::page(transaction, within, &filter, &page).await?;
            if found.len() > MOST {
                return Err(ApiError::field("filter", format!("lets more than {MOST} leads through")));
            }
            Ok(found.into_iter().map(|lead| lead.id).collect())
        }
        (None, None) => Err(ApiError::field("lead_ids", "is missing, and so is `filter`")),
        (Some(_), Some(_)) => Err(ApiError::field("filter", "contradicts `lead_ids`")),
    }
}
