//! Where files and database disagree. It names the disagreement; whether that stops a run is in `blocks`.

use serde::Serialize;

use crate::history::History;
use crate::set::MigrationSet;

/// What kind of disagreement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// The up file changed after it was applied.
    Edited,
    /// It is applied and its files are gone.
    MissingFile,
    /// It is not applied, never was, and a newer one is.
    OutOfOrder,
    /// Another tool left it half applied.
    Failed,
    /// A migration without a transaction stopped half-way; applying again goes on where it stopped.
    Unfinished,
    /// A revert without a transaction stopped half-way; reverting again goes on where it stopped.
    HalfReverted,
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The migration.
    pub version: i64,
    /// What kind.
    pub kind: DriftKind,
    /// What was found.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Drift {
    /// Nothing may be applied while this is so.
    pub fn blocks(&self) -> bool {
        self.kind != DriftKind::Unfinished
    }
}

/// Everything on which `set` and `history` disagree, ordered by version.
pub(crate) fn between(set: &MigrationSet, history: &History) -> Vec<Drift> {
    let mut drift: Vec<Drift> =
        history.rows.keys().filter_map(|version| applied(set, history, *version)).collect();
    let latest = history.latest().unwrap_or(0);
    let late = set.iter().filter(|m| {
        m.version < latest && !history.rows.contains_key(&m.version) && !history.was_reverted(m.version)
    });
    drift.extend(late.map(|m| Drift {
        version: m.version,
        kind: DriftKind::OutOfOrder,
        message: format!("`{}` is not applied, though `{latest}` is", m.up.file),
        hint: format!("give it a number above {latest}"),
    }));
    drift.sort_by_key(|d| d.version);
    drift
}

fn applied(set: &MigrationSet, history: &History, version: i64) -> Option<Drift> {
    let row = &history.rows[&version];
    let found =
        |kind, message: String, hint: &str| Some(Drift { version, kind, message, hint: hint.to_owned() });
    let Some(migration) = set.get(version) else {
        let name = history
            .records
            .get(&version)
            .map_or_else(|| row.description.replace(' ', "_"), |r| r.name.clone());
        return found(
            DriftKind::MissingFile,
            format!("migration `{version}` (`{name}`) is applied and its files are missing"),
            "bring the files back, or deploy the commit that has them",
        );
    };
    let file = &migration.up.file;
    let back = history.journal(version, "down");
    if !back.is_empty() {
        // One that was begun may be done: what it dropped is gone, whatever the journal could still say.
        let undone = back.iter().filter(|step| step.finished).count();
        return found(
            DriftKind::HalfReverted,
            format!(
                "the revert of `{file}` stopped after {undone} of {} statements it had begun",
                back.len()
            ),
            "revert it again: it goes on with the next statement",
        );
    }
    if row.success {
        return if migration.matches(&row.checksum) {
            None
        } else {
            found(
                DriftKind::Edited,
                format!(
                    "`{file}` was edited after it was applied: checksum {}, applied {}",
                    short(&migration.checksum),
                    short(&row.checksum)
                ),
                "bring the applied text back and write the change as a new migration",
            )
        };
    }
    if !history.unfinished(version) {
        return found(
            DriftKind::Failed,
            format!("`{file}` is recorded as failed by another tool"),
            "look what it left behind, mend it by hand and delete its row from `_sqlx_migrations`",
        );
    }
    if !migration.no_transaction {
        return found(
            DriftKind::Edited,
            format!("`{file}` stopped half-way and lost its `-- no-transaction`"),
            "bring the line back: the statements that ran cannot be taken into a transaction",
        );
    }
    let done: Vec<_> = history.journal(version, "up").into_iter().filter(|step| step.finished).collect();
    let rewritten = done.iter().find(|step| {
        let index = usize::try_from(step.ordinal - 1).unwrap_or(usize::MAX);
        !migration.up.statements.get(index).is_some_and(|statement| step.is(statement))
    });
    match rewritten {
        Some(step) => found(
            DriftKind::Edited,
            format!("statement {} of `{file}` was edited after it had run", step.ordinal),
            "bring its text back; the statements that did not run yet may be mended",
        ),
        None => found(
            DriftKind::Unfinished,
            format!("`{file}` stopped after {} of {} statements", done.len(), migration.up.statements.len()),
            "apply again: it goes on with the next statement",
        ),
    }
}

fn short(checksum: &[u8]) -> String {
    hex::encode(&checksum[..checksum.len().min(6)])
}
