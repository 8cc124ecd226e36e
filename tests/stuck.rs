//! Going back fails too: whichever side serves keeps serving, both are described, and nothing more is deployed until
//! a person has looked.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::harness::client::Load;
use crate::harness::machine::{Machine, Said};
use crate::interruption::{good, until_step};

/// A release that has traffic and is about to be found leaking, as on the busiest machine it is.
fn found_leaking(machine: &Machine, meanwhile: impl FnOnce()) -> Said {
    machine.configure("crm-server-faults", &[("rate = 20", "rate = 80")]);
    machine.write_secrets("CRM_FAULT=leak\n", 0o600);
    machine.commit("a change that leaks");
    let deploy = ["deploy", "local", "--output", "json", "--report", "reports"];
    let mut run = machine.start(&deploy);
    until_step(&mut run, "perf.load");
    meanwhile();
    run.wait_with_output().unwrap().into()
}

/// The report that the run left.
fn report(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(machine.checkout().join("reports/run.json")).unwrap()).unwrap()
}

#[track_caller]
fn is_told(report: &Value, words: &[&str]) {
    let detail = report["failure"]["detail"].as_array().unwrap();
    for word in words {
        assert!(detail.iter().any(|line| line.as_str().unwrap().contains(word)), "`{word}`: {report:#}");
    }
}

/// Nothing is deployed, whatever the journal is asked, until a person says that he has looked.
#[track_caller]
fn waits_for_a_person(machine: &Machine) {
    let refused = machine.crmctl(&["deploy", "local"]).exits(10);
    refused.says(&["ended stuck", "crmctl rollback local", "crmctl resolve local --reason"]);
    let shown = machine.crmctl(&["report", "local"]).exits(0);
    shown.says(&["is stuck", "contact: oncall", "next: crmctl status local"]);
    assert_eq!(machine.status()["last_run"]["exit_code"], 21);
}

fn program(machine: &Machine, release: &str) -> PathBuf {
    machine.state().join("local/releases").join(release).join("crm-server")
}

#[test]
fn old_release_whose_program_is_gone_leaves_the_new_one_serving_and_both_are_described() {
    let machine = Machine::new();
    let old = good(&machine);
    let load = Load::start_light(machine.port, 20);
    found_leaking(&machine, || std::fs::remove_file(program(&machine, &old)).unwrap()).exits(21);
    let new = machine.serving();
    assert_ne!(new, old);
    let seen = load.stop();
    assert!(seen.failures.is_empty(), "whichever side serves keeps serving: {:#?}", seen.failures.first());
    let report = report(&machine);
    assert_eq!((&report["ending"], &report["exit_code"]), (&"stuck".into(), &21.into()));
    assert!(report["failure"]["message"].as_str().unwrap().contains("perf/memory_growth_mb"), "{report:#}");
    is_told(
        &report,
        &[
            &format!("taking it back failed: release {old} has no `"),
            &format!("release {new} has the public address and answers"),
            &format!("release {old} does not have the public address"),
            &format!("the last lines of {new}:"),
            &format!("the last lines of {old}:"),
            &format!("crmctl release unblock local {new}"),
        ],
    );
    waits_for_a_person(&machine);
    assert_eq!(machine.status()["next"], "crmctl resolve local --reason …");
    machine.crmctl(&["rollback", "local"]).exits(10).says(&["is no longer on the platform"]);

    machine.crmctl(&["resolve", "local", "--reason", "it leaks, and it serves"]).exits(0);
    assert_eq!(machine.serving(), new);
    machine.configure("crm-server", &[]);
    std::fs::remove_file(machine.checkout().join(".env.local")).unwrap();
    machine.commit("a mended change");
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
}

#[test]
fn old_release_that_cannot_start_again_is_described_with_the_cause_and_a_rollback_mends_it() {
    let machine = Machine::new();
    let old = good(&machine);
    let program = program(&machine, &old);
    let mode = |mode| std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
    found_leaking(&machine, || mode(0o644)).exits(21);
    assert_ne!(machine.serving(), old);
    is_told(&report(&machine), &["taking it back failed: cannot start `", "Permission denied"]);
    waits_for_a_person(&machine);
    assert_eq!(machine.status()["next"], "crmctl rollback local");
    mode(0o755);
    machine.crmctl(&["rollback", "local"]).exits(0);
    assert_eq!(machine.serving(), old);
}

#[test]
fn old_release_that_serves_again_and_fails_its_smoke_too_is_stuck() {
    let machine = Machine::new();
    let old = good(&machine);
    let dsn = machine.migrator_dsn();
    let tell = |statement: &'static str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut session = PgConnection::connect(&dsn).await.unwrap();
            sqlx::query(statement).execute(&mut session).await.unwrap();
            session.close().await.unwrap();
        });
    };
    let suspend = "UPDATE users SET status = 'suspended' WHERE email = 'test@staging.com'";
    found_leaking(&machine, || tell(suspend)).exits(21);
    assert_eq!(machine.serving(), old, "it was taken back all the same");
    let words = ["the release that serves again fails its smoke too", "smoke/login", "got 403"];
    is_told(&report(&machine), &words);
    waits_for_a_person(&machine);
    tell("UPDATE users SET status = 'active' WHERE email = 'test@staging.com'");
    machine.crmctl(&["smoke", "local"]).exits(0);
    machine.crmctl(&["resolve", "local", "--reason", "the account was suspended"]).exits(0);
}
