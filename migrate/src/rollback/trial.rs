//! Tries a way back behind a savepoint, sees what it does to the catalog and the rows, and takes it back.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use super::Reason;
use super::loss::{Changes, Rewritten, rows};
use crate::apply::execute;
use crate::error::{Error, SqlFailure, doing};
use crate::history::{History, Record};
use crate::objects::Picture;
use crate::sql::{Script, Statement};

/// What the trial showed.
pub(super) struct Trial {
    /// What speaks against the revert.
    pub(super) reasons: Vec<Reason>,
    /// What it would take away.
    pub(super) changes: Changes,
}

/// Tries the way back. When the server refuses to drop something that others stand on, it is tried once more
/// with `CASCADE`, to see who they are.
pub(super) async fn run(
    conn: &mut PgConnection,
    record: &Record,
    history: &History,
    script: &Script,
) -> Result<Trial, Error> {
    let failure = match pass(conn, script, &script.rehearsal(false)).await? {
        Ok(seen) => {
            let mut reasons: Vec<_> = dependents(record, history, &seen, None).into_iter().collect();
            reasons.extend(left_behind(record, &seen));
            return Ok(Trial { reasons, changes: seen.changes });
        }
        Err(failure) => failure,
    };
    if failure.sqlstate.as_deref() == Some("57014") {
        return Ok(Trial { reasons: vec![Reason::NotMeasured], changes: Changes::default() });
    }
    if failure.sqlstate.as_deref() != Some("2BP01") {
        return Ok(Trial { reasons: vec![Reason::DownFails(failure)], changes: Changes::default() });
    }
    let server = failure.detail.clone();
    let cascaded = pass(conn, script, &script.rehearsal(true)).await?.ok();
    let named = cascaded.as_ref().and_then(|seen| dependents(record, history, seen, server.clone()));
    let reason = named.unwrap_or(Reason::Dependents { later: Vec::new(), server });
    Ok(Trial { reasons: vec![reason], changes: cascaded.map(|seen| seen.changes).unwrap_or_default() })
}

/// What a pass showed.
struct Seen {
    before: Picture,
    after: Picture,
    changes: Changes,
}

/// Runs `statements` and takes them back; the inner error is the server's refusal of one of them.
async fn pass(
    conn: &mut PgConnection,
    script: &Script,
    statements: &[Statement],
) -> Result<Result<Seen, Box<SqlFailure>>, Error> {
    let measure = Measure::begin(conn).await?;
    sqlx::raw_sql("SAVEPOINT crmctl_trial").execute(&mut *conn).await.map_err(doing("set a savepoint"))?;
    let seen = match all(conn, script, statements).await {
        Ok(()) => {
            sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ROLE; SET LOCAL row_security = off")
                .execute(&mut *conn)
                .await
                .map_err(doing("take back the role of the session"))?;
            let before = measure.picture.clone();
            let (after, changes) = measure.look(conn).await?;
            Ok(Seen { before, after, changes })
        }
        Err(Error::Statement(failure))
            if !Error::Statement(failure.clone()).transient() && failure.sqlstate.is_some() =>
        {
            Err(failure)
        }
        Err(error) => return Err(error),
    };
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT crmctl_trial; RELEASE SAVEPOINT crmctl_trial")
        .execute(conn)
        .await
        .map_err(doing("take the trial back"))?;
    Ok(seen)
}

async fn all(conn: &mut PgConnection, script: &Script, statements: &[Statement]) -> Result<(), Error> {
    for statement in statements {
        execute(conn, script, statement).await?;
    }
    Ok(())
}

