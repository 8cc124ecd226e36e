//! Wrong words and wrong files: an exit code, one sentence of cause with the place, the next command, and what
//! served still serves.

use std::net::TcpListener;

use crate::harness::machine::Machine;

#[test]
fn an_unknown_word_is_usage_and_says_what_was_meant() {
    let machine = Machine::new();
    machine
        .crmctl(&["deploy", "locl"])
        .exits(2)
        .says(&["unknown environment `locl`", "did you mean `local`?"]);
    machine.crmctl(&["deploy", "local", "--skpi", "perf"]).exits(2).says(&["--skpi", "--skip"]);
    machine.crmctl(&["deplyo", "local"]).exits(2).says(&["deplyo", "deploy"]);
    machine.crmctl(&["deploy", "local", "--skip", "perf"]).exits(2).says(&["--reason"]);
    machine.crmctl(&["deploy", "../local"]).exits(2).says(&["unknown environment"]);
    machine.crmctl(&["rollback", "local", "--to", "nonsense"]).exits(2).says(&["no release id"]);
    machine.configure("crm-server", &[("suite = \"smoke\"\ngate", "suite = \"smkoe\"\ngate")]);
    machine.commit("typo");
    machine.crmctl(&["deploy", "local"]).exits(2).says(&["unknown suite `smkoe`", "did you mean `smoke`?"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn all_mistakes_of_an_environment_file_are_told_at_once_with_their_lines() {
    let machine = Machine::new();
    machine.configure(
        "crm-server",
        &[("retention = 3", "retenton = 3"), ("rate = 20", "rate = 0"), ("[owners]", "[ownres]")],
    );
    let said = machine.crmctl(&["deploy", "local"]).exits(10);
    said.says(&["local.toml:5:", "`retenton`", "did you mean `retention`?", "`[ownres]`", "`owners`"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn a_broken_environment_file_names_its_line() {
    let machine = Machine::new();
    let file = machine.checkout().join("config/environments/local.toml");
    std::fs::write(&file, "schema = 1\nplatform = \n").unwrap();
    machine.crmctl(&["status", "local"]).exits(10).says(&["local.toml:2:"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn secrets_that_are_open_weak_or_placeholders_are_refused() {
    let machine = Machine::new();
    machine.write_secrets("JWT_SECRET=0123456789012345678901234567890123456789\n", 0o644);
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["mode 0644", "chmod 600"]);
    machine.write_secrets("LOG_LEVEL=INFO\nJWT_SECRET=changeme-changeme-changeme-changeme\n", 0o600);
    machine.crmctl(&["deploy", "local"]).exits(10).says(&[".env.local:2:", "`JWT_SECRET` is a placeholder"]);
    machine.write_secrets("JWT_SECRET=short\n", 0o600);
    let said = machine.crmctl(&["deploy", "local"]).exits(10).says(&["`JWT_SECRET` is weak"]);
    assert!(!said.out.contains("short") && !said.err.contains("short"), "a value is shown");
    assert_eq!(machine.serving(), "nothing");
}

#[test]
fn one_mistake_in_the_secrets_stops_what_would_use_them_and_nothing_else() {
    let machine = Machine::new();
    let deploy = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];
    machine.crmctl(&deploy).exits(0);
    let first = machine.serving();
    machine.commit("second");
    machine.crmctl(&deploy).exits(0);
    let serving = machine.serving();
    machine.write_secrets("LOG_LEVEL=INFO\nREDIS_HOST=r\nREDIS_PASSWORD=short\n", 0o600);
    let mistake = ".env.local:3: `REDIS_PASSWORD` is weak";
    for verb in ["deploy", "plan", "build", "migrate", "smoke", "perf"] {
        machine.crmctl(&[verb, "local"]).exits(10).says(&[mistake, "crmctl preflight local"]);
    }
    machine.crmctl(&["deploy", "local", "--from", "build"]).exits(10).says(&[mistake]);
    machine.crmctl(&["preflight", "local"]).exits(10).says(&[mistake, "preflight/environment"]);
    // What was started before and has its environment stored needs nothing of that file; this one has not.
    let _ = std::fs::remove_file(machine.state().join("local/releases").join(&first).join("environment"));
    machine.crmctl(&["rollback", "local"]).exits(10).says(&[mistake]);
    assert_eq!(machine.serving(), serving);
    machine.crmctl(&["history", "local"]).exits(0);
    machine.crmctl(&["logs", "local"]).exits(0);
    machine.crmctl(&["migrate", "status", "local"]).exits(0).says(&["018"]);
    std::fs::remove_file(machine.checkout().join(".env.local")).unwrap();
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), first);
    machine.write_secrets("REDIS_PASSWORD=short\n", 0o600);
    machine.crmctl(&["down", "local"]).exits(0);
}

#[test]
fn a_missing_secret_of_an_outside_database_is_refused() {
    let machine = Machine::new();
    let outside = "dsn_key = \"POSTGRES_DSN\"\nmigrator_dsn_key = \"POSTGRES_MIGRATOR_DSN\"";
    machine.configure("crm-server", &[("embedded = true", outside)]);
    machine.commit("outside database");
    machine.write_secrets("LOG_LEVEL=INFO\n", 0o600);
    machine.crmctl(&["preflight", "local"]).exits(10).says(&["POSTGRES_DSN", "missing", "JWT_SECRET"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn a_taken_port_is_refused_and_its_holder_named() {
    let machine = Machine::new();
    let taken = TcpListener::bind(("127.0.0.1", machine.port)).unwrap();
    let pid = std::process::id().to_string();
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["preflight/port", "taken by", &pid]);
    drop(taken);
}

#[test]
fn missing_server_programs_name_the_package() {
    let machine = Machine::new();
    let directory = tempfile::tempdir().unwrap();
    let places = ["/usr/local/bin/git", "/usr/bin/git", "/bin/git"];
    let git = places.iter().find(|file| std::path::Path::new(file).exists()).unwrap();
    std::os::unix::fs::symlink(git, directory.path().join("git")).unwrap();
    let mut command = machine.command(&["preflight", "local"]);
    command.env("PATH", directory.path()).env("CRMCTL_POSTGRES_BIN", directory.path());
    let said: crate::harness::machine::Said = command.output().unwrap().into();
    said.exits(10).says(&["preflight/postgres", "package `postgresql`"]);
}

#[test]
fn a_missing_artifact_names_the_place() {
    let machine = Machine::new();
    let file = machine.checkout().join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let artifact = text.lines().find(|line| line.starts_with("artifact")).unwrap().to_owned();
    std::fs::write(&file, text.replace(&artifact, "artifact = \"nowhere/crm-server\"")).unwrap();
    machine.crmctl(&["deploy", "local"]).exits(10).says(&["nowhere/crm-server", "[build] artifact"]);
    machine.configure("crm-server", &[]);
}

#[test]
fn a_verb_outside_a_checkout_says_where_to_go() {
    let machine = Machine::new();
    let directory = tempfile::tempdir().unwrap();
    let mut command = machine.command(&["deploy", "local"]);
    let said: crate::harness::machine::Said = command.current_dir(directory.path()).output().unwrap().into();
    said.exits(10).says(&["no configuration", "--config DIR"]);
}

#[test]
fn data_of_another_postgresql_are_refused_before_anything_begins() {
    let machine = Machine::new();
    machine.crmctl(&["build", "local"]).exits(0);
    machine.crmctl(&["migrate", "local"]).exits(0);
    machine.crmctl(&["down", "local"]).exits(0);
    let file = machine.state().join("local/postgres/data/PG_VERSION");
    let version = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "9\n").unwrap();
    let said = machine.crmctl(&["preflight", "local"]).exits(10);
    said.says(&["preflight/postgres", "are of PostgreSQL 9", "`postgresql-9`"]);
    std::fs::write(&file, version).unwrap();
    machine.crmctl(&["preflight", "local"]).exits(0);
}
