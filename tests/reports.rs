//! What stays of a run can be read: in the folder of `--report`, by `crmctl report`, in a browser, in CI.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::machine::{Machine, Said, secrets};
use crate::interruption::{good, signal, until_step};

const FILES: [&str; 4] = ["run.json", "junit.xml", "report.md", "report.html"];

/// Asserts that a file is JUnit XML as every reader takes it, and that its counts are true; gives its text.
#[track_caller]
pub(crate) fn junit(file: &Path) -> String {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema/junit.xsd");
    let output =
        Command::new("xmllint").args(["--noout", "--schema"]).args([&schema, file]).output().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let (suites, rest) = text.split_once("<testsuite ").unwrap();
    let counted = |element: &str| rest.matches(&format!("<{element} ")).count();
    for (attribute, count) in
        [("tests", counted("testcase")), ("failures", counted("failure")), ("errors", counted("error"))]
    {
        assert!(suites.contains(&format!("{attribute}=\"{count}\"")), "{attribute} is not {count}: {suites}");
    }
    text
}

fn json(file: &Path) -> Value {
    let document = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    crate::contract::fits("run", &document);
    document
}

#[track_caller]
fn folder_is_whole(folder: &Path) {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut wanted = FILES.to_vec();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    let page = std::fs::metadata(folder.join("report.html")).unwrap().len();
    assert!(page <= 500_000, "{page} bytes");
}

#[test]
fn a_run_is_reported_in_every_form_at_its_end_and_long_after() {
    let machine = Machine::new();
    good(&machine);
    machine.commit("Greet <everybody> & \"all\"");
    machine.crmctl(&["deploy", "local", "--report", "reports/one"]).exits(0);
    let folder = machine.checkout().join("reports/one");
    folder_is_whole(&folder);
    let xml = junit(&folder.join("junit.xml"));
    assert!(xml.contains("classname=\"dev.perf\""), "grouped by owner: {xml}");
    let run = json(&folder.join("run.json"));
    assert_eq!((&run["ending"], &run["exit_code"]), (&"deployed".into(), &0.into()));
    assert_eq!(run["changes"]["commits"][0]["subject"], "Greet <everybody> & \"all\"");
    assert_eq!(run["changes"]["configuration_changed"], false);
    assert!(run["loads"]["perf.load"]["series"].as_array().unwrap().len() >= 2);
    let id = run["run"].as_str().unwrap().to_owned();

    // Another run comes, and somebody asks for the earlier one.
    machine.crmctl(&["smoke", "local"]).exits(0);
    for (form, file) in [("junit", "junit.xml"), ("markdown", "report.md"), ("html", "report.html")] {
        let said = machine.crmctl(&["report", "local", &id, "--format", form]).exits(0);
        assert_eq!(said.out.trim(), std::fs::read_to_string(folder.join(file)).unwrap().trim(), "{form}");
        assert_eq!(said.err, "");
    }
    let again = machine.crmctl(&["report", &id, "--output", "json"]).exits(0).json();
    assert_eq!(again, run, "a run id says which environment is meant");
    machine.crmctl(&["report", "local", &id]).exits(0).says(&[
        "deployed",
        "brings: 1 commit",
        "perf.load",
        &id,
    ]);
    machine.crmctl(&["report", "last"]).exits(0).says(&["smoke of local done"]);
    machine.crmctl(&["report", "local"]).exits(0).says(&["smoke of local done"]);
    machine.crmctl(&["report", "local", "last", "--report", "reports/two"]).exits(0);
    folder_is_whole(&machine.checkout().join("reports/two"));

    // Its page and journal outlive the results that were kept.
    std::fs::remove_dir_all(machine.state().join("local/runs")).unwrap();
    let recalled = machine.crmctl(&["report", "local", &id, "--format", "json"]).exits(0).json();
    assert_eq!(recalled["phases"], run["phases"]);
    assert_eq!(recalled["changes"], run["changes"]);
    assert_eq!(recalled["loads"], serde_json::json!({}), "the journal holds no load");
}

#[test]
fn a_report_that_nobody_has_says_where_to_look() {
    let machine = Machine::new();
    machine.crmctl(&["report", "local"]).exits(10).says(&["no run of `local` yet", "crmctl deploy local"]);
    machine.crmctl(&["report", "last"]).exits(10).says(&["no run of any environment yet"]);
    machine.crmctl(&["preflight", "local"]).exits(0);
    let unknown = "20200101T000000Z-0000";
    machine.crmctl(&["report", "local", unknown]).exits(2).says(&["has no run", "crmctl history local"]);
    machine.crmctl(&["report", "local", "../../etc"]).exits(2).says(&["has no run"]);
    machine.crmctl(&["report", unknown]).exits(2).says(&["no environment has a run"]);
    machine.crmctl(&["report", "locl"]).exits(2).says(&["did you mean `local`?"]);
    machine.crmctl(&["report", "local", "--format", "pdf"]).exits(2).says(&["markdown"]);
    machine.crmctl(&["report", "local", "--format", "html", "--open"]).exits(2);
}

