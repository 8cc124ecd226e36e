//! Runs a verify file. A statement that raises an error fails it, and so does one that answers with a boolean
//! that is not true, in whichever row and column: `SELECT count(*) = 0 FROM …` means what it looks like. A
//! column read from a table of the application (`SELECT done FROM leads`, to see that it is there) is data and
//! judged by nobody; one read from the catalog is judged. What gives neither proves nothing and is refused.

use sqlx::postgres::{PgColumn, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement as _, TypeInfo};

use super::run::fetch;
use crate::error::{Error, SqlFailure};
use crate::sql::{Script, Statement};

/// Source: `FirstNormalObjectId` of PostgreSQL; what is below was there before any table of a user.
const FIRST_NORMAL_OID: u32 = 16_384;

/// Runs all statements in the transaction in progress; the caller rolls back what they did.
pub(crate) async fn check(conn: &mut PgConnection, script: &Script) -> Result<(), Error> {
    for statement in &script.statements {
        one(conn, script, statement).await.map_err(Error::Verify)?;
    }
    Ok(())
}

async fn one(conn: &mut PgConnection, script: &Script, statement: &Statement) -> Result<(), Box<SqlFailure>> {
    // A file that was not understood may hold several statements, which cannot be described as one.
    let columns = if script.unparsed.is_empty() { described(conn, script, statement).await? } else { vec![] };
    if !columns.is_empty() && !columns.iter().any(says_something) {
        return Err(broken(
            script,
            statement,
            "gives neither a truth value nor a column of a table, so it proves nothing",
        ));
    }
    let rows = fetch(conn, script, statement).await?;
    if rows.is_empty() && columns.iter().any(|column| is_judged(column) && column.relation_id().is_some()) {
        return Err(broken(script, statement, "gives no row"));
    }
    if rows.iter().all(is_true) { Ok(()) } else { Err(broken(script, statement, "is not true")) }
}

/// The columns of the answer, empty for a statement that gives none. Without rows, the answer does not say.
async fn described(
    conn: &mut PgConnection,
    script: &Script,
    statement: &Statement,
) -> Result<Vec<PgColumn>, Box<SqlFailure>> {
    let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
    let described = conn.prepare(sql).await;
    let described = described.map_err(|error| Box::new(SqlFailure::new(script, statement, &error)))?;
    Ok(described.columns().to_vec())
}

/// A function that gives nothing is called for the error it may raise.
fn says_something(column: &PgColumn) -> bool {
    is_judged(column) || column.relation_id().is_some() || column.type_info().name() == "VOID"
}

fn is_judged(column: &PgColumn) -> bool {
    let data = column.relation_id().is_some_and(|table| table.0 >= FIRST_NORMAL_OID);
    column.type_info().name() == "BOOL" && !data
}

fn is_true(row: &PgRow) -> bool {
    let mut judged = row.columns().iter().filter(|column| is_judged(column));
    judged.all(|column| row.try_get::<Option<bool>, _>(column.ordinal()).ok().flatten() == Some(true))
}

fn broken(script: &Script, statement: &Statement, how: &str) -> Box<SqlFailure> {
    Box::new(SqlFailure {
        file: script.file.clone(),
        line: statement.line,
        sqlstate: None,
        message: format!("`{}` {how}", statement.sql.trim_end_matches(';')),
        detail: None,
        server_hint: None,
    })
}
