//! What the whole journal amounts to: releases, the way back, runs, what stands in the way. Pure folds;
//! nothing here is stored anywhere else as the truth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::event::Ending;
use crate::engine::journal::{Kind, Record};
use crate::engine::resume::{Progress, ReplayError, Unfinished, replay};
use crate::engine::step::Action;
use crate::environment::PerfFacts;
use crate::observed::{Blockage, KnownRelease, PerfVerdict};
use crate::perf;
use crate::plan::Plan;
use crate::release::{ReleaseId, ReleaseState};

pub mod decision;

use decision::{Decision, decisions};

/// One run as it went. Shape: an entry of `history`, and `last_run` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Run.
    pub run: String,
    /// Verb.
    pub verb: String,
    /// How it is over; absent while it is not.
    pub ending: Option<Ending>,
    /// Exit code of its process; absent while it is not over.
    pub exit_code: Option<u8>,
    /// The release it was about.
    pub release: Option<ReleaseId>,
    /// When it began.
    pub started_at: String,
    /// When the last record was written.
    pub at: String,
}

/// All runs, oldest first.
pub fn runs(records: &[Record]) -> Vec<RunSummary> {
    let mut runs: Vec<RunSummary> = Vec::new();
    for record in records {
        if record.kind == Kind::Plan {
            runs.push(begun(record));
        } else if let Some(run) = runs.iter_mut().rev().find(|run| run.run == record.run) {
            run.at.clone_from(&record.at);
            if record.kind == Kind::End {
                run.ending = serde_json::from_value(record.evidence["ending"].clone()).ok();
                run.exit_code = serde_json::from_value(record.evidence["exit_code"].clone()).ok();
            }
        }
    }
    runs
}

fn begun(record: &Record) -> RunSummary {
    let release = serde_json::from_value(record.desired["target"]["id"].clone()).ok();
    RunSummary {
        run: record.run.clone(),
        verb: record.desired["verb"].as_str().unwrap_or_default().to_owned(),
        ending: None,
        exit_code: None,
        release,
        started_at: record.at.clone(),
        at: record.at.clone(),
    }
}

/// The newest run.
pub fn last_run(records: &[Record]) -> Option<RunSummary> {
    runs(records).pop()
}

/// Releases with a decision that stands, oldest decision first.
pub fn known_releases(records: &[Record]) -> Vec<KnownRelease> {
    let mut known: Vec<KnownRelease> = Vec::new();
    let mut good: BTreeMap<ReleaseId, KnownRelease> = BTreeMap::new();
    for decision in decisions(records) {
        let id = decision.id().clone();
        known.retain(|release| release.id != id);
        match decision {
            Decision::Good { release, .. } => {
                good.insert(id, release.clone());
                known.push(release);
            }
            Decision::Blocked { release } => known.push(release),
            Decision::Unblocked { .. } => known.extend(good.get(&id).cloned()),
        }
    }
    known
}

/// Good releases in the order in which one goes back through them, oldest first. A release that was deployed
/// after going back stands on the one that served then: what was left behind is not on the way back.
pub fn trail(records: &[Record]) -> Vec<ReleaseId> {
    let mut trail: Vec<ReleaseId> = Vec::new();
    for decision in decisions(records) {
        match decision {
            Decision::Good { release, after } => {
                if let Some(position) = trail.iter().position(|id| Some(id) == after.as_ref()) {
                    trail.truncate(position + 1);
                }
                trail.retain(|id| id != &release.id);
                trail.push(release.id);
            }
            Decision::Blocked { release } => trail.retain(|id| id != &release.id),
            Decision::Unblocked { .. } => {}
        }
    }
    trail
}

/// The run that has no end: the one that began to change things, else the newest one.
///
/// # Errors
/// When its records contradict each other.
pub fn unfinished(records: &[Record]) -> Result<Option<Unfinished>, ReplayError> {
    let open: Vec<_> = runs(records).into_iter().filter(|run| run.ending.is_none()).collect();
    for run in open.iter().rev() {
        let progress = of_run(records, &run.run)?;
        if progress.touched() {
            return Ok(Some(progress));
        }
    }
    let newest = last_run(records).filter(|run| run.ending.is_none());
    newest.map(|run| of_run(records, &run.run)).transpose()
}

fn of_run(records: &[Record], run: &str) -> Result<Progress, ReplayError> {
    replay(records.iter().filter(|record| record.run == run))
}

/// A run that stands in the way of the next deploy.
///
/// # Errors
/// When the records of an unfinished run contradict each other.
pub fn blockage(records: &[Record]) -> Result<Option<Blockage>, ReplayError> {
    if let Some(open) = unfinished(records)?.filter(Progress::touched) {
        return Ok(Some(Blockage::Unfinished { run: open.run, verb: open.plan.verb }));
    }
    Ok(stuck(records).map(|run| Blockage::Stuck { run: run.run, verb: run.verb }))
}

/// The newest run that ended stuck, unless a rollback that went through or a person's word came after it.
fn stuck(records: &[Record]) -> Option<RunSummary> {
    let mut stuck = None;
    for run in runs(records) {
        match (run.ending, run.verb.as_str(), run.exit_code) {
            (Some(Ending::Stuck), _, _) => stuck = Some(run),
            (Some(Ending::RolledBack), "rollback", Some(0)) | (Some(Ending::Done), "resolve", _) => {
                stuck = None
            }
            _ => {}
        }
    }
    stuck
}

/// The newest load, when it was judged good: one that failed or could not run later leaves no verdict.
pub fn perf_verdict(records: &[Record]) -> Option<PerfVerdict> {
    let ran = |record: &&Record| {
        matches!(record.kind, Kind::Done | Kind::Failed) && record.step.as_deref() == Some("perf.load")
    };
    let done = records.iter().rev().find(ran).filter(|record| record.kind == Kind::Done)?;
    let begun = records.iter().find(|record| record.run == done.run && record.kind == Kind::Plan)?;
    let plan: Plan = serde_json::from_value(begun.desired.clone()).ok()?;
    let step = plan.step("perf.load")?;
    let Action::RunLoad { suite, rate, duration_seconds, require, files, .. } = step.action.clone() else {
        return None;
    };
    let asked = perf::asked(&PerfFacts { suite, rate, duration_seconds, require, files });
    Some(PerfVerdict { run: done.run.clone(), release: plan.target?.id, asked })
}

/// A field of a record as text.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The decision a run wrote about `id`, if it stands.
pub fn state(records: &[Record], id: &ReleaseId) -> Option<ReleaseState> {
    known_releases(records).into_iter().find(|known| &known.id == id).map(|known| known.state)
}
