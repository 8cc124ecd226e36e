//! Raises the fence of the platform, and of the database where one answers. A database that is away takes nothing
//! from anybody, and whoever brings the private one up raises its fence then (`ensure_database`).

use std::time::Duration;

use phases::engine::effects::{EffectOutcome, Evidence};
use phases::engine::failure::{Failure, FailureClass};
use phases::engine::platform::Platform;

use crate::site::database::Reach;
use crate::site::{Site, database};

/// A database that does not answer must not keep anybody from going back.
const DATABASE_PATIENCE: Duration = Duration::from_secs(10);

/// What an older run is still doing to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InHand {
    /// Its session, for people.
    pub session: String,
    /// How that session is ended.
    pub end: String,
}

/// Raises both. Only the platform can refuse: it is what a way back rests on.
pub(super) async fn raise(site: &Site, token: u64) -> (EffectOutcome, Option<InHand>) {
    let platform = site.platform.fence(token).await;
    if !matches!(platform, EffectOutcome::Done(_)) {
        return (platform, None);
    }
    let (said, in_hand) = of_database(site, token).await;
    (EffectOutcome::Done(Evidence { summary: said, ..Evidence::default() }), in_hand)
}

async fn of_database(site: &Site, token: u64) -> (String, Option<InHand>) {
    let Reach::Dsn(dsn) = database::reach(site) else {
        return ("the database is away".to_owned(), None);
    };
    let Ok(database) = ::migrate::Database::new(&dsn, "fence") else {
        return ("the database has no address".to_owned(), None);
    };
    let asked = ::migrate::raise_fence(&database, signed(token));
    match tokio::time::timeout(DATABASE_PATIENCE, asked).await {
        Ok(Ok(::migrate::Fenced::Raised)) => ("fence raised".to_owned(), None),
        Ok(Ok(::migrate::Fenced::NeverMigrated)) => ("the database was never migrated".to_owned(), None),
        Ok(Ok(::migrate::Fenced::Busy { holder })) => {
            ("the database is being changed".to_owned(), Some(in_hand(holder)))
        }
        // A database that counts further than the ledger refuses migrations when they are asked for.
        Ok(Err(error)) => {
            tracing::warn!(%error, "the fence of the database is not raised");
            ("the fence of the database is not raised".to_owned(), None)
        }
        Err(_) => {
            tracing::warn!("the database did not answer when its fence was to be raised");
            ("the database does not answer".to_owned(), None)
        }
    }
}

fn in_hand(holder: Option<::migrate::Backend>) -> InHand {
    match holder {
        Some(holder) => InHand {
            session: format!("session `{}` (pid {})", holder.application, holder.pid),
            end: format!("`SELECT pg_terminate_backend({})`", holder.pid),
        },
        None => InHand {
            session: "a session that has locked `crmctl.fence`".to_owned(),
            end: "`pg_terminate_backend` with its number from `pg_locks`".to_owned(),
        },
    }
}

/// Raises the fence of a database that has just been brought up, and makes one where nobody ever migrated.
pub(super) async fn make(site: &Site, token: u64) -> Result<(), Failure> {
    let failed = |message| Failure::new(FailureClass::Failed, message);
    let dsn = database::migrator_dsn(site).map_err(failed)?;
    let database =
        ::migrate::Database::new(&dsn, "fence").map_err(|error| super::migrate::failure(&error))?;
    match ::migrate::make_fence(&database, signed(token)).await {
        // Whatever is in hand holds the migration lock, which comes before every migration of this run.
        Ok(_) => Ok(()),
        Err(error) => Err(super::migrate::failure(&error)),
    }
}

/// A token as the database counts.
pub(super) fn signed(token: u64) -> i64 {
    i64::try_from(token).unwrap_or(i64::MAX)
}
