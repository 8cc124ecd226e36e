//! The pipelines under `docs/ci` are ones that this crmctl runs: every command parses, every job that is waited for exists, and every
//! variable that staging cannot do without is given.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use crmctl::cli::Cli;
use crmctl::environment::LoadedEnvironment;
use serde_norway::Value;

fn read(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(name);
    let mut document: Value = serde_norway::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    document.apply_merge().unwrap();
    document
}

fn texts<'v>(value: &'v Value, all: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => all.push(text),
        Value::Sequence(values) => values.iter().for_each(|value| texts(value, all)),
        Value::Mapping(fields) => fields.values().for_each(|value| texts(value, all)),
        _ => {}
    }
}

/// Every call of crmctl in the scripts of a document, as words.
fn commands(document: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    texts(document, &mut all);
    let lines = all.into_iter().flat_map(str::lines);
    let calls = lines.flat_map(|line| line.split("target/release/crmctl ").skip(1));
    let word = |word: &str| word.trim_matches(['"', ';']).replace("$run", "20261127T120301Z-7f3a");
    calls
        .map(|call| call.split(['|', ';', '`']).next().unwrap_or_default())
        .map(|call| call.split_whitespace().map(word).collect::<Vec<_>>())
        // What is packed for another job is a path.
        .filter(|words| words.first().is_some_and(|verb| !verb.contains('.')))
        .collect()
}

#[test]
fn every_command_of_the_examples_is_one_of_this_crmctl() {
    for (name, verbs) in [
        ("github-actions.yml", &["preflight", "build", "deploy", "rollback"][..]),
        ("gitlab-ci.yml", &["preflight", "build", "deploy", "rollback"][..]),
    ] {
        let commands = commands(&read(name));
        for words in &commands {
            let parsed = Cli::try_parse_from(std::iter::once("crmctl".to_owned()).chain(words.clone()));
            assert!(parsed.is_ok(), "{name}: {words:?}: {}", parsed.unwrap_err());
        }
        for verb in verbs {
            assert!(commands.iter().any(|words| words[0] == *verb), "{name} never calls `{verb}`");
        }
    }
}

#[test]
fn jobs_wait_for_jobs_that_exist_and_the_environment_is_protected() {
    let github = read("github-actions.yml");
    let jobs = github["jobs"].as_mapping().unwrap();
    for (name, job) in jobs {
        if let Some(needs) = job.get("needs").and_then(Value::as_str) {
            assert!(jobs.contains_key(needs), "{name:?} needs `{needs}`");
        }
        assert!(job["runs-on"].is_string() && job["steps"].is_sequence(), "{name:?}");
        for step in job["steps"].as_sequence().unwrap() {
            let is_one = step.get("uses").is_some() != step.get("run").is_some();
            assert!(is_one, "a step either uses or runs: {step:?}");
            if let Some(uses) = step.get("uses").and_then(Value::as_str) {
                assert!(uses.split_once('@').is_some_and(|(_, version)| version.starts_with('v')), "{uses}");
            }
        }
    }
    assert_eq!(jobs["deploy"]["environment"], "staging");
    assert_eq!(github["concurrency"]["cancel-in-progress"], false);

    let gitlab = read("gitlab-ci.yml");
    let stages: Vec<&str> =
        gitlab["stages"].as_sequence().unwrap().iter().filter_map(Value::as_str).collect();
    for name in ["build", "deploy"] {
        let job = &gitlab[name];
        assert!(stages.contains(&job["stage"].as_str().unwrap()) && job["script"].is_sequence());
        assert!(gitlab[job["extends"].as_str().unwrap()].is_mapping());
        assert_eq!(job["environment"]["name"], "staging");
    }
    assert_eq!(gitlab["deploy"]["rules"][0]["when"], "manual");
}

#[test]
fn every_variable_that_staging_wants_is_given() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let staging = LoadedEnvironment::load(&root.join("config"), root, "staging", |_| None).ok().unwrap();
    let github = read("github-actions.yml");
    for job in ["preflight-build", "deploy"] {
        let given = github["jobs"][job]["env"].as_mapping().unwrap();
        let given: BTreeSet<&str> = given.keys().filter_map(Value::as_str).collect();
        let missing: Vec<String> =
            staging.wanted().into_iter().filter(|name| !given.contains(name.as_str())).collect();
        // A port has a usual value.
        assert!(missing.iter().all(|name| name == "REDIS_PORT"), "{job}: {missing:?}");
    }
}
