//! What somebody else has changed on the service that serves: the service as the engine has it beside the one its record makes.
//! Pure.

use std::collections::BTreeSet;

use bollard::models::{ServiceSpec, TaskSpecContainerSpec};

/// What differs, in words for people; nothing when all is as crmctl left it. The engine writes networks and defaults its own way,
/// so only what a person would change is looked at.
pub(super) fn differences(found: &ServiceSpec, wanted: &ServiceSpec) -> Vec<&'static str> {
    let (one, other) = (container(found), container(wanted));
    let looks = [
        ("image", one.image == other.image),
        ("variables", set(one.env.as_ref()) == set(other.env.as_ref())),
        ("command", list(one.command.as_ref()) == list(other.command.as_ref())),
        ("arguments", list(one.args.as_ref()) == list(other.args.as_ref())),
        ("user", one.user == other.user),
        ("secrets", secrets(&one) == secrets(&other)),
        ("mounts", mounts(&one) == mounts(&other)),
        ("number of tasks", replicas(found) == replicas(wanted)),
        ("limits", limits(found) == limits(wanted)),
        ("published ports", ports(found) == ports(wanted)),
    ];
    looks.into_iter().filter(|(_, is_same)| !is_same).map(|(what, _)| what).collect()
}

fn container(spec: &ServiceSpec) -> TaskSpecContainerSpec {
    spec.task_template.as_ref().and_then(|task| task.container_spec.clone()).unwrap_or_default()
}

fn list(all: Option<&Vec<String>>) -> &[String] {
    all.map(Vec::as_slice).unwrap_or_default()
}

fn set(all: Option<&Vec<String>>) -> BTreeSet<&String> {
    list(all).iter().collect()
}

fn secrets(container: &TaskSpecContainerSpec) -> BTreeSet<Option<String>> {
    container.secrets.iter().flatten().map(|secret| secret.secret_name.clone()).collect()
}

fn mounts(container: &TaskSpecContainerSpec) -> BTreeSet<Option<String>> {
    container.mounts.iter().flatten().map(|mount| mount.target.clone()).collect()
}

fn replicas(spec: &ServiceSpec) -> Option<i64> {
    spec.mode.as_ref()?.replicated.as_ref()?.replicas
}

fn limits(spec: &ServiceSpec) -> Option<(Option<i64>, Option<i64>)> {
    let limits = spec.task_template.as_ref()?.resources.as_ref()?.limits.as_ref()?;
    Some((limits.memory_bytes, limits.nano_cpus))
}

fn ports(spec: &ServiceSpec) -> usize {
    spec.endpoint_spec.as_ref().and_then(|endpoint| endpoint.ports.as_ref()).map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use bollard::models::{
        EndpointPortConfig, EndpointSpec, ServiceSpecMode, ServiceSpecModeReplicated, TaskSpec,
    };

    use super::*;

    fn spec(change: impl FnOnce(&mut ServiceSpec, &mut TaskSpecContainerSpec)) -> ServiceSpec {
        let mut spec = ServiceSpec {
            mode: Some(ServiceSpecMode {
                replicated: Some(ServiceSpecModeReplicated { replicas: Some(2) }),
                ..ServiceSpecMode::default()
            }),
            ..ServiceSpec::default()
        };
        let mut container = TaskSpecContainerSpec {
            image: Some("crm@sha256:1".to_owned()),
            env: Some(vec!["A=1".to_owned(), "B=2".to_owned()]),
            ..TaskSpecContainerSpec::default()
        };
        change(&mut spec, &mut container);
        spec.task_template = Some(TaskSpec { container_spec: Some(container), ..TaskSpec::default() });
        spec
    }

    #[test]
    fn every_change_of_another_tool_has_its_word() {
        let wanted = spec(|_, _| {});
        let of = |found: &ServiceSpec| differences(found, &wanted);
        assert!(of(&wanted).is_empty());
        let sorted = spec(|_, container| container.env.as_mut().unwrap().reverse());
        assert!(of(&sorted).is_empty(), "order says nothing");
        let empty = spec(|_, container| container.args = Some(Vec::new()));
        assert!(of(&empty).is_empty(), "an empty list is none");
        assert_eq!(of(&spec(|_, container| container.image = Some("crm:latest".to_owned()))), ["image"]);
        assert_eq!(
            of(&spec(|_, container| container.env.as_mut().unwrap().push("C=3".to_owned()))),
            ["variables"]
        );
        let scaled = spec(|spec, _| {
            spec.mode.as_mut().unwrap().replicated = Some(ServiceSpecModeReplicated { replicas: Some(5) });
        });
        assert_eq!(of(&scaled), ["number of tasks"]);
        let published = spec(|spec, _| {
            let ports = Some(vec![EndpointPortConfig::default()]);
            spec.endpoint_spec = Some(EndpointSpec { ports, ..EndpointSpec::default() });
        });
        assert_eq!(of(&published), ["published ports"]);
    }
}
