//! What outside tools read keeps its published form (`docs/schema/`), and a dry run changes nothing.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crmctl::release_directory::ReleaseFile;
use crmctl::report::document::{Diagnosis, History, MigrateStatus, Status};
use crmctl::report::json::EventLine;
use crmctl::report::result::RunResult;
use serde_json::Value;

use crate::harness::machine::Machine;

fn published(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(format!("{name}.schema.json"))
}

fn schema(name: &str) -> Value {
    let file = published(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// Asserts that a document fits its published schema.
#[track_caller]
pub(crate) fn fits(name: &str, document: &Value) {
    let validator = jsonschema::validator_for(&schema(name)).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}\n{document:#}");
}

/// The published file is what the code says. `UPDATE_SCHEMA=1` writes it; the diff is then reviewed.
#[track_caller]
fn is_published(name: &str, schema: schemars::Schema) {
    let text = format!("{:#}\n", schema.as_value());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(published(name), &text).unwrap();
    }
    let stored = std::fs::read_to_string(published(name)).unwrap_or_default();
    assert_eq!(stored, text, "{name}: run this test with UPDATE_SCHEMA=1 and review the difference");
}

#[test]
fn schemas_are_published_as_the_code_has_them() {
    is_published("event", schemars::schema_for!(EventLine));
    is_published("status", schemars::schema_for!(Status));
    is_published("doctor", schemars::schema_for!(Diagnosis));
    is_published("history", schemars::schema_for!(History));
    is_published("migrate-status", schemars::schema_for!(MigrateStatus));
    is_published("run", schemars::schema_for!(RunResult));
    is_published("release", schemars::schema_for!(ReleaseFile));
}

#[test]
fn documents_and_events_fit_the_contract() {
    let machine = Machine::new();
    let plan = machine.crmctl(&["plan", "local", "--output", "json"]).exits(0);
    assert_eq!(plan.out.lines().count(), 1);
    fits("plan", &plan.json());
    fits("status", &machine.status());
    let nothing = machine.crmctl(&["migrate", "status", "local", "--output", "json"]).exits(0).json();
    fits("migrate-status", &nothing);
    assert_eq!(nothing["latest"], Value::Null);

    let events = machine.crmctl(&["deploy", "local", "--output", "json"]).exits(0).events();
    events.iter().for_each(|event| fits("event", event));
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["run.started", "plan.ready"]);
    assert_eq!(kinds.iter().filter(|kind| **kind == "run.finished").count(), 1);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "run.finished", "the last line");
    assert_eq!((&last["ending"], &last["exit_code"]), (&"deployed".into(), &0.into()));
    let phases: Vec<&str> =
        last["phases"].as_array().unwrap().iter().map(|p| p["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["preflight", "build", "migrate", "deploy", "smoke", "perf"]);
    for kind in ["phase.started", "step.started", "step.finished", "check.finished", "load.finished"] {
        assert!(kinds.contains(&kind), "{kind} is missing");
    }

    // Reports read it from here by its name.
    let load = events.iter().find(|event| event["event"] == "load.finished").unwrap();
    assert!(load["load"]["never_sent"].is_u64(), "{load:#}");

    let status = machine.status();
    fits("status", &status);
    assert_eq!(status["serving"]["id"], last["release"]["id"]);
    assert_eq!(status["serving"]["state"], "good");
    let release = machine.state().join("local/releases").join(status["serving"]["id"].as_str().unwrap());
    let file: Value = serde_json::from_slice(&std::fs::read(release.join("release.json")).unwrap()).unwrap();
    fits("release", &file);
    assert_eq!(file["digest"], status["serving"]["digest"]);
    let migrations = machine.crmctl(&["migrate", "status", "local", "--output", "json"]).exits(0);
    assert_eq!(migrations.out.lines().count(), 1);
    fits("migrate-status", &migrations.json());
    fits("history", &machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json());
    let journal = std::fs::read_to_string(machine.state().join("local/ledger/journal.ndjson")).unwrap();
    for line in journal.lines() {
        fits("journal", &serde_json::from_str(line).unwrap());
    }

    let again = machine.crmctl(&["deploy", "local", "--output", "json"]).exits(0).events();
    let statuses = again.last().unwrap()["phases"].as_array().unwrap().clone();
    let of = |phase: &str| statuses.iter().find(|one| one["phase"] == phase).unwrap()["status"].clone();
    for phase in ["build", "migrate", "deploy", "perf"] {
        assert_eq!(of(phase), "unchanged", "{phase} of a second deploy");
    }
    assert_eq!((of("preflight"), of("smoke")), ("done".into(), "done".into()));
}

#[test]
fn a_plan_changes_nothing() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--plan"]).exits(0);
    assert!(!machine.state().exists(), "a plan on a fresh machine makes no state");
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    machine.commit("change");
    let (files, database) = (tree(&machine.state()), dump(&machine));
    for arguments in [
        &["plan", "local"][..],
        &["deploy", "local", "--plan"],
        &["rollback", "local", "--plan"],
        &["migrate", "local", "--plan"],
        &["smoke", "local", "--plan"],
        &["status", "local"],
        &["history", "local"],
        &["migrate", "status", "local"],
    ] {
        let said = machine.crmctl(arguments);
        assert!(matches!(said.code, 0 | 10), "{arguments:?}: {}", said.err);
    }
    assert_eq!(tree(&machine.state()), files);
    assert_eq!(dump(&machine), database);
}

/// Every file of the state directory with a hash of its content, but for what a running server writes by itself.
fn tree(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if ["postgres", "logs", "collected.json"].iter().any(|own| path.ends_with(own)) {
                continue;
            }
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let mut hash = DefaultHasher::new();
                std::fs::read(&path).unwrap().hash(&mut hash);
                files.insert(path, hash.finish());
            }
        }
    }
    files
}

/// Schema and data of the private database, read as its superuser through the private socket.
fn dump(machine: &Machine) -> String {
    let secrets = std::fs::read_to_string(machine.state().join("local/secrets.env")).unwrap();
    let password =
        secrets.lines().find_map(|line| line.strip_prefix("POSTGRES_SUPERUSER_PASSWORD=")).unwrap();
    let output = std::process::Command::new("pg_dump")
        .args(["--username", "postgres", "--host"])
        .arg(postgres_socket(machine))
        .args(["--exclude-table-data", "scheduled_run", "--exclude-table-data", "job_*", "crmventas_local"])
        .env("PGPASSWORD", password)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).collect()
}

fn postgres_socket(machine: &Machine) -> PathBuf {
    let state = crmctl::state_directory::StateDirectory::new(machine.state(), "local").unwrap();
    state.sockets().unwrap().postgres()
}
