//! Tries a way back behind a savepoint, sees what it does to the catalog and the rows, and takes it back.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use super::Reason;
use super::image::Image;
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
    /// The tables whose values it touches.
    pub(super) images: Vec<Image>,
}

impl Trial {
    fn against(reason: Reason, changes: Changes) -> Self {
        Self { reasons: vec![reason], changes, images: Vec::new() }
    }
}

/// Tries the way back; once more, comparing row by row, when it overwrites values or rewrites tables. When the
/// server refuses to drop something that others stand on, it is tried once more with `CASCADE`, to see who
/// they are.
pub(super) async fn run(
    conn: &mut PgConnection,
    record: &Record,
    history: &History,
    script: &Script,
) -> Result<Trial, Error> {
    let plain = script.rehearsal(false);
    let mut tried = pass(conn, script, &plain, &[]).await?;
    let images = tried.as_ref().map_or_else(|_| Vec::new(), Seen::images);
    if !images.is_empty() {
        tried = pass(conn, script, &plain, &images).await?;
    }
    let failure = match tried {
        Ok(seen) => {
            let mut reasons: Vec<_> = dependents(record, history, &seen, None).into_iter().collect();
            reasons.extend(left_behind(record, &seen));
            return Ok(Trial { reasons, changes: seen.changes, images });
        }
        Err(Halt::TooLong) => return Ok(Trial::against(Reason::NotMeasured, Changes::default())),
        Err(Halt::Refused(failure)) => failure,
    };
    if failure.sqlstate.as_deref() != Some("2BP01") {
        return Ok(Trial::against(Reason::DownFails(failure), Changes::default()));
    }
    let server = failure.detail.clone();
    let cascaded = pass(conn, script, &script.rehearsal(true), &[]).await?.ok();
    let named = cascaded.as_ref().and_then(|seen| dependents(record, history, seen, server.clone()));
    let reason = named.unwrap_or(Reason::Dependents { later: Vec::new(), server });
    let mut changes = cascaded.map(|seen| seen.changes).unwrap_or_default();
    // Whose values change is looked at when nothing stands in the way any more.
    changes.changed.clear();
    Ok(Trial::against(reason, changes))
}

/// What a pass showed.
struct Seen {
    before: Picture,
    after: Picture,
    changes: Changes,
    /// Tables that stay, with updated rows or a new file.
    touched: Vec<i64>,
}

impl Seen {
    fn images(&self) -> Vec<Image> {
        self.touched.iter().filter_map(|oid| Image::of(*oid, &self.before, &self.after)).collect()
    }
}

/// Why a pass did not come to its end.
enum Halt {
    /// The server refused a statement.
    Refused(Box<SqlFailure>),
    /// It took longer than a statement may.
    TooLong,
}

/// Runs `statements` and takes them back.
async fn pass(
    conn: &mut PgConnection,
    script: &Script,
    statements: &[Statement],
    images: &[Image],
) -> Result<Result<Seen, Halt>, Error> {
    sqlx::raw_sql("SAVEPOINT crmctl_trial").execute(&mut *conn).await.map_err(doing("set a savepoint"))?;
    let seen = match rehearsed(conn, script, statements, images).await {
        Ok(seen) => Ok(seen),
        Err(error) if error.sqlstate() == Some("57014") => Err(Halt::TooLong),
        Err(Error::Statement(failure))
            if !Error::Statement(failure.clone()).transient() && failure.sqlstate.is_some() =>
        {
            Err(Halt::Refused(failure))
        }
        Err(error) => return Err(error),
    };
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT crmctl_trial; RELEASE SAVEPOINT crmctl_trial")
        .execute(conn)
        .await
        .map_err(doing("take the trial back"))?;
    Ok(seen)
}

async fn rehearsed(
    conn: &mut PgConnection,
    script: &Script,
    statements: &[Statement],
    images: &[Image],
) -> Result<Seen, Error> {
    let measure = Measure::begin(conn, images).await?;
    all(conn, script, statements).await?;
    sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ROLE; SET LOCAL row_security = off")
        .execute(&mut *conn)
        .await
        .map_err(doing("take back the role of the session"))?;
    measure.look(conn).await
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

/// Inserted, updated and deleted rows of this transaction, by table.
type Counters = BTreeMap<i64, Rows>;

#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    inserted: i64,
    updated: i64,
    deleted: i64,
}

