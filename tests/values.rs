//! `crmctl env`: values are made strong, kept private, judged and compared, and never shown.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::machine::Machine;

fn file(machine: &Machine) -> PathBuf {
    machine.checkout().join(".env.staging")
}

fn text(machine: &Machine) -> String {
    std::fs::read_to_string(file(machine)).unwrap()
}

/// Values of the file that are secrets of its making.
fn made(machine: &Machine) -> Vec<String> {
    let text = text(machine);
    let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let hexadecimal = |value: &str| value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut all: Vec<String> =
        values.clone().filter(|(_, value)| hexadecimal(value)).map(|(_, value)| value.to_owned()).collect();
    all.extend(values.filter_map(|(_, dsn)| {
        let (user, _) = dsn.strip_prefix("postgresql://")?.split_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    }));
    all
}

fn replace(machine: &Machine, pairs: &[(&str, &str)]) {
    let mut text = text(machine);
    for (from, to) in pairs {
        assert!(text.contains(from), "`{from}` is not in {text}");
        text = text.replace(from, to);
    }
    std::fs::write(file(machine), text).unwrap();
}

fn state<'v>(checked: &'v Value, name: &str) -> &'v Value {
    let keys = checked["keys"].as_array().unwrap();
    &keys.iter().find(|key| key["name"] == name).unwrap_or_else(|| panic!("no {name}: {checked}"))["state"]
}

