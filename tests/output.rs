//! What people see: plain lines in a pipe, the runbook's own smoke script, help that names everything.

use std::process::Command;

use crate::harness::machine::Machine;

/// Section 6.1 of the manual plan, pointed at this machine.
const RUNBOOK_SMOKE: &str = r#"
set -e
curl -f "$BASE/health" || exit 1
curl -f "$BASE/scheduled-tasks/health" || exit 1
LOGIN_RESPONSE=$(curl -s -X POST "$BASE/auth/login" -H "Content-Type: application/json" \
  -d '{"email":"test@staging.com","password":"test123"}')
TOKEN=$(echo $LOGIN_RESPONSE | jq -r '.access_token')
if [ "$TOKEN" = "null" ]; then exit 1; fi
curl -f -H "Authorization: Bearer $TOKEN" "$BASE/admin/core/sellers/dashboard/overview?tenant_id=1" || exit 1
curl -f -H "Authorization: Bearer $TOKEN" "$BASE/notifications/count" || exit 1
curl -f -H "Authorization: Bearer $TOKEN" "$BASE/crm/meta/leads?tenant_id=1" || exit 1
echo "ALL SMOKE TESTS PASSED"
"#;

#[test]
fn the_runbooks_smoke_script_passes_after_a_deploy_and_a_pipe_gets_plain_lines() {
    let machine = Machine::new();
    let said = machine.crmctl(&["deploy", "local"]).exits(0);
    let lines = [
        "✓ preflight",
        "✓ build",
        "✓ migrate",
        "✓ deploy",
        "✓ smoke",
        "✓ perf",
        "perf/api_p95_ms",
        "address: http",
    ];
    let said = said.says(&lines);
    assert!(!said.out.contains('\u{1b}'), "colours or bars in a pipe");
    let script =
        Command::new("bash").args(["-c", RUNBOOK_SMOKE]).env("BASE", machine.url("")).output().unwrap();
    let out = String::from_utf8_lossy(&script.stdout);
    assert!(script.status.success() && out.contains("ALL SMOKE TESTS PASSED"), "{out}");
    let page = Command::new("curl").args(["-sf", &machine.url("/")]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&page.stdout).contains("/openapi.json"),
        "the page links to the API document"
    );
    machine.crmctl(&["logs", "local", "-n", "5"]).exits(0);
    machine.crmctl(&["down", "local"]).exits(0);
    assert_eq!(machine.status()["next"], "crmctl deploy local");
    machine.crmctl(&["deploy", "local"]).exits(0);
}

#[test]
fn a_closed_stdout_does_not_stop_a_run() {
    let machine = Machine::new();
    let mut command = machine.start(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]);
    drop(command.stdout.take());
    drop(command.stderr.take());
    assert_eq!(command.wait().unwrap().code(), Some(0));
    assert_ne!(machine.serving(), "nothing");
}

#[test]
fn phases_run_alone_and_in_part() {
    let machine = Machine::new();
    machine.crmctl(&["preflight", "local"]).exits(0).says(&["preflight/migrations", "dev"]);
    machine.crmctl(&["migrate", "local"]).exits(10).says(&["is not built", "crmctl build local"]);
    machine.crmctl(&["smoke", "local"]).exits(10).says(&["nothing serves", "crmctl deploy local"]);
    machine.crmctl(&["build", "local"]).exits(0);
    machine.crmctl(&["migrate", "local"]).exits(0);
    machine.crmctl(&["deploy", "local", "--only", "deploy"]).exits(0);
    machine.crmctl(&["smoke", "local", "--report", "reports/one"]).exits(0);
    let report = std::fs::read_to_string(machine.checkout().join("reports/one/run.json")).unwrap();
    assert!(report.contains("\"ending\": \"done\""), "{report}");
    machine.crmctl(&["smoke", "local", "--report", "/proc/nowhere"]).exits(0).says(&["cannot be written"]);
    machine.crmctl(&["perf", "local"]).exits(0).says(&["perf/api_p95_ms", "perf/database_p95_ms"]);
    machine.crmctl(&["deploy", "local", "--from", "smoke"]).exits(0);
    let events =
        machine.crmctl(&["deploy", "local", "--from", "smoke", "--output", "json"]).exits(0).events();
    let phases = events.last().unwrap()["phases"].as_array().unwrap().clone();
    assert_eq!(phases[0]["status"], "not_run");
}

#[test]
fn a_port_is_chosen_once_and_kept_until_the_environment_is_down() {
    let machine = Machine::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let skip = ["--skip", "perf", "--reason", "not this story"];
    let deploy = [&["deploy", "local", "--port", &free][..], &skip].concat();
    machine.crmctl(&deploy).exits(0).says(&[&format!("address: http://127.0.0.1:{free}")]);
    machine.crmctl(&["smoke", "local"]).exits(0);
    let other = machine.port.to_string();
    machine.crmctl(&["deploy", "local", "--port", &other]).exits(10).says(&["already", "crmctl down local"]);
    machine.crmctl(&["smoke", "local"]).exits(0);
}

#[test]
fn a_person_can_block_a_release_and_free_it_again() {
    let machine = Machine::new();
    let skip = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];
    machine.crmctl(&skip).exits(0);
    let first = machine.serving();
    machine.commit("change");
    machine.crmctl(&skip).exits(0);
    machine.crmctl(&["release", "block", "local", &first, "--reason", "leaks"]).exits(0);
    machine.crmctl(&["rollback", "local"]).exits(10).says(&["there is no release to go back to"]);
    machine.crmctl(&["release", "unblock", "local", &first]).exits(0);
    machine.crmctl(&["release", "block", "local", "0123456789ab.01234567", "--reason", "x"]).exits(10);
    machine.crmctl(&["resolve", "local", "--reason", "looked"]).exits(10).says(&["is not stuck"]);
    machine.crmctl(&["rollback", "local", "--to", &first]).exits(0);
    assert_eq!(machine.serving(), first);
}

#[test]
fn help_works_anywhere_and_names_the_exit_codes() {
    let output = Command::new(env!("CARGO_BIN_EXE_crmctl")).arg("--help").current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Exit codes:") && text.contains("rollback"), "{text}");
    assert!(!text.contains("supervise"), "a hidden verb is shown");
}

#[test]
fn a_log_that_cannot_be_written_changes_nothing() {
    let machine = Machine::new();
    let arguments = ["migrate", "status", "--dir", "backend/migrations", "--dsn-env", "NOWHERE"];
    let mut command = machine.command(&arguments);
    command.env("NOWHERE", "postgresql://nobody@127.0.0.1:1/none").env("CRMCTL_LOG", "trace");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let said = command.stderr(full).output().unwrap();
    assert_eq!(said.status.code(), Some(10), "it died of its own log");
}
