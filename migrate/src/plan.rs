//! What `apply` would do, statement by statement. It changes nothing.

use serde::Serialize;
use sha2::Digest as _;

use crate::apply::{Scope, pending};
use crate::database::Database;
use crate::drift::{self, Drift};
use crate::error::Error;
use crate::history::History;
use crate::set::{Migration, MigrationSet, Stage};

/// What would be applied, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// SHA-256 over the numbers and digests of everything below: equal hashes, equal changes.
    pub hash: String,
    /// Newest version applied now.
    pub latest: Option<i64>,
    /// The migrations to apply.
    pub migrations: Vec<PlannedMigration>,
    /// Where files and database disagree. Unless empty or `unfinished`, `apply` refuses.
    pub drift: Vec<Drift>,
}

/// One migration to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// When it runs relative to the release.
    pub stage: Stage,
    /// SHA-384 of the file, hex.
    pub checksum: String,
    /// Its statements run one by one, each on its own.
    pub no_transaction: bool,
    /// Why it cannot be taken back, when it says so.
    pub irreversible: Option<String>,
    /// What runs.
    pub statements: Vec<PlannedStatement>,
}

/// One statement to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStatement {
    /// Line in the file, from 1.
    pub line: usize,
    /// What it is: `create_table`, `alter_table`, …
    pub kind: String,
    /// The statement.
    pub sql: String,
    /// It ran already, in an earlier run that stopped half-way.
    pub done: bool,
}

/// Looks at the database and changes nothing.
///
/// # Errors
/// When the database cannot be reached or read, or `scope` names a version that is not in `set`.
pub async fn plan(database: &Database, set: &MigrationSet, scope: Scope) -> Result<Plan, Error> {
    let history = History::of(database).await?;
    let todo = pending(set, &history, scope)?;
    Ok(Plan {
        hash: hash(&todo),
        latest: history.latest(),
        migrations: todo.into_iter().map(|migration| planned(migration, &history)).collect(),
        drift: drift::between(set, &history),
    })
}

fn planned(migration: &Migration, history: &History) -> PlannedMigration {
    let journal =
        if history.unfinished(migration.version) { history.journal(migration.version, "up") } else { vec![] };
    let done =
        |index: usize| journal.iter().any(|s| s.finished && usize::try_from(s.ordinal) == Ok(index + 1));
    let statements = migration.up.statements.iter().enumerate().map(|(index, statement)| PlannedStatement {
        line: statement.line,
        kind: statement.kind.clone(),
        sql: statement.sql.clone(),
        done: done(index),
    });
    PlannedMigration {
        version: migration.version,
        name: migration.name.clone(),
        file: migration.up.file.clone(),
        stage: migration.stage,
        checksum: migration.checksum_hex(),
        no_transaction: migration.no_transaction,
        irreversible: migration.irreversible.clone(),
        statements: statements.collect(),
    }
}

fn hash(todo: &[&Migration]) -> String {
    let mut hasher = sha2::Sha256::new();
    for migration in todo {
        let line = format!(
            "{} {} {} {}\n",
            migration.version,
            migration.checksum_hex(),
            migration.down_digest,
            migration.verify_digest
        );
        hasher.update(line.as_bytes());
    }
    format!("sha256:{}", hex::encode(hasher.finalize()))
}