/// A measurement in progress.
pub(super) struct Measure<'a> {
    picture: Picture,
    counters: Counters,
    images: &'a [Image],
}

impl<'a> Measure<'a> {
    /// Looks before, and remembers the rows that may be overwritten.
    pub(super) async fn begin(conn: &mut PgConnection, images: &'a [Image]) -> Result<Self, Error> {
        let counted: bool = sqlx::query_scalar("SELECT current_setting('track_counts')::bool")
            .fetch_one(&mut *conn)
            .await
            .map_err(doing("ask whether the server counts rows"))?;
        if !counted {
            return Err(Error::NotCounting);
        }
        let picture = Picture::take(conn).await?;
        for image in images {
            image.take(conn, &picture).await?;
        }
        Ok(Self { picture, counters: counters(conn).await?, images })
    }

    /// Looks after, and says what changed.
    pub(super) async fn end(self, conn: &mut PgConnection) -> Result<Changes, Error> {
        Ok(self.look(conn).await?.changes)
    }

    async fn look(self, conn: &mut PgConnection) -> Result<Seen, Error> {
        let after = Picture::take(conn).await?;
        let counters = counters(conn).await?;
        let since = |oid: i64| {
            let before = self.counters.get(&oid).copied().unwrap_or_default();
            let now = counters.get(&oid).copied().unwrap_or_default();
            let grown = |of: fn(Rows) -> i64| u64::try_from(of(now) - of(before)).unwrap_or(0);
            (grown(|rows| rows.inserted), grown(|rows| rows.updated), grown(|rows| rows.deleted))
        };
        let mut changes = Changes::default();
        let mut touched = Vec::new();
        for object in self.picture.dropped(&after) {
            if object.filenode.is_some() {
                changes.tables.insert(object.name.clone());
            } else if object.kind == "column" && after.table(object.oid()).is_some() {
                let table = object.owner.clone().unwrap_or_default();
                changes.columns.entry(table).or_default().push(object.column_name());
            }
        }
        for (old, new) in self.picture.rewritten(&after) {
            let survivors = rows(conn, &new.name, &[]).await?.saturating_sub(since(old.oid()).0);
            changes.rewritten.push(Rewritten { table: old.name.clone(), survivors });
            touched.push(old.oid());
        }
        for oid in counters.keys() {
            let (Some(table), Some(_)) = (self.picture.table(*oid), after.table(*oid)) else { continue };
            let (_, updated, deleted) = since(*oid);
            if deleted > 0 {
                changes.deleted.insert(table.name.clone(), deleted);
            }
            if updated > 0 && !touched.contains(oid) {
                touched.push(*oid);
            }
        }
        changes.changed = self.compared(conn, &touched, &after).await?;
        Ok(Seen { before: self.picture, after, changes, touched })
    }

    /// How many old rows of each touched table are gone, as far as they were remembered.
    async fn compared(
        &self,
        conn: &mut PgConnection,
        touched: &[i64],
        after: &Picture,
    ) -> Result<BTreeMap<String, Option<u64>>, Error> {
        let mut changed = BTreeMap::new();
        for oid in touched {
            let Some(image) = Image::of(*oid, &self.picture, after) else { continue };
            let remembered = self.images.iter().find(|image| image.is_of(*oid));
            let gone = match remembered {
                Some(remembered) => remembered.gone(conn, after).await?,
                None => None,
            };
            changed.insert(image.table(&self.picture).unwrap_or_default().to_owned(), gone);
        }
        Ok(changed)
    }
}

async fn counters(conn: &mut PgConnection) -> Result<Counters, Error> {
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT relid::int8, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
         WHERE n_tup_ins + n_tup_upd + n_tup_del > 0",
    )
    .fetch_all(conn)
    .await
    .map_err(doing("count the rows changed so far"))?;
    let keyed =
        rows.into_iter().map(|(oid, inserted, updated, deleted)| (oid, Rows { inserted, updated, deleted }));
    Ok(keyed.collect())
}
