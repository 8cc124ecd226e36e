//! What a release's service looks like.

use super::super::record::Limits;
use super::*;
use crate::release_directory::ReleaseFile;

fn record() -> ReleaseRecord {
    ReleaseRecord {
        schema: 1,
        release: "0123456789ab.01234567".parse().unwrap(),
        image: "registry.example:5000/crm@sha256:00".to_owned(),
        file: ReleaseFile {
            schema: 1,
            id: "0123456789ab.01234567".to_owned(),
            commit: "01".repeat(20),
            dirty: false,
            inputs: "sha256:00".to_owned(),
            digest: "sha256:00".to_owned(),
            needs_schema: 18,
            migrations: Vec::new(),
            image: None,
        },
        variables: BTreeMap::from([("LOG_LEVEL".to_owned(), "INFO".to_owned())]),
        secrets: BTreeMap::from([("JWT_SECRET".to_owned(), "crm-e-JWT_SECRET-00".to_owned())]),
        replicas: 2,
        limits: Limits::default(),
        drain_seconds: 10,
    }
}

fn spec(kind: Kind, ids: &[(&str, &str)]) -> Result<ServiceSpec, Failure> {
    let ids = ids.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect();
    let wanted = Wanted { kind, record: &record(), token: 7, previous: None, pace: Pace::Careful };
    wanted.spec(&Names::new("e"), &ids)
}

fn container(spec: ServiceSpec) -> TaskSpecContainerSpec {
    spec.task_template.unwrap().container_spec.unwrap()
}

#[test]
fn no_value_of_a_secret_is_in_a_variable() {
    let container = container(spec(Kind::Backend, &[("crm-e-JWT_SECRET-00", "id")]).unwrap());
    let environment = container.env.unwrap();
    assert!(environment.contains(&"JWT_SECRET_FILE=/run/secrets/JWT_SECRET".to_owned()), "{environment:?}");
    assert!(environment.contains(&"LOG_LEVEL=INFO".to_owned()));
    let file = container.secrets.unwrap().remove(0).file.unwrap();
    assert_eq!((file.uid.as_deref(), file.mode), (Some("65532"), Some(0o400)));
}

#[test]
fn a_task_has_no_rights_that_it_does_not_need() {
    let spec = spec(Kind::Backend, &[("crm-e-JWT_SECRET-00", "id")]).unwrap();
    let limits = spec.task_template.clone().unwrap().resources.unwrap().limits.unwrap();
    assert_eq!((limits.memory_bytes, limits.pids), (Some(512 * 1024 * 1024), Some(512)));
    let container = container(spec);
    assert_eq!(container.user.as_deref(), Some("65532:65532"));
    assert_eq!(container.read_only, Some(true));
    assert_eq!(container.capability_drop, Some(vec!["ALL".to_owned()]));
}

#[test]
fn a_candidate_is_one_task_without_jobs_that_is_not_started_again() {
    let spec = spec(Kind::Candidate, &[("crm-e-JWT_SECRET-00", "id")]).unwrap();
    assert_eq!(spec.mode.clone().unwrap().replicated.unwrap().replicas, Some(1));
    let policy = spec.task_template.clone().unwrap().restart_policy.unwrap();
    assert_eq!(policy.condition, Some(TaskSpecRestartPolicyConditionEnum::NONE));
    assert!(container(spec).env.unwrap().contains(&"ENABLE_SCHEDULED_TASKS=false".to_owned()));
}

#[test]
fn a_secret_that_is_gone_is_named() {
    let failure = spec(Kind::Backend, &[]).unwrap_err();
    assert!(failure.message.contains("`crm-e-JWT_SECRET-00`"), "{failure:?}");
    assert!(failure.hint.is_some());
}

#[test]
fn each_new_task_is_watched_for_longer_than_a_sick_one_lives() {
    const { assert!(MONITOR > health::FOUND_SICK.as_secs().cast_signed() * SECOND) };
}

#[test]
fn a_task_may_end_its_longest_request_before_it_is_killed() {
    let mut record = record();
    assert_eq!(grace(&record).as_secs(), 10 + 30 + 5, "the backend's own limit");
    record.variables.insert("REQUEST_TIMEOUT_SECONDS".to_owned(), "120".to_owned());
    assert_eq!(grace(&record).as_secs(), 10 + 120 + 5);
    record.variables.insert("REQUEST_TIMEOUT_SECONDS".to_owned(), "soon".to_owned());
    assert_eq!(grace(&record).as_secs(), 10 + 30 + 5, "the backend refuses it by itself");
}
