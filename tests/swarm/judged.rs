//! Releases that are no good, deployed to a swarm while users ask: what the gate can see never gets a request, and what shows
//! itself later is taken back by the same run.

use crate::harness::client::Load;
use crate::harness::staging::Staging;

/// The server that can break on purpose.
const BREAKABLE: (&str, &str) = ("artifacts/crm-server\"", "artifacts/crm-server-faults\"");
const WITHOUT_PERF: [&str; 5] = ["--yes", "--skip", "perf", "--reason", "not this story"];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gate_sees_never_gets_a_request() {
    let staging = Staging::with(&[BREAKABLE, ("[backend]", "[backend]\nready_deadline_seconds = 15")]).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let good = staging.answering().await.unwrap();
    let load = Load::start_light(staging.port, 50);
    for (fault, named) in [
        ("http_500", "smoke/"),
        ("login_broken", "smoke/login"),
        ("never_ready", "was not ready after 15 s"),
        ("exit", "ended before it was ready"),
    ] {
        staging.give("CRM_FAULT", Some(fault));
        let said = staging.crmctl("deploy", &WITHOUT_PERF).exits(20).says(&[named]);
        assert_eq!(staging.answering().await.as_ref(), Some(&good), "{fault}: {}", said.out);
        let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
        assert_eq!(status["drift"].as_array().unwrap().len(), 0, "{fault}: {status}");
        staging.crmctl("deploy", &WITHOUT_PERF).exits(10).says(&["blocked"]);
    }
    let seen = load.stop();
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(seen.releases.keys().collect::<Vec<_>>(), [&good], "somebody met a release on trial");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_the_switch_is_taken_back() {
    let staging = Staging::with(&[BREAKABLE]).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let good = staging.answering().await.unwrap();
    staging.give("CRM_FAULT", Some("late_crash"));
    let said = staging.crmctl("deploy", &["--yes"]).exits(20);
    assert_eq!(staging.answering().await.as_ref(), Some(&good), "{}", said.out);
    let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
    assert_eq!(status["serving"]["id"], good.as_str());
    assert_eq!(status["blocked"].as_array().unwrap().len(), 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_another_tool_is_named_and_overwritten_on_a_word_only() {
    let staging = Staging::new().await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let service = staging.service();
    staging.docker(&["service", "update", "--quiet", "--env-add", "LOG_LEVEL=DEBUG", &service]).exits(0);
    let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
    let drift = status["drift"][0].as_str().unwrap();
    assert!(drift.contains(&service) && drift.contains("variables"), "{drift}");
    staging.commit("next");
    staging.crmctl("deploy", &WITHOUT_PERF).exits(10).says(&["changed by somebody else", "--adopt"]);
    let mut adopting = WITHOUT_PERF.to_vec();
    adopting.push("--adopt");
    staging.crmctl("deploy", &adopting).exits(0);
    let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
    assert_eq!(status["drift"].as_array().unwrap().len(), 0, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_on_one_engine_never_meet() {
    let (one, other) = (Staging::new().await, Staging::new().await);
    for staging in [&one, &other] {
        staging.crmctl("provision", &["--yes"]).exits(0);
        staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    }
    let left = other.answering().await;
    assert!(left.is_some());
    one.commit("second");
    one.crmctl("deploy", &WITHOUT_PERF).exits(0);
    one.crmctl("rollback", &["--yes"]).exits(0);
    one.crmctl("down", &["--yes"]).exits(0);
    assert_eq!((one.answering().await, other.answering().await), (None, left));
}
