//! Runs a verify file. A statement that raises an error fails it, and so does one whose answer is a computed
//! boolean that is not true: `SELECT count(*) = 0 FROM …` means what it looks like. A column read from a table
//! (`SELECT done FROM leads`, to see that it is there) is data and judged by nobody.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Column, Row, TypeInfo};

use super::run::fetch;
use crate::error::{Error, SqlFailure};
use crate::sql::{Script, Statement};

/// Runs all statements in the transaction in progress; the caller rolls back what they did.
pub(crate) async fn check(conn: &mut PgConnection, script: &Script) -> Result<(), Error> {
    for statement in &script.statements {
        let judged = match fetch(conn, script, statement).await {
            Ok(rows) => judge(script, statement, &rows),
            Err(failure) => Err(failure),
        };
        judged.map_err(Error::Verify)?;
    }
    Ok(())
}

fn judge(script: &Script, statement: &Statement, rows: &[PgRow]) -> Result<(), Box<SqlFailure>> {
    let untrue = rows.iter().any(|row| {
        let [column] = row.columns() else { return false };
        let computed = column.relation_id().is_none() && column.type_info().name() == "BOOL";
        computed && row.try_get::<Option<bool>, _>(0).ok().flatten() != Some(true)
    });
    if !untrue {
        return Ok(());
    }
    Err(Box::new(SqlFailure {
        file: script.file.clone(),
        line: statement.line,
        sqlstate: None,
        message: format!("`{}` is not true", statement.sql.trim_end_matches(';')),
        detail: None,
        server_hint: None,
    }))
}