#[test]
fn a_first_file_is_made_filled_in_and_checked() {
    let machine = Machine::new();
    machine.crmctl(&["env", "check", "staging"]).exits(10).says(&["crmctl env init staging"]);
    let said = machine.crmctl(&["env", "init", "staging"]).exits(0).says(&[
        "wrote `.env.staging` (mode 0600)",
        "JWT_SECRET",
        "to fill in",
        "POSTGRES_DSN",
        "crmctl env check staging",
    ]);
    let secrets = made(&machine);
    assert!(secrets.len() >= 7, "{secrets:?}");
    assert!(secrets.iter().all(|secret| !said.out.contains(secret) && !said.err.contains(secret)));
    assert_eq!(std::fs::metadata(file(&machine)).unwrap().permissions().mode() & 0o777, 0o600);

    let checked = machine.crmctl(&["env", "check", "staging", "--output", "json"]).exits(10).json();
    assert_eq!(*state(&checked, "JWT_SECRET"), "given");
    assert_eq!(*state(&checked, "POSTGRES_DSN"), "wrong");
    assert_eq!(*state(&checked, "OPENAI_API_KEY"), "left_out");
    let mistakes = checked["mistakes"].to_string();
    assert!(mistakes.contains(".env.staging:") && mistakes.contains("to fill in"), "{mistakes}");
    assert!(
        mistakes.contains("`LEDGER_DSN` has a place in <…> to fill in (the shared ledger's own"),
        "{mistakes}"
    );
    let lines: Vec<u32> = checked["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| mistake.as_str().unwrap().split(':').nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(lines.is_sorted(), "{lines:?}");
    replace(
        &machine,
        &[
            ("<host>:5432/<database>", "db.staging.crmventas.com:5432/crmventas_staging"),
            ("<cache server>", "redis.staging.crmventas.com"),
            ("<address of the page>", "https://staging.crmventas.com"),
            ("<address of the API>", "https://api.staging.crmventas.com"),
        ],
    );
    let said =
        machine.crmctl(&["env", "check", "staging"]).exits(0).says(&["given", "left out", "(.env.staging:"]);
    assert!(made(&machine).iter().all(|secret| !said.out.contains(secret) && !said.err.contains(secret)));
    assert!(!said.out.contains("db.staging"), "a value is shown");
}

#[test]
fn a_file_that_is_there_keeps_every_value_and_gets_what_it_lacks() {
    let machine = Machine::new();
    let own =
        "# mine\nJWT_SECRET='0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c'\nREDIS_HOST=r1\nPOSTGRES_DSN=soon";
    std::fs::write(file(&machine), own).unwrap();
    machine.crmctl(&["env", "init", "staging"]).exits(10).says(&["chmod 600"]);
    std::fs::set_permissions(file(&machine), std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner = std::fs::metadata(file(&machine)).unwrap().uid();
    if owner == 0 {
        // As the user who deploys would have it.
        std::os::unix::fs::chown(file(&machine), Some(65_534), Some(65_534)).unwrap();
    }
    let owner = std::fs::metadata(file(&machine)).unwrap().uid();
    machine.crmctl(&["env", "init", "staging"]).exits(0).says(&["added to `.env.staging`", "MACHINE_TOKEN"]);
    assert_eq!(std::fs::metadata(file(&machine)).unwrap().uid(), owner, "whoever could read it still can");
    let first = text(&machine);
    assert!(first.starts_with(&format!("{own}\n")), "{first}");
    for once in ["JWT_SECRET=", "REDIS_HOST=", "REDIS_PASSWORD=", "\nPOSTGRES_DSN=", "SMOKE_PASSWORD="] {
        assert_eq!(first.matches(once).count(), 1, "{once}: {first}");
    }
    machine.crmctl(&["env", "init", "staging"]).exits(0).says(&["names every key it needs"]);
    assert_eq!(text(&machine), first);
    let leftovers = std::fs::read_dir(machine.checkout()).unwrap();
    let leftovers = leftovers
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".env.staging."));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn secrets_are_not_written_where_git_would_publish_them() {
    let machine = Machine::new();
    std::fs::write(machine.checkout().join(".gitignore"), "target\n").unwrap();
    machine.crmctl(&["env", "init", "staging"]).exits(10).says(&["git does not ignore", "/.env.staging"]);
    assert!(!file(&machine).exists());
    let outside = machine.state().with_file_name("elsewhere.env");
    machine.configure("crm-server", &[("\".env.local\"", &format!("\"{}\"", outside.display()))]);
    machine.crmctl(&["env", "init", "local"]).exits(0);
    assert!(outside.exists(), "git knows nothing of what lies elsewhere");
    machine.configure("crm-server", &[("secrets_file = \".env.local\"", "")]);
    machine.crmctl(&["env", "init", "local"]).exits(10).says(&["names no `secrets_file`"]);
    machine.crmctl(&["env", "init", "nowhere"]).exits(2).says(&["unknown environment"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn a_directory_that_cannot_be_written_says_so_and_nothing_is_left() {
    let machine = Machine::new();
    let staging = machine.checkout().join("config/environments/staging.toml");
    let text = std::fs::read_to_string(&staging).unwrap();
    std::fs::write(machine.checkout().join(".gitignore"), ".env*\nmissing/\n").unwrap();
    std::fs::write(&staging, text.replace("\".env.staging\"", "\"missing/.env.staging\"")).unwrap();
    machine.crmctl(&["env", "init", "staging"]).exits(10).says(&["cannot be written", "nothing was changed"]);
    assert!(!machine.checkout().join("missing").exists());
}

#[test]
fn what_the_next_release_would_be_given_is_told_by_name() {
    let machine = Machine::new();
    let diff = || machine.crmctl(&["env", "diff", "local", "--output", "json"]).exits(0).json();
    assert_eq!(diff()["serving"], Value::Null);
    machine.crmctl(&["env", "init", "local"]).exits(0).says(&["wrote `.env.local`"]);
    machine.crmctl(&["env", "check", "local"]).exits(0).says(&["crmctl env diff local"]);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    machine.crmctl(&["env", "diff", "local"]).exits(0).says(&["was given the same values"]);
    machine.write_secrets("OPENAI_API_KEY=0123456789abcdef-two\nMETA_APP_ID=777\nLOG_LEVEL=DEBUG\n", 0o600);
    let difference = diff();
    assert_eq!(difference["serving"], machine.serving());
    assert_eq!(difference["added"], serde_json::json!(["META_APP_ID", "OPENAI_API_KEY"]));
    let removed = ["ENABLE_METRICS_CACHE", "ENABLE_NOTIFICATIONS", "ENABLE_SCHEDULED_TASKS"];
    assert_eq!(difference["removed"], serde_json::json!(removed));
    assert_eq!(difference["changed"], serde_json::json!(["LOG_LEVEL"]));
    let said = machine.crmctl(&["env", "diff", "local"]).exits(0).says(&[
        "+ META_APP_ID",
        "- ENABLE_NOTIFICATIONS",
        "~ LOG_LEVEL",
        "crmctl deploy local",
    ]);
    assert!(!said.out.contains("abcdef") && !said.out.contains("777"), "a value is shown");
    machine.write_secrets("OPENAI_API_KEY=weak\n", 0o600);
    machine.crmctl(&["env", "diff", "local"]).exits(10).says(&[".env.local:1:", "`OPENAI_API_KEY` is weak"]);
    machine.crmctl(&["env", "check", "local"]).exits(10).says(&["`OPENAI_API_KEY` is weak"]);
}
