//! The rows of a table as they were, as a bag of hashes, to tell how many of them a way back overwrites: values
//! that are changed are as gone as rows that are deleted, and no counter of rows shows a column cut short.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::error::{Error, doing};
use crate::objects::Picture;

/// A table and those of its columns that a way back leaves there, by number: a rename changes no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    oid: i64,
    columns: Vec<i32>,
}

impl Image {
    /// Of the table `oid`, when something of it is left in `after`.
    pub(super) fn of(oid: i64, before: &Picture, after: &Picture) -> Option<Self> {
        let stays = after.columns(oid);
        let columns: Vec<i32> =
            before.columns(oid).into_keys().filter(|number| stays.contains_key(number)).collect();
        (!columns.is_empty()).then_some(Self { oid, columns })
    }

    /// The table as `picture` calls it.
    pub(super) fn table<'p>(&self, picture: &'p Picture) -> Option<&'p str> {
        picture.table(self.oid).map(|table| table.name.as_str())
    }

    /// Is it of the table `oid`?
    pub(super) fn is_of(&self, oid: i64) -> bool {
        self.oid == oid
    }

    /// Remembers the rows there are now, until the transaction ends or is taken back.
    pub(super) async fn take(&self, conn: &mut PgConnection, now: &Picture) -> Result<(), Error> {
        let Some(rows) = self.hashes(now) else { return Ok(()) };
        let sql = format!("CREATE TEMP TABLE {} ON COMMIT DROP AS {rows}", self.name());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map_err(doing("remember the rows"))?;
        Ok(())
    }

    /// How many of the remembered rows are not there any more; `None` when the table cannot be compared.
    pub(super) async fn gone(&self, conn: &mut PgConnection, now: &Picture) -> Result<Option<u64>, Error> {
        let Some(rows) = self.hashes(now) else { return Ok(None) };
        let sql = format!("SELECT count(*) FROM (SELECT hash FROM {} EXCEPT ALL {rows}) gone", self.name());
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_one(conn)
            .await
            .map_err(doing("compare the rows"))?;
        Ok(u64::try_from(count).ok())
    }

    fn name(&self) -> String {
        format!("pg_temp.crmctl_image_{}", self.oid)
    }

    /// By their text form, which every type has and which a widened column keeps.
    fn hashes(&self, now: &Picture) -> Option<String> {
        let (table, names) = (self.table(now)?, now.columns(self.oid));
        let columns: Option<Vec<String>> =
            self.columns.iter().map(|number| names.get(number).cloned()).collect();
        // The catalog has quoted the names.
        let row = columns?.join(", ");
        Some(format!("SELECT hashtextextended(ROW({row})::text, 0) AS hash FROM ONLY {table}"))
    }
}
