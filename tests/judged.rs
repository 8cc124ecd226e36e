//! Every way in which a release can break: stopped before it has traffic where that can be seen, else taken back by
//! the same run. The report names the check, the release is blocked until a person frees it.

use serde_json::Value;

use crate::harness::client::{Load, Seen};
use crate::harness::machine::{Machine, Said, eventually};
use crate::reports::junit;

/// How a release breaks, and what is promised then.
struct Story {
    /// `CRM_FAULT`.
    fault: &'static str,
    /// Steps that may notice, the first that can first.
    steps: &'static [&'static str],
    /// The check that fails, with what it expects and sees; none when the release does not come up.
    check: Option<(&'static str, &'static str, &'static str)>,
    /// What the cause says.
    says: &'static [&'static str],
    /// Requests of users that may fail: none where it never gets traffic, and none for being slow.
    failed: usize,
}

impl Story {
    /// Deploys it twice over a good release, alone and under load.
    #[track_caller]
    fn ends_as_promised(&self) {
        let machine = Machine::new();
        machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
        let good = machine.serving();
        breaks(&machine, self.fault);
        self.deploys(&machine, &good);
        let blocked = blocked(&machine);
        machine.crmctl(&["release", "unblock", "local", &blocked]).exits(0);
        let load = Load::start_light(machine.port, 30);
        self.deploys(&machine, &good);
        assert_eq!(self::blocked(&machine), blocked);
        let seen = load.stop();
        let (failed, total) = (seen.failures.len(), seen.total());
        assert!(failed <= self.failed, "{failed} of {total}: {:#?}", &seen.failures);
        self.was_met(&seen, &good);
    }

    /// One deploy of it, with everything that is said about it.
    #[track_caller]
    fn deploys(&self, machine: &Machine, good: &str) {
        let said = measured(machine).exits(20);
        said.says(self.says).says(&["crmctl release unblock local"]);
        assert_eq!(machine.serving(), good);
        let folder = machine.checkout().join("reports");
        let run = report(machine);
        let switched = self.steps.iter().any(|step| !step.starts_with("deploy."));
        let ending = if switched { "rolled_back" } else { "failed" };
        assert_eq!((&run["ending"], &run["exit_code"]), (&ending.into(), &20.into()));
        let step = failed_step(&run);
        assert!(self.steps.contains(&step["step"].as_str().unwrap()), "{step:#}");
        let xml = junit(&folder.join("junit.xml"));
        let told = self.check.map_or("", |(check, ..)| check.rsplit('/').next().unwrap());
        assert!(xml.contains("<failure") && xml.contains(told), "{xml}");
        if let Some((check, expected, actual)) = self.check {
            let checks = step["checks"].as_array().unwrap();
            let found = checks.iter().find(|found| {
                found["check"].as_str().unwrap().ends_with(check) && found["outcome"] == "failed"
            });
            let found = found.unwrap_or_else(|| panic!("{check} did not fail: {checks:#?}"));
            let is_told = |key: &str, words: &str| found[key].as_str().unwrap().contains(words);
            assert!(is_told("expected", expected) && is_told("actual", actual), "{found:#}");
            assert!(xml.contains(actual), "{xml}");
        }
        let refused = machine.crmctl(&["deploy", "local"]).exits(10);
        refused.says(&["is blocked", "crmctl release unblock local"]);
        assert_eq!(machine.serving(), good);
    }

    /// Users met the broken release only when it got traffic.
    #[track_caller]
    fn was_met(&self, seen: &Seen, good: &str) {
        let releases: Vec<&String> = seen.releases.keys().collect();
        if self.steps.iter().all(|step| step.starts_with("deploy.")) {
            assert_eq!(releases, [good], "only the old release answered");
        } else {
            assert!(seen.releases.contains_key(good), "{releases:?}");
        }
    }
}

/// A deploy; once more when this machine was too busy to put load on it, since then nothing was measured and nothing
/// blocked.
fn measured(machine: &Machine) -> Said {
    let deploy = || machine.crmctl(&["deploy", "local", "--report", "reports"]);
    let nothing_measured = || {
        let run = report(machine);
        let checks = failed_step(&run)["checks"].as_array().unwrap().clone();
        checks.iter().any(|one| one["check"] == "perf/load-is-valid" && one["outcome"] == "errored")
            && checks.iter().all(|one| one["outcome"] != "failed")
    };
    let mut said = deploy();
    for _ in 0..4 {
        if said.code != 20 || !nothing_measured() {
            break;
        }
        said = deploy();
    }
    said
}

/// What the last run left for machines.
fn report(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(machine.checkout().join("reports/run.json")).unwrap()).unwrap()
}

