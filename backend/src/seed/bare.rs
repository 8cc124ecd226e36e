//! Takes keys and indexes of a table away while many rows are loaded, and puts the same ones back: a million rows into six
//! indexes and two foreign keys one by one take minutes, all at once seconds. Facts are derived before they are back: that
//! reads all rows anyway. Inside the seed's transaction, so nobody
//! ever sees the table without them.

use sqlx::{AssertSqlSafe, PgConnection};

/// From so many messages on it is worth it: the table is locked meanwhile.
pub(super) const WORTH_IT: usize = 50_000;
/// Where the many rows go.
const TABLES: [&str; 4] = ["messages", "lead_status_history", "lead_submissions", "seller_events"];

/// What was taken away.
#[derive(Debug, Default)]
pub(super) struct Bare {
    back: Vec<String>,
}

/// Takes it away. The primary key stays: rows come in its order.
///
/// # Errors
/// When the database did not do it.
pub(super) async fn strip(db: &mut PgConnection) -> Result<Bare, sqlx::Error> {
    // What is sorted on the way fits in memory: words of a conversation, facts, entries of an index.
    run(db, "SET LOCAL work_mem = '256MB'; SET LOCAL maintenance_work_mem = '256MB'".to_owned()).await?;
    let mut bare = Bare::default();
    for table in TABLES {
        let parts: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', $1, c.conname),
                    format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1, c.conname, pg_get_constraintdef(c.oid)),
                    format('COMMENT ON CONSTRAINT %I ON %s IS %L', c.conname, $1, obj_description(c.oid, 'pg_constraint'))
             FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.contype IN ('f', 'u')
               AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.confrelid = c.conrelid AND o.conindid = c.conindid)
             UNION ALL
             SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid),
                    format('COMMENT ON INDEX %s IS %L', i.indexrelid::regclass, obj_description(i.indexrelid, 'pg_class'))
             FROM pg_index i WHERE i.indrelid = to_regclass($1)
               AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
             ORDER BY 1",
        )
        .bind(table)
        .fetch_all(&mut *db)
        .await?;
        for (away, back, comment) in parts {
            run(db, away).await?;
            bare.back.push(back);
            bare.back.extend(comment.filter(|comment| !comment.ends_with(" IS NULL")));
        }
    }
    Ok(bare)
}

impl Bare {
    /// Puts everything back; foreign keys are checked for all rows at once.
    ///
    /// # Errors
    /// When a row does not fit.
    pub(super) async fn dress(self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        for statement in self.back {
            run(db, statement).await?;
        }
        Ok(())
    }
}

async fn run(db: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(db).await.map(drop)
}
