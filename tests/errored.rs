//! What could not be checked proves nothing: it blocks no release, and the cause is named where it is.

use std::os::unix::fs::PermissionsExt;

use crate::harness::machine::Machine;
use crate::interruption::good;

#[test]
fn a_wrong_password_of_the_operator_blocks_no_release() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("a good change");
    machine.write_secrets("SMOKE_PASSWORD=not-that-one-9274\n", 0o600);
    let said = machine.crmctl(&["deploy", "local"]).exits(20);
    said.says(&["deploy.gate", "smoke/login", "the secret `SMOKE_PASSWORD`, is not accepted"]);
    assert_eq!(machine.serving(), old);
    assert_eq!(machine.status()["blocked"].as_array().unwrap().len(), 0);
    machine.crmctl(&["smoke", "local"]).exits(31).says(&["`SMOKE_PASSWORD`, is not accepted"]);
    machine.crmctl(&["perf", "local"]).exits(31).says(&["`SMOKE_PASSWORD`, is not accepted"]);

    // The mended password meets no locked door.
    machine.write_secrets("SMOKE_PASSWORD=test123\n", 0o600);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    assert_ne!(machine.serving(), old);
}

#[test]
fn a_check_that_cannot_run_after_the_switch_takes_it_back_and_blocks_nothing() {
    let machine = Machine::new();
    let old = good(&machine);
    let suite = machine.checkout().join("config/suites/strange.toml");
    let text = "schema = 1\n[session.ceo]\nemail = \"test@staging.com\"\npassword_key = \"NOBODY_HAS_IT\"\n\
                [http.login]\nmethod = \"POST\"\npath = \"/auth/login\"\nexpect = [\"status == 200\"]\n\
                json = { email = \"{{ceo.email}}\", password = \"{{ceo.password}}\" }\n\
                capture = { token = \"$.access_token\" }\n";
    std::fs::write(suite, text).unwrap();
    let other = ("suite = \"smoke\"\ngate", "suite = \"strange\"\ngate");
    machine.configure(
        "crm-server",
        &[other, ("[database]", "[backend.env]\nENABLE_SCHEDULED_TASKS = \"false\"\n\n[database]")],
    );
    machine.commit("a suite that cannot run");
    let said = machine.crmctl(&["deploy", "local"]).exits(20);
    said.says(&["smoke.run", "the secret `NOBODY_HAS_IT` is not set"]);
    assert_eq!(machine.serving(), old);
    let status = machine.status();
    assert_eq!(status["last_run"]["ending"], "rolled_back");
    assert_eq!(status["blocked"].as_array().unwrap().len(), 0);
}

#[test]
fn a_rollback_with_a_broken_secrets_file_goes_back_and_names_the_mistake() {
    let machine = Machine::new();
    machine.write_secrets("SMOKE_PASSWORD=test123\n", 0o600);
    let first = good(&machine);
    machine.commit("second");
    let second = good(&machine);
    assert_ne!(first, second);
    machine.write_secrets("SMOKE_PASSWORD=test123\nREDIS_HOST=r\nREDIS_PASSWORD=short\n", 0o600);
    let said = machine.crmctl(&["rollback", "local"]).exits(31);
    said.says(&["rolled back local", ".env.local:3: `REDIS_PASSWORD` is weak", "crmctl preflight local"]);
    assert_eq!(machine.serving(), first);
    // What needs no password is checked all the same.
    let checks = machine.crmctl(&["report", "local"]).exits(0);
    checks.says(&["checks of ops (@opslead): 3 passed", "`SMOKE_PASSWORD` is not set"]);

    let file = machine.checkout().join(".env.local");
    std::fs::write(&file, "SMOKE_PASSWORD=test123\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    machine.crmctl(&["rollback", "local", "--to", &second]).exits(31).says(&["can be read by others"]);
    assert_eq!(machine.serving(), second);
    machine.write_secrets("SMOKE_PASSWORD=test123\n", 0o600);
    machine.crmctl(&["rollback", "local", "--to", &first]).exits(0);
}
