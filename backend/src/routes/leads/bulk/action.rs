//! What is done to each of many leads: checked once for all of them, done to one at a time.

use uuid::Uuid;

use super::{BulkAssign, BulkTags};
use crate::assignment::{self, Change, Reason, Subject};
use crate::auth::Caller;
use crate::conversations::Scope;
use crate::error::ApiError;
use crate::leads;
use crate::routes::leads::person::{Checker, MOST_TAGS};
use crate::routes::leads::status::NewStatus;
use crate::tenant::Transaction;

/// One of the three.
pub(super) enum Action {
    Assign(Change),
    Status { to: String, reason: Option<String> },
    Tag { add: Vec<String>, remove: Vec<String> },
}

impl Action {
    /// The one that is asked for.
    ///
    /// # Errors
    /// 400 with each field that cannot be used, 403 when a vendedor assigns to others.
    pub(super) async fn of(
        transaction: &mut Transaction,
        caller: &Caller,
        assign: Option<BulkAssign>,
        status: Option<NewStatus>,
        tag: Option<BulkTags>,
    ) -> Result<Self, ApiError> {
        match (assign, status, tag) {
            (Some(assign), None, None) => assign.change(transaction, caller).await.map(Self::Assign),
            (None, Some(status), None) => {
                let (to, reason) = status.checked()?;
                Ok(Self::Status { to, reason })
            }
            (None, None, Some(tags)) => tags.checked(),
            (None, None, None) => Err(ApiError::field("assign", "is missing, and so are `status` and `tag`")),
            _ => Err(ApiError::field("assign", "is one of three: give `assign`, `status` or `tag`")),
        }
    }

    /// The word in the audit log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Assign(_) => "assign",
            Self::Status { .. } => "status",
            Self::Tag { .. } => "tag",
        }
    }

    /// Does it to a lead in scope that is held.
    ///
    /// # Errors
    /// Why it cannot be done to this one.
    pub(super) async fn act(
        &self,
        transaction: &mut Transaction,
        scope: Scope,
        id: Uuid,
    ) -> Result<(), ApiError> {
        match self {
            Self::Assign(change) => {
                assignment::change_one(transaction, Subject::Lead(id), change).await.map(drop)
            }
            Self::Status { to, reason } => {
                leads::move_one(transaction, scope.seller(), id, to, reason.as_deref()).await.map(drop)
            }
            Self::Tag { add, remove } => tag(transaction, id, add, remove).await,
        }
    }
}

impl BulkAssign {
    /// To whom, and why.
    ///
    /// # Errors
    /// 400 when nobody is named who sells, 403 when a vendedor assigns to others.
    pub(crate) async fn change(
        self,
        transaction: &mut Transaction,
        caller: &Caller,
    ) -> Result<Change, ApiError> {
        let Self { seller_id, reassign } = self;
        let (seller, reason) = if caller.role.is_seller() {
            if reassign || seller_id.is_some_and(|seller| seller != caller.user_id) {
                return Err(ApiError::forbidden());
            }
            (caller.user_id, Reason::Claimed)
        } else {
            let seller = seller_id.ok_or_else(|| ApiError::field("seller_id", "is missing"))?;
            (seller, if reassign { Reason::Reassigned } else { Reason::Manual })
        };
        assignment::refuse_unless_seller(transaction, seller).await?;
        Ok(Change::to(seller, reason))
    }
}

impl BulkTags {
    fn checked(self) -> Result<Action, ApiError> {
        let mut checker = Checker::default();
        let (add, remove) = (checker.tags(self.add), checker.tags(self.remove));
        checker.finish()?;
        match () {
            () if add.is_empty() && remove.is_empty() => Err(ApiError::field("tag", "changes nothing")),
            () if add.iter().any(|tag| remove.contains(tag)) => {
                Err(ApiError::field("tag", "adds and removes the same"))
            }
            () => Ok(Action::Tag { add, remove }),
        }
    }
}

/// The tags of one lead, in order, each once.
async fn tag(
    transaction: &mut Transaction,
    id: Uuid,
    add: &[String],
    remove: &[String],
) -> Result<(), ApiError> {
    let tenant_id = transaction.tenant_id();
    let tags: Vec<String> = sqlx::query_scalar(
        "UPDATE leads SET updated_at = now(), tags = (
           SELECT coalesce(array_agg(DISTINCT tag ORDER BY tag), '{}') FROM unnest(tags || $3::text[]) tag
           WHERE tag <> ALL($4::text[]))
         WHERE tenant_id = $1 AND id = $2 RETURNING tags",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(add)
    .bind(remove)
    .fetch_one(transaction.db())
    .await?;
    if tags.len() > MOST_TAGS {
        return Err(ApiError::field("tag", format!("it would have more than {MOST_TAGS}")));
    }
    Ok(())
}