/// Applied after this one, and would lose something it made or changed.
fn dependents(record: &Record, history: &History, seen: &Seen, server: Option<String>) -> Option<Reason> {
    let gone = seen.before.vanished(&seen.after);
    let standing = history.records.values().filter(|other| {
        history.rows.contains_key(&other.version)
            && other.version != record.version
            && (other.started_at, other.version) > (record.started_at, record.version)
    });
    let later: Vec<(i64, Vec<String>)> = standing
        .map(|other| {
            let theirs = other.created.iter().chain(&other.altered).filter(|title| gone.contains(*title));
            (other.version, theirs.cloned().collect::<Vec<_>>())
        })
        .filter(|(_, objects)| !objects.is_empty())
        .collect();
    (!later.is_empty()).then_some(Reason::Dependents { later, server })
}

/// Tables and columns that the migration made and its way back did not remove: a wrong way back.
fn left_behind(record: &Record, seen: &Seen) -> Option<Reason> {
    let after = seen.after.titles();
    let before = seen.before.titles();
    let stays: Vec<String> = record
        .created
        .iter()
        .filter(|title| title.starts_with("table ") || title.starts_with("column "))
        .filter(|title| before.contains(*title) && after.contains(*title))
        .cloned()
        .collect();
    (!stays.is_empty()).then_some(Reason::DownLeaves { objects: stays })
}

/// Inserted and deleted rows of this transaction, by table.
type Counters = BTreeMap<i64, (i64, i64)>;

/// A measurement in progress.
pub(super) struct Measure {
    picture: Picture,
    counters: Counters,
}

impl Measure {
    /// Looks before.
    pub(super) async fn begin(conn: &mut PgConnection) -> Result<Self, Error> {
        let counted: bool = sqlx::query_scalar("SELECT current_setting('track_counts')::bool")
            .fetch_one(&mut *conn)
            .await
            .map_err(doing("ask whether the server counts rows"))?;
        if !counted {
            return Err(Error::NotCounting);
        }
        Ok(Self { picture: Picture::take(conn).await?, counters: counters(conn).await? })
    }

    /// Looks after, and says what changed.
    pub(super) async fn end(self, conn: &mut PgConnection) -> Result<Changes, Error> {
        Ok(self.look(conn).await?.1)
    }

    async fn look(&self, conn: &mut PgConnection) -> Result<(Picture, Changes), Error> {
        let after = Picture::take(conn).await?;
        let counters = counters(conn).await?;
        let since = |oid: i64| {
            let (inserted, deleted) = self.counters.get(&oid).copied().unwrap_or_default();
            let (now_inserted, now_deleted) = counters.get(&oid).copied().unwrap_or_default();
            (positive(now_inserted - inserted), positive(now_deleted - deleted))
        };
        let mut changes = Changes::default();
        for object in self.picture.dropped(&after) {
            if object.filenode.is_some() {
                changes.tables.insert(object.name.clone());
            } else if object.kind == "column" && after.table(object.oid()).is_some() {
                let table = object.owner.clone().unwrap_or_default();
                let column = object.name.rsplit_once(&format!("{table}.")).map_or("", |(_, column)| column);
                changes.columns.entry(table).or_default().push(column.to_owned());
            }
        }
        for (old, new) in self.picture.rewritten(&after) {
            let survivors = rows(conn, &new.name, &[]).await?.saturating_sub(since(old.oid()).0);
            changes.rewritten.push(Rewritten { table: old.name.clone(), survivors });
        }
        for oid in counters.keys() {
            if let (Some(table), Some(_), (_, 1..)) =
                (self.picture.table(*oid), after.table(*oid), since(*oid))
            {
                changes.deleted.insert(table.name.clone(), since(*oid).1);
            }
        }
        changes.rewritten.retain(|rewritten| !changes.deleted.contains_key(&rewritten.table));
        Ok((after, changes))
    }
}

async fn counters(conn: &mut PgConnection) -> Result<Counters, Error> {
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT relid::int8, n_tup_ins, n_tup_del FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_del > 0")
            .fetch_all(conn)
            .await
            .map_err(doing("count the rows changed so far"))?;
    Ok(rows.into_iter().map(|(oid, inserted, deleted)| (oid, (inserted, deleted))).collect())
}

fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
