//! Status and plan of a schema as documents for machines and lines for people.

use ::migrate::{Drift, Migration, MigrationSet, MigrationStatus, Plan, Status};
use serde_json::{Value, json};

use crate::report::document::{DriftView, MigrateStatus, MigrationView};
use crate::report::json::word;

/// A status as its document.
pub(super) fn status(environment: String, status: &Status) -> MigrateStatus {
    MigrateStatus {
        schema: 1,
        environment,
        latest: status.latest,
        migrations: status.migrations.iter().map(migration_view).collect(),
        drift: status.drift.iter().map(drift_view).collect(),
    }
}

/// Status where there is no database yet.
pub(super) fn nothing_applied(environment: String, set: &MigrationSet) -> MigrateStatus {
    let pending = |migration: &Migration| MigrationView {
        version: migration.version,
        name: migration.name.clone(),
        state: "pending".to_owned(),
        applied_at: None,
        checksum: migration.checksum_hex(),
    };
    let migrations = set.iter().map(pending).collect();
    MigrateStatus { schema: 1, environment, latest: None, migrations, drift: Vec::new() }
}

fn migration_view(one: &MigrationStatus) -> MigrationView {
    MigrationView {
        version: one.version,
        name: one.name.clone(),
        state: word(&one.state),
        applied_at: one.applied_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        checksum: one.checksum.clone(),
    }
}

fn drift_view(drift: &Drift) -> DriftView {
    let (version, kind) = (drift.version, word(&drift.kind));
    DriftView { version, kind, message: drift.message.clone(), hint: drift.hint.clone() }
}

/// A status for people.
pub(super) fn lines(status: &MigrateStatus) -> Vec<String> {
    let line = |one: &MigrationView| {
        let at = one.applied_at.as_deref().unwrap_or("");
        format!("{:03}  {:<9} {:<22} {at}", one.version, one.state, one.name).trim_end().to_owned()
    };
    let mut lines: Vec<String> = status.migrations.iter().map(line).collect();
    for drift in &status.drift {
        lines.push(format!("drift: {}", drift.message));
        lines.push(format!("hint: {}", drift.hint));
    }
    lines
}

/// A plan as its document.
pub(super) fn plan(environment: &str, plan: &Plan) -> Value {
    json!({
        "schema": 1,
        "environment": environment,
        "hash": plan.hash,
        "latest": plan.latest,
        "migrations": plan.migrations,
        "drift": plan.drift,
    })
}

/// A plan for people.
pub(super) fn plan_lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for migration in &plan.migrations {
        lines.push(format!("{:03} {}", migration.version, migration.name));
        for statement in &migration.statements {
            let first = statement.sql.lines().find(|line| !line.trim_start().starts_with("--")).unwrap_or("");
            lines.push(format!("  {}:{}  {}", migration.file, statement.line, first.trim()));
        }
    }
    lines.extend(plan.drift.iter().map(|drift| format!("drift: {}", drift.message)));
    if plan.migrations.is_empty() {
        lines.push("nothing pending".to_owned());
    }
    lines
}
