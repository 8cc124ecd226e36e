//! Can the engine be reached, is it a manager of a swarm, does its clock agree with ours, and has the environment its edge?

use std::time::Duration;

use bollard::models::SystemInfo;
use chrono::{DateTime, Utc};
use phases::engine::failure::CheckEvidence;

use super::Line;
use crate::error::chain;
use crate::platform::swarm::SwarmPlatform;

/// A clock further away than this makes times in reports nonsense, and certificates and tokens fail.
const SKEW: Duration = Duration::from_secs(5);

/// Engine, swarm, clock, edge: what comes later cannot be told without what comes first.
pub async fn ask(platform: &SwarmPlatform, environment: &str) -> Vec<CheckEvidence> {
    let line = Line::new("engine", "ops");
    let engine = platform.engine();
    let asked = Utc::now();
    let info = match engine.ask("tell what it is", |client| async move { client.info().await }).await {
        Ok(info) => info,
        Err(error) => return vec![line.failed("an engine that answers", chain(&error), error.hint())],
    };
    let version = info.server_version.clone().unwrap_or_default();
    let mut lines = vec![line.passed(format!("Docker {version} at {}", engine.address()))];
    lines.push(swarm(&info, environment));
    lines.extend(clock(&info, asked));
    lines.push(edge(platform, environment).await);
    lines
}

fn swarm(info: &SystemInfo, environment: &str) -> CheckEvidence {
    let line = Line::new("swarm", "ops");
    let swarm = info.swarm.as_ref();
    if swarm.and_then(|swarm| swarm.control_available) != Some(true) {
        let said = swarm
            .and_then(|swarm| swarm.local_node_state)
            .map_or("none".to_owned(), |state| state.to_string());
        let hint = format!("make it one: `crmctl provision {environment}`");
        return line.failed("a manager of a swarm", said, hint);
    }
    let nodes = swarm.and_then(|swarm| swarm.nodes).unwrap_or(1);
    line.passed(format!("manager, {nodes} {}", if nodes == 1 { "node" } else { "nodes" }))
}

fn clock(info: &SystemInfo, asked: DateTime<Utc>) -> Option<CheckEvidence> {
    let line = Line::new("clock", "ops");
    let theirs = DateTime::parse_from_rfc3339(info.system_time.as_deref()?).ok()?.with_timezone(&Utc);
    // It was read while we waited for the answer.
    let early = asked - theirs;
    let late = theirs - Utc::now();
    let apart = early.max(late).to_std().unwrap_or_default();
    let said = format!("{:.1} s apart", apart.as_secs_f64());
    Some(if apart <= SKEW {
        line.passed(said)
    } else {
        line.failed(
            format!("clocks at most {} s apart", SKEW.as_secs()),
            said,
            "synchronise both: `timedatectl set-ntp true`",
        )
    })
}

async fn edge(platform: &SwarmPlatform, environment: &str) -> CheckEvidence {
    let line = Line::new("edge", "ops");
    match platform.has_edge().await {
        Ok(true) => line.passed("there"),
        Ok(false) => line.failed(
            "an edge in front of the backend",
            "none",
            format!("run `crmctl provision {environment}`"),
        ),
        Err(error) => line.failed("an edge in front of the backend", chain(&error), error.hint()),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{LocalNodeState, SwarmInfo};
    use phases::engine::failure::CheckOutcome;

    use super::*;

    fn info(state: LocalNodeState, control: bool) -> SystemInfo {
        let swarm = SwarmInfo {
            local_node_state: Some(state),
            control_available: Some(control),
            nodes: Some(3),
            ..SwarmInfo::default()
        };
        SystemInfo { swarm: Some(swarm), ..SystemInfo::default() }
    }

    #[test]
    fn only_a_manager_will_do() {
        assert_eq!(swarm(&info(LocalNodeState::ACTIVE, true), "staging").outcome, CheckOutcome::Passed);
        for (state, control) in [(LocalNodeState::INACTIVE, false), (LocalNodeState::ACTIVE, false)] {
            let line = swarm(&info(state, control), "staging");
            assert_eq!(line.outcome, CheckOutcome::Failed);
            assert!(line.hint.unwrap().contains("crmctl provision staging"));
        }
        assert_eq!(swarm(&SystemInfo::default(), "staging").outcome, CheckOutcome::Failed);
    }

    #[test]
    fn a_clock_that_is_far_away_is_told() {
        let at = |offset: i64| SystemInfo {
            system_time: Some((Utc::now() + chrono::Duration::seconds(offset)).to_rfc3339()),
            ..SystemInfo::default()
        };
        let outcome = |offset| clock(&at(offset), Utc::now()).unwrap().outcome;
        assert_eq!(outcome(0), CheckOutcome::Passed);
        assert_eq!(outcome(60), CheckOutcome::Failed);
        assert_eq!(outcome(-60), CheckOutcome::Failed);
        assert!(clock(&SystemInfo::default(), Utc::now()).is_none());
    }
}
