//! Going back from the engine alone, and going on after a kill: whatever else is away, what the engine keeps is enough.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::harness::client::Load;
use crate::harness::engine::until_service;
use crate::harness::staging::Staging;

const WITHOUT_PERF: [&str; 5] = ["--yes", "--skip", "perf", "--reason", "not this story"];

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_needs_the_engine_and_nothing_else() {
    let mut staging = Staging::new().await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let first = staging.answering().await.unwrap();
    staging.commit("second");
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    // What was built here is gone, the cache is dead, and crmctl finds no database.
    std::fs::remove_dir_all(staging.machine.state().join(&staging.name).join("releases")).unwrap();
    staging.end_redis();
    let nowhere = "postgresql://crm_migrator:0f1e2d3c4b5a@127.0.0.1:1/crm";
    staging.give("POSTGRES_MIGRATOR_DSN", Some(nowhere));
    let load = Load::start_light(staging.port, 50);
    // It goes back, and the smoke that follows says what is wrong with the world.
    staging.crmctl("rollback", &["--yes"]).exits(30).says(&["rollback.shift", "smoke/health", "degraded"]);
    let seen = load.stop();
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(staging.answering().await.as_ref(), Some(&first));
    staging.crmctl("history", &[]).exits(0).says(&["rollback"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_secrets_keeps_nobody_from_going_back() {
    let staging = Staging::new().await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let first = staging.answering().await.unwrap();
    staging.commit("second");
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    staging.give("JWT_SECRET", Some("short"));
    staging.crmctl("deploy", &WITHOUT_PERF).exits(10).says(&["`JWT_SECRET` is weak"]);
    // Nobody knows the password of the smoke suite then, so nothing can be said of what one has gone back to.
    let said = staging.crmctl("rollback", &["--yes"]).says(&["serves again", "`JWT_SECRET` is weak"]);
    assert!(said.code == 30 || said.code == 31, "{}", said.code);
    assert_eq!(staging.answering().await, Some(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_was_killed_in_its_switch_is_resumed() {
    let staging = Staging::new().await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let first = staging.answering().await.unwrap();
    staging.commit("second");
    let load = Load::start_light(staging.port, 50);
    killed_at(&staging, "deploy.shift").await;
    let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
    assert!(status["next"].as_str().unwrap().contains("resume"), "{status}");
    staging.crmctl("resume", &["--yes"]).exits(0);
    let second = staging.answering().await.unwrap();
    assert_ne!(first, second);
    staging.commit("third");
    killed_at(&staging, "deploy.shift").await;
    staging.crmctl("rollback", &["--yes"]).exits(0);
    assert_eq!(staging.answering().await.as_ref(), Some(&second), "the unfinished run is taken back");
    let seen = load.stop();
    assert_eq!(seen.failures, Vec::<String>::new());
}

/// Deploys and kills it when the step has begun and the engine has heard of it.
async fn killed_at(staging: &Staging, step: &str) {
    const LABEL: &str = "{{index .Spec.Labels \"crm.release\"}}";
    let before = staging.answering().await.unwrap();
    let mut arguments = vec!["deploy", staging.name.as_str(), "--output", "json"];
    arguments.extend(WITHOUT_PERF);
    let mut command = staging.machine.command(&arguments);
    let complaints = tempfile::NamedTempFile::new().unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(complaints.reopen().unwrap()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut reached, mut last) = (false, String::new());
    for line in lines.map_while(Result::ok) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "step.started" && event["step"] == step {
            reached = true;
            until_service(&staging.service(), LABEL, |release| release != before).await;
            child.kill().unwrap();
            break;
        }
        last = line;
    }
    child.wait().unwrap();
    let said = std::fs::read_to_string(complaints.path()).unwrap();
    assert!(reached, "the deploy never came to `{step}`: {said}\n{last}");
}
