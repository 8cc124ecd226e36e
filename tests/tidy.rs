//! House rules as tests: what a reviewer would otherwise have to remember. Looks at files only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files that git tracks or would track, with their text.
fn rust_files() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git is installed");
    let names = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<_> = names
        .lines()
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    assert!(files.len() > 50, "git listed only {} Rust files", files.len());
    files
}

fn offenders(rule: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    rust_files()
        .iter()
        .filter_map(|(name, text)| rule(name, text).map(|what| format!("{name}: {what}")))
        .collect()
}

fn none(offenders: Vec<String>) {
    assert!(offenders.is_empty(), "\n{}", offenders.join("\n"));
}

#[test]
fn every_file_says_on_line_one_what_it_owns() {
    none(offenders(|_, text| (!text.starts_with("//!")).then(|| "line one is no `//!`".to_owned())));
}

#[test]
fn a_long_file_gives_its_reason() {
    none(offenders(|_, text| {
        let lines = text.lines().count();
        let reasoned =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Length:"));
        (lines > 300 && !reasoned).then(|| format!("{lines} lines and no `Length:` reason"))
    }));
}

#[test]
fn files_are_named_after_what_they_own() {
    none(offenders(|name, _| {
        let stem = Path::new(name).file_stem()?.to_str()?;
        matches!(stem, "mod" | "utils" | "util" | "helpers" | "helper" | "manager" | "common" | "misc")
            .then(|| "this name says nothing".to_owned())
    }));
}

#[test]
fn planning_does_no_io() {
    let forbidden = ["std::fs", "std::net", "std::process", "tokio::fs", "tokio::net", "tokio::process"];
    none(offenders(|name, text| {
        let found = forbidden.iter().find(|word| text.contains(*word));
        found.filter(|_| name.starts_with("phases/src/")).map(|word| format!("uses `{word}`"))
    }));
}

#[test]
fn only_the_terminal_speaks() {
    let loud = ["println!(", "eprintln!(", "std::io::stdout()", "std::io::stderr()"];
    none(offenders(|name, text| {
        let own = name.starts_with("src/") && name != "src/terminal.rs" && name != "src/main.rs";
        loud.iter().find(|word| own && text.contains(**word)).map(|word| format!("uses `{word}`"))
    }));
}

#[test]
fn no_test_is_skipped_and_no_work_is_put_off() {
    let marks = [concat!("#[", "ignore"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    none(offenders(|_, text| {
        marks.iter().find(|mark| text.contains(**mark)).map(|mark| format!("has `{mark}`"))
    }));
}

#[test]
fn imports_go_downward_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let own = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let edges: Vec<&str> = own.filter_map(|dependency| dependency["name"].as_str()).collect();
        let inside: Vec<&&str> = edges.iter().filter(|edge| names.contains(edge)).collect();
        if name == "crmctl" {
            assert!(!edges.contains(&"crm-backend"), "crmctl must not link the backend");
        } else {
            assert!(inside.is_empty(), "`{name}` imports {inside:?}");
        }
        if name == "phases" {
            let world = ["reqwest", "sqlx", "bollard", "hyper", "redis", "openssh", "tokio"];
            assert!(edges.iter().all(|edge| !world.contains(edge)), "`phases` imports the world: {edges:?}");
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_only() {
    for member in ["phases", "checks", "migrate", "backend"] {
        let text = std::fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        for table in ["dependencies", "dev-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for (name, value) in dependencies {
                let shared = value.get("workspace").is_some() || value.get("path").is_some();
                assert!(shared, "{member}: `{name}` has a version of its own");
            }
        }
    }
}

#[test]
fn the_example_file_has_every_key_and_no_other() {
    use crmctl::environment::tables;
    let text = std::fs::read_to_string(root().join("config/example.toml")).unwrap();
    let example: toml::Table = text.parse().unwrap();
    let keys = |schema: schemars::Schema| -> Vec<String> {
        schema
            .get("properties")
            .and_then(|p| p.as_object())
            .map(|p| p.keys().cloned().collect())
            .unwrap_or_default()
    };
    let shown = |table: &str, key: &str| {
        text.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} =")))
            || panic!("`{key}` of `{table}` is not in the example")
    };
    let all = [
        ("", keys(schemars::schema_for!(tables::Top))),
        ("backend", keys(schemars::schema_for!(tables::Backend))),
        ("build", keys(schemars::schema_for!(tables::Build))),
        ("database", keys(schemars::schema_for!(tables::Database))),
        ("ledger", keys(schemars::schema_for!(tables::Ledger))),
        ("smoke", keys(schemars::schema_for!(tables::Smoke))),
        ("perf", keys(schemars::schema_for!(tables::Perf))),
        ("notify", keys(schemars::schema_for!(tables::Notify))),
        ("owners", keys(schemars::schema_for!(tables::Owners))),
    ];
    // Those of another platform stand there as comments.
    let of_a_swarm = [
        ("engine", keys(schemars::schema_for!(tables::hosting::Engine))),
        ("registry", keys(schemars::schema_for!(tables::hosting::Registry))),
        ("edge", keys(schemars::schema_for!(tables::hosting::Edge))),
        ("page", keys(schemars::schema_for!(tables::hosting::Page))),
        ("limits", keys(schemars::schema_for!(tables::hosting::Limits))),
    ];
    for (table, keys) in &of_a_swarm {
        assert!(text.contains(&format!("# [{table}]")), "`[{table}]` is not in the example");
        assert!(!keys.is_empty() && keys.iter().all(|key| shown(table, key)));
    }
    for (table, keys) in &all {
        assert!(!keys.is_empty(), "`{table}` has no keys");
        assert!(keys.iter().all(|key| shown(table, key)));
        let present =
            if table.is_empty() { Some(&example) } else { example.get(*table).and_then(|t| t.as_table()) };
        for key in present.expect("every table is shown").keys() {
            let known = keys.contains(key) || tables::NAMES.contains(&key.as_str());
            assert!(known, "`{key}` of `{table}` in the example is no key");
        }
    }
}

#[test]
fn the_readme_and_help_agree_on_exit_codes() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for (exit, sentence) in crmctl::error::Exit::TABLE {
        let row = format!("| {} | {sentence} |", exit.code());
        assert!(readme.contains(&row), "README.md lacks `{row}`");
    }
}

/// `story::fact` in backticks; an ellipsis stands for the rest of a long name, a star for all tests of a story.
#[test]
fn every_test_that_the_table_of_faults_names_exists() {
    let text = std::fs::read_to_string(root().join("docs/reliability-faults.md")).unwrap();
    let all: String = rust_files().into_iter().map(|(_, text)| text).collect();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect();
    assert!(named.len() > 20, "the table names {} tests", named.len());
    let missing = |name: &&&str| {
        let (story, fact) = name.rsplit_once("::").unwrap();
        match (story, fact) {
            ("story", _) => false,
            (story, "*") => !all.contains(&format!("mod {story};")),
            (_, fact) => match fact.strip_suffix('…') {
                Some(begin) => !all.contains(&format!("fn {begin}")),
                None => !all.contains(&format!("fn {fact}(")),
            },
        }
    };
    let missing: Vec<_> = named.iter().filter(missing).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}
