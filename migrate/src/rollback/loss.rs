//! What a way back takes away: tables and columns that go, rows that are deleted, truncated or overwritten. It
//! counts exactly, by asking the tables themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::error::{Error, doing};

/// How rows are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// The table goes, with all of them.
    Table,
    /// Columns go; counted are the rows that hold a value in one of them.
    Columns,
    /// The rows are deleted or truncated, the table stays.
    Deleted,
    /// The rows stay with other values in columns that stay.
    Changed,
}

/// One place where rows are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// How.
    pub kind: LossKind,
    /// The table, qualified, quoted where SQL needs quotes.
    pub table: String,
    /// The columns that go, for [`LossKind::Columns`].
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LossKind::Table => write!(f, "{} of table `{}`", self.rows, self.table),
            LossKind::Columns => {
                write!(
                    f,
                    "{} of table `{}` with a value in `{}`",
                    self.rows,
                    self.table,
                    self.columns.join("`, `")
                )
            }
            LossKind::Deleted => write!(f, "{} deleted from table `{}`", self.rows, self.table),
            LossKind::Changed => write!(f, "{} of table `{}` whose values change", self.rows, self.table),
        }
    }
}

/// A table whose file was replaced, and how many of its old rows are still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) table: String,
    pub(super) survivors: u64,
}

/// How many rows there were where some are taken away.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    tables: BTreeMap<String, u64>,
    columns: BTreeMap<(String, Vec<String>), u64>,
    rewritten: BTreeMap<String, u64>,
}

/// What running the way back changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Tables that went.
    pub(super) tables: BTreeSet<String>,
    /// Columns that went, by table; the tables stayed.
    pub(super) columns: BTreeMap<String, Vec<String>>,
    /// Rows deleted, by table; the tables stayed.
    pub(super) deleted: BTreeMap<String, u64>,
    /// Tables truncated or rewritten.
    pub(super) rewritten: Vec<Rewritten>,
    /// Tables whose values may have changed, and how many of their old rows are not there any more; `None`
    /// when nobody has looked.
    pub(super) changed: BTreeMap<String, Option<u64>>,
}

impl Changes {
    /// Keeps everybody out of the tables that will be counted, until the transaction ends.
    pub(super) async fn lock(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let rewritten = self.rewritten.iter().map(|rewritten| &rewritten.table);
        let stay = self.columns.keys().chain(self.deleted.keys()).chain(self.changed.keys());
        let all = self.tables.iter().chain(stay).chain(rewritten);
        let tables: BTreeSet<&str> = all.map(String::as_str).collect();
        for table in tables {
            // The catalog has quoted the name.
            sqlx::raw_sql(AssertSqlSafe(format!("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")))
                .execute(&mut *conn)
                .await
                .map_err(doing("lock a table that loses rows"))?;
        }
        Ok(())
    }

    /// Counts the rows there are now wherever this would take some away.
    pub(super) async fn count(&self, conn: &mut PgConnection) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        for table in &self.tables {
            counts.tables.insert(table.clone(), rows(conn, table, &[]).await?);
        }
        for (table, columns) in &self.columns {
            counts.columns.insert((table.clone(), columns.clone()), rows(conn, table, columns).await?);
        }
        for Rewritten { table, .. } in &self.rewritten {
            counts.rewritten.insert(table.clone(), rows(conn, table, &[]).await?);
        }
        Ok(counts)
    }

    /// What is lost, given what was there before.
    ///
    /// # Errors
    /// The table that loses rows nobody counted: the way back did something else than when it was tried.
    pub(super) fn losses(&self, counts: &Counts) -> Result<Vec<Loss>, String> {
        let mut losses = Vec::new();
        for table in &self.tables {
            let rows = counts.tables.get(table).ok_or(table)?;
            losses.push(loss(LossKind::Table, table, &[], *rows));
        }
        for (table, columns) in &self.columns {
            let rows = counts.columns.get(&(table.clone(), columns.clone())).ok_or(table)?;
            losses.push(loss(LossKind::Columns, table, columns, *rows));
        }
        let deleted = self.deleted_rows(counts)?;
        for (table, gone) in &self.changed {
            // What is deleted is gone as well, and told as such.
            let rows = gone.ok_or(table)?.saturating_sub(deleted.get(table).copied().unwrap_or(0));
            losses.push(loss(LossKind::Changed, table, &[], rows));
        }
        losses.extend(deleted.iter().map(|(table, rows)| loss(LossKind::Deleted, table, &[], *rows)));
        losses.retain(|loss| loss.rows > 0);
        losses.sort_by(|a, b| (&a.table, a.kind).cmp(&(&b.table, b.kind)));
        Ok(losses)
    }

    /// By table. A truncation sets the server's counter back: what is left of the old rows says more then.
    fn deleted_rows(&self, counts: &Counts) -> Result<BTreeMap<String, u64>, String> {
        let mut deleted = self.deleted.clone();
        for Rewritten { table, survivors } in &self.rewritten {
            let before = counts.rewritten.get(table).ok_or(table)?;
            let rows = deleted.entry(table.clone()).or_default();
            *rows = (*rows).max(before.saturating_sub(*survivors));
        }
        Ok(deleted)
    }
}

fn loss(kind: LossKind, table: &str, columns: &[String], rows: u64) -> Loss {
    Loss { kind, table: table.to_owned(), columns: columns.to_vec(), rows }
}

/// Rows of `table` alone, without its children; with `columns`, those that hold a value in one of them.
pub(super) async fn rows(conn: &mut PgConnection, table: &str, columns: &[String]) -> Result<u64, Error> {
    let filled: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let condition = if filled.is_empty() { "true".to_owned() } else { filled.join(" OR ") };
    // The catalog has quoted the names.
    let count: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM ONLY {table} WHERE {condition}")))
            .persistent(false)
            .fetch_one(conn)
            .await
            .map_err(doing("count the rows that would be lost"))?;
    Ok(u64::try_from(count).unwrap_or(0))
}