/// From now on the checkout gives a release that breaks so.
fn breaks(machine: &Machine, fault: &str) {
    let own = [
        ("url = \"http", "ready_deadline_seconds = 4\nurl = \"http"),
        // Little enough for a busy machine, and enough to be judged.
        ("rate = 20", "rate = 40"),
        ("duration_seconds = 3", "duration_seconds = 6"),
    ];
    machine.configure("crm-server-faults", &own);
    // As the runbook has it, and not as patient as stories are: being slow is what some are about.
    let file = machine.checkout().join("config/thresholds.toml");
    let patient = std::fs::read_to_string(&file).unwrap();
    let strict = patient.replacen("below_ms = 30000", "below_ms = 500", 1);
    let strict = strict.replace("\"p50\"", "\"p95\"").replace("min_samples = 50", "min_samples = 200");
    std::fs::write(&file, strict).unwrap();
    machine.write_secrets(&format!("CRM_FAULT={fault}\n"), 0o600);
    machine.commit("a bad change");
}

#[track_caller]
fn blocked(machine: &Machine) -> String {
    let blocked = machine.status()["blocked"].clone();
    assert_eq!(blocked.as_array().unwrap().len(), 1, "{blocked}");
    blocked[0]["id"].as_str().unwrap().to_owned()
}

/// The step that stopped the run.
fn failed_step(run: &Value) -> Value {
    let phases = run["phases"].as_array().unwrap();
    let mut steps = phases.iter().flat_map(|phase| phase["steps"].as_array().unwrap());
    steps.find(|step| step["status"] == "failed").unwrap_or_else(|| panic!("none failed: {run:#}")).clone()
}

#[test]
fn a_release_that_never_gets_ready_gets_no_traffic() {
    Story {
        fault: "never_ready",
        steps: &["deploy.ready"],
        check: None,
        says: &["was not ready in 4 s", "/health/ready` answers 503", "  | "],
        failed: 0,
    }
    .ends_as_promised();
}

#[test]
fn a_release_that_exits_gets_no_traffic_and_its_last_words_are_shown() {
    Story {
        fault: "exit",
        steps: &["deploy.ready"],
        check: None,
        says: &["exited with code 1 before it was ready", "CRM_FAULT=exit"],
        failed: 0,
    }
    .ends_as_promised();
}

#[test]
fn a_release_that_answers_500_gets_no_traffic() {
    Story {
        fault: "http_500",
        steps: &["deploy.gate"],
        check: Some(("smoke/login", "status == 200", "500")),
        says: &["`smoke/", "expected status == 200, got 500", "  | "],
        failed: 0,
    }
    .ends_as_promised();
}

#[test]
fn a_release_whose_logins_are_broken_gets_no_traffic() {
    Story {
        fault: "login_broken",
        steps: &["deploy.gate"],
        check: Some(("smoke/login", "status == 200", "500")),
        says: &["`smoke/login`: expected status == 200, got 500", "  | "],
        failed: 0,
    }
    .ends_as_promised();
}

#[test]
fn a_release_that_is_slow_under_load_is_taken_back_and_fails_no_request() {
    Story {
        fault: "slow_ms=700",
        steps: &["perf.load"],
        check: Some(("perf/api_p95_ms", "< 500 ms", "(n = 240")),
        says: &["perf/api_p95_ms", " requests of 240 failed"],
        failed: 0,
    }
    .ends_as_promised();
}

#[test]
fn a_release_that_leaks_is_taken_back_and_fails_no_request() {
    Story {
        fault: "leak",
        steps: &["perf.load"],
        check: Some(("perf/memory_growth_mb", "< 256 MB more than before the load", "after 240 requests")),
        says: &["perf/memory_growth_mb", " requests of 240 failed"],
        failed: 0,
    }
    .ends_as_promised();
}

/// Whoever is being answered when it dies is lost, and whoever has an idle connection learns it with the next request:
/// at most one request of each connection a death. Everybody else waits in the queue until it is back.
#[test]
fn a_release_that_crashes_later_is_started_again_and_taken_back_by_the_same_run() {
    Story {
        fault: "late_crash",
        steps: &["smoke.run", "perf.load"],
        check: Some(("/stays-up", "no process of the release dies", "it exited with code 1 at ")),
        says: &["stays-up", "CRM_FAULT=late_crash"],
        failed: 100,
    }
    .ends_as_promised();
}

#[test]
fn a_release_that_crashes_later_and_is_not_measured_serves_again_by_itself() {
    let machine = Machine::new();
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    breaks(&machine, "late_crash=1000");
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let bad = machine.serving();
    let said = machine.crmctl(&["perf", "local"]).exits(0);
    said.says(&["perf/stays-up", "none died"]);
    // The rest of its thousand requests, and it dies.
    let load = Load::start_light(machine.port, 100);
    let first = process_of(&machine);
    eventually("another process serves", || process_of(&machine).is_some_and(|now| Some(now) != first));
    let seen = load.stop();
    assert!(seen.failures.len() <= 20, "{:#?}", seen.failures);
    assert_eq!(machine.serving(), bad, "nobody asked for another release");
    machine.crmctl(&["smoke", "local"]).exits(0);
}

/// The process that serves.
fn process_of(machine: &Machine) -> Option<i64> {
    let notes = std::fs::read(machine.state().join("local/supervisor/state.json")).ok()?;
    let notes: Value = serde_json::from_slice(&notes).ok()?;
    let serving = notes["instances"].as_array()?.iter().find(|found| found["role"] == "serving")?.clone();
    serving["process"]["pid"].as_i64()
}
