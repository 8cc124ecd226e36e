//! Images by way of a registry: pushed with a login, pinned by digest; and every way in which a registry says no.

use crate::harness::registry::{PASSWORD, Registry, USER};
use crate::harness::staging::Staging;

const WITHOUT_PERF: [&str; 5] = ["--yes", "--skip", "perf", "--reason", "not this story"];

async fn staging(registry: &Registry) -> Staging {
    let table = format!("[registry]\nrepository = \"{}/team/crm\"\n[limits]", registry.host);
    let staging = Staging::with(&[("[limits]", &table)]).await;
    staging.give("REGISTRY_USER", Some(USER));
    staging.give("REGISTRY_PASSWORD", Some(PASSWORD));
    staging
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_pinned_by_the_digest_of_the_registry() {
    let mut registry = Registry::start();
    let staging = staging(&registry).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    let first = staging.answering().await.unwrap();
    let format = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
    let image = staging.docker(&["service", "inspect", "--format", format, &staging.service()]).exits(0).out;
    let pinned = format!("{}/team/crm@sha256:", registry.host);
    assert!(image.starts_with(&pinned), "{image}");

    // Another machine has the image from the registry alone.
    staging.commit("second");
    let state = staging.machine.state().join(&staging.name);
    staging.crmctl("build", &[]).exits(0).says(&["packed"]);
    staging.crmctl("build", &[]).exits(0).says(&["already built"]);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);

    registry.stop();
    std::fs::remove_dir_all(state.join("releases")).unwrap();
    staging.crmctl("rollback", &["--yes"]).exits(0);
    assert_eq!(staging.answering().await, Some(first), "going back needs no registry");
    staging.crmctl("preflight", &[]).exits(10).says(&["preflight/registry"]);
}

/// One job builds and another one deploys the same bytes.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_machine_built_another_deploys() {
    let registry = Registry::start();
    let staging = staging(&registry).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("deploy", &WITHOUT_PERF).exits(0);
    staging.commit("second");
    staging.crmctl("build", &[]).exits(0);
    let state = staging.machine.state();
    let of = |release: &str| state.join(&staging.name).join("releases").join(release).join("release.json");
    let plan = staging.crmctl("plan", &["--output", "json"]).exits(0).json();
    let release = plan["release"]["id"].as_str().unwrap().to_owned();
    let built: serde_json::Value = serde_json::from_slice(&std::fs::read(of(&release)).unwrap()).unwrap();
    let handed = state.with_file_name("release.json");
    std::fs::copy(of(&release), &handed).unwrap();
    // The other machine has never built anything.
    std::fs::remove_dir_all(state.join(&staging.name).join("releases")).unwrap();
    let path = handed.to_string_lossy().into_owned();
    let mut arguments = vec!["--release", path.as_str()];
    arguments.extend(WITHOUT_PERF);
    staging.crmctl("deploy", &arguments).exits(0).says(&["already built"]);
    assert_eq!(staging.answering().await, Some(release));
    let format = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
    let image = staging.docker(&["service", "inspect", "--format", format, &staging.service()]).exits(0).out;
    assert_eq!(image.trim(), built["image"].as_str().unwrap());
    staging.commit("third");
    staging.crmctl("deploy", &arguments).exits(10).says(&["this checkout gives", "check commit"]);
    std::fs::write(&handed, "{}").unwrap();
    staging.crmctl("deploy", &arguments).exits(10).says(&["is no release.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_says_no_is_told_with_what_to_do() {
    let registry = Registry::start();
    let staging = staging(&registry).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.give("REGISTRY_PASSWORD", Some("another-password"));
    staging.crmctl("preflight", &[]).exits(10).says(&["preflight/registry", "`REGISTRY_PASSWORD`"]);
    staging.crmctl("build", &[]).exits(20).says(&["`REGISTRY_PASSWORD`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_nobody_vouches_for_is_told_with_what_to_do() {
    let registry = Registry::unknown();
    let staging = staging(&registry).await;
    staging.crmctl("provision", &["--yes"]).exits(0);
    staging.crmctl("preflight", &[]).exits(10).says(&["preflight/registry", "certs.d"]);
}
