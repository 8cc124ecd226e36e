//! Runs one statement of a file and says where in the file it failed.

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use crate::error::{Error, SqlFailure};
use crate::sql::{Script, Statement};

/// Runs `statement` by the simple protocol, as `psql` would.
///
/// The text is the operator's own: running it is what this program is for.
pub(crate) async fn execute(
    conn: &mut PgConnection,
    script: &Script,
    statement: &Statement,
) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.sql.clone()))
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|error| Error::Statement(Box::new(SqlFailure::new(script, statement, &error))))
}

/// Runs `statement` and gives its rows.
pub(crate) async fn fetch(
    conn: &mut PgConnection,
    script: &Script,
    statement: &Statement,
) -> Result<Vec<PgRow>, Box<SqlFailure>> {
    sqlx::raw_sql(AssertSqlSafe(statement.sql.clone()))
        .fetch_all(conn)
        .await
        .map_err(|error| Box::new(SqlFailure::new(script, statement, &error)))
}
