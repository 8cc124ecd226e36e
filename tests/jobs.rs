//! Background jobs: switched off, started without a proxy, and somebody who may start them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::harness::machine::{Machine, Said};

const DEPLOY: [&str; 6] = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];

fn jobs_off(machine: &Machine) {
    let file = machine.checkout().join(".env.local");
    std::fs::write(&file, "ENABLE_SCHEDULED_TASKS=false\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn an_environment_without_jobs_is_deployed_and_none_is_started() {
    let machine = Machine::new();
    jobs_off(&machine);
    let events = machine.crmctl(&[&DEPLOY[..], &["--output", "json"]].concat()).exits(0).events();
    assert!(events.iter().all(|event| event["step"] != "deploy.jobs"), "{events:?}");
    machine.crmctl(&DEPLOY).exits(0);
    machine.commit("change");
    machine.crmctl(&DEPLOY).exits(0);
}

#[test]
fn a_proxy_of_the_process_environment_never_sees_the_password_nor_a_chats_address() {
    let machine = Machine::new();
    machine.notify("CHAT");
    machine.write_secrets("CHAT=http://127.0.0.1:1/s3cret\n", 0o600);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut command = machine.command(&DEPLOY);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, &address);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    Said::from(command.output().unwrap()).exits(0);
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

#[test]
fn a_suite_without_the_account_that_starts_jobs_is_refused_before_anything_begins() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    let good = machine.serving();
    let bare = "schema = 1\n[http.health]\npath = \"/health\"\nexpect = [\"status == 200\"]\n";
    std::fs::write(machine.checkout().join("config/suites/bare.toml"), bare).unwrap();
    machine.configure("crm-server", &[("suite = \"smoke\"\ngate", "suite = \"bare\"\ngate")]);
    machine.commit("a suite that logs nobody in");
    machine.crmctl(&["preflight", "local"]).exits(10).says(&["preflight/jobs", "[session.ceo]"]);
    for skip in ["perf", "preflight,perf"] {
        let said = machine.crmctl(&["deploy", "local", "--skip", skip, "--reason", "not this story"]);
        said.exits(10).says(&["[session.ceo]", "ENABLE_SCHEDULED_TASKS=false"]);
        assert_eq!(machine.serving(), good);
    }
    jobs_off(&machine);
    machine.crmctl(&DEPLOY).exits(0);
    assert_ne!(machine.serving(), good);
}
