//! `crmctl` on a swarm, as an operator types it: provision, deploy, again without an effect, a new commit, back, down.

use crate::harness::staging::Staging;

/// The whole life of an environment.
#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_provisioned_deployed_and_rolled_back() {
    let staging = Staging::new().await;
    staging.crmctl("preflight", &[]).exits(10).says(&["crmctl provision"]);
    staging.crmctl("provision", &["--plan"]).exits(0).says(&["missing", "database", "edge"]);
    staging.crmctl("provision", &[]).exits(10).says(&["not confirmed"]);
    staging.crmctl("provision", &["--yes"]).exits(0).says(&["made"]);
    let again = staging.crmctl("provision", &["--yes", "--output", "json"]).exits(0).json();
    assert!(again["things"].as_array().unwrap().iter().all(|thing| thing["state"] == "there"), "{again}");

    staging.crmctl("deploy", &["--yes"]).exits(0);
    let first = staging.answering().await.unwrap();
    let status = staging.crmctl("status", &["--output", "json"]).exits(0).json();
    assert_eq!(status["serving"]["id"], first.as_str());
    assert_eq!(status["serving"]["state"], "good");
    assert_eq!(status["drift"].as_array().unwrap().len(), 0, "{status}");

    let plan = staging.crmctl("plan", &["--output", "json"]).exits(0).json();
    let effects = ["build", "migrate", "deploy"].map(|phase| {
        let phases = plan["phases"].as_array().unwrap();
        phases.iter().find(|one| one["phase"] == phase).unwrap()["intent"]["is"].clone()
    });
    assert!(effects.iter().all(|is| is == "unchanged"), "{plan}");
    staging.crmctl("deploy", &["--yes"]).exits(0);
    assert_eq!(staging.answering().await.as_ref(), Some(&first));

    staging.commit("second");
    staging.crmctl("deploy", &["--yes", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let second = staging.answering().await.unwrap();
    assert_ne!(first, second);
    staging.crmctl("logs", &["-n", "500"]).exits(0).says(&[first.as_str(), second.as_str()]);
    staging.crmctl("doctor", &[]).exits(0).says(&["doctor/engine", "doctor/edge", first.as_str()]);

    staging.crmctl("rollback", &["--yes"]).exits(0);
    assert_eq!(staging.answering().await.as_ref(), Some(&first));
    staging.crmctl("history", &[]).exits(0).says(&["rollback", "deploy"]);

    staging.crmctl("down", &[]).exits(10).says(&["not confirmed"]);
    staging.crmctl("down", &["--yes"]).exits(0);
    assert_eq!(staging.answering().await, None);
}