#[test]
fn a_failed_run_names_check_owner_contact_and_next_command_and_no_secret() {
    let machine = Machine::new();
    good(&machine);
    machine.configure("crm-server-faults", &[]);
    let key = "Zk3pQm81Lx-canary-Zk3pQm81Lx-canary";
    secrets(&machine, &format!("CRM_FAULT=login_broken\nJWT_SECRET={key}\n"));
    machine.commit(&format!("Use {key} for tokens"));
    machine.crmctl(&["deploy", "local", "--report", "reports"]).exits(20);
    let folder = machine.checkout().join("reports");
    folder_is_whole(&folder);
    let xml = junit(&folder.join("junit.xml"));
    assert!(xml.contains("<failure") && xml.contains("smoke/login") && xml.contains("not reached"), "{xml}");
    for file in ["report.md", "report.html"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for word in ["smoke/login", "@devlead", "@oncall 555-0200", "crmctl status local", "deploy.gate"] {
            assert!(text.contains(word), "{file} lacks `{word}`");
        }
    }
    let kept = machine.state().join("local/runs");
    for place in [&folder, &kept] {
        let found = Command::new("grep").args(["-rl", key]).arg(place).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a secret is in a report");
    }
    let owner_only = std::fs::metadata(kept.join(json(&folder.join("run.json"))["run"].as_str().unwrap()));
    assert_eq!(owner_only.unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_killed_run_is_reported_as_unfinished_and_its_resumption_shows_the_pause() {
    let machine = Machine::new();
    // The figures are not what this story is about.
    machine.configure(
        "crm-server",
        &[("require = [\"api_p95_ms\", \"database_p95_ms\", \"memory_growth_mb\"]", "require = []")],
    );
    good(&machine);
    machine.commit("change");
    let mut run = machine.start(&["deploy", "local", "--output", "json"]);
    until_step(&mut run, "smoke.run");
    machine.crmctl(&["report", "local"]).exits(0).says(&["is under way", "at work", "crmctl status local"]);
    signal(&run, "-KILL");
    run.wait().unwrap();
    let words = ["is unfinished", "its process is gone", "crmctl resume local", "crmctl rollback local"];
    machine.crmctl(&["report", "local"]).exits(0).says(&words).says(&["contact: oncall"]);
    machine.crmctl(&["report", "local", "--report", "reports"]).exits(0);
    assert!(junit(&machine.checkout().join("reports/junit.xml")).contains("is unfinished"));
    let page = std::fs::read_to_string(machine.checkout().join("reports/report.html")).unwrap();
    assert!(page.contains("crmctl resume local") && page.contains("crmctl rollback local"));
    machine.crmctl(&["resume", "local"]).exits(0);
    let result = machine.crmctl(&["report", "local", "--format", "json"]).exits(0).json();
    assert_eq!(result["ending"], "deployed");
    assert_eq!(result["pauses"].as_array().unwrap().len(), 1);
    let steps: Vec<&str> = result["phases"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|phase| {
            phase["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap())
        })
        .collect();
    assert!(steps.contains(&"preflight.source") && steps.contains(&"perf.load"), "both halves: {steps:?}");
    assert!(!result["loads"]["perf.load"].is_null());
}

#[test]
fn reports_that_cannot_be_written_change_no_ending() {
    let machine = Machine::new();
    good(&machine);
    let reports = machine.checkout().join("reports");
    std::fs::create_dir_all(reports.join("junit.xml")).unwrap();
    machine
        .crmctl(&["smoke", "local", "--report", "reports"])
        .exits(0)
        .says(&["junit.xml", "cannot be written"]);
    for file in ["run.json", "report.md", "report.html"] {
        assert!(reports.join(file).is_file(), "{file}");
    }
    machine.crmctl(&["smoke", "local", "--report", "/proc/nowhere"]).exits(0).says(&["cannot be written"]);
    let runs = machine.state().join("local/runs");
    std::fs::remove_dir_all(&runs).unwrap();
    std::fs::create_dir(&runs).unwrap();
    let last = machine.status()["last_run"]["run"].as_str().unwrap().to_owned();
    machine.crmctl(&["report", "local", &last]).exits(0).says(&["smoke of local done"]);
}

#[test]
fn a_refused_run_leaves_a_red_report_for_ci() {
    let machine = Machine::new();
    machine.crmctl(&["migrate", "local", "--report", "reports"]).exits(10);
    let folder = machine.checkout().join("reports");
    folder_is_whole(&folder);
    assert!(junit(&folder.join("junit.xml")).contains("<error"));
    assert!(std::fs::read_to_string(folder.join("report.md")).unwrap().contains("is not built"));
    machine.configure("crm-server", &[("retention = 3", "retention = 0")]);
    machine.crmctl(&["deploy", "local", "--report", "reports"]).exits(10);
    assert!(junit(&folder.join("junit.xml")).contains("`retention`"));
    machine.configure("crm-server", &[]);
}

#[test]
fn a_page_is_opened_by_the_program_that_the_person_names() {
    let machine = Machine::new();
    machine.crmctl(&["preflight", "local"]).exits(0);
    let seen = machine.checkout().join("seen");
    let browser = machine.checkout().join("browser");
    std::fs::write(&browser, format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", seen.display())).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = |browser: &str| -> Said {
        let mut command = machine.command(&["report", "local", "--open"]);
        command.env("BROWSER", browser).output().unwrap().into()
    };
    let said = open(&format!("/nowhere/browser:{}", browser.display())).exits(0);
    let page = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(said.out.trim(), page);
    assert!(std::fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
    open("/bin/false").exits(10).says(&["no browser could be opened", "report.html", "BROWSER"]);
}
