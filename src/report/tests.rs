//! The reporters on fixed results: a good deploy, one that failed at the gate, one that was rolled back, and one whose
//! process was killed. The results and the journal are those of real runs.

use phases::engine::event::{Ending, Event, StepStatus};
use phases::engine::failure::CheckOutcome;
use phases::engine::journal::{Kind, Record};
use phases::request::Request;
use phases::testing::cancel::FakeCancel;
use phases::testing::scene::{Errand, Scene};

use super::folder::{REPORTERS, Reporter};
use super::recall::recall;
use super::result::RunResult;
use super::{changes, folder, html, junit, markdown, text};
use crate::terminal::Paint;

mod hostile;

const GOOD: &str = include_str!("fixtures/good.json");
const FAILED: &str = include_str!("fixtures/failed.json");
const ROLLED_BACK: &str = include_str!("fixtures/rolled.json");
const JOURNAL: &str = include_str!("fixtures/journal.ndjson");

fn result(text: &str) -> RunResult {
    serde_json::from_str(text).unwrap()
}

fn records() -> Vec<Record> {
    JOURNAL.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The run that was rolled back, killed after `count` of its records.
fn killed_after(count: usize) -> (Vec<Record>, String) {
    let run = result(ROLLED_BACK).run;
    let mut own = 0;
    let mut all = records();
    all.retain(|record| {
        own += usize::from(record.run == run);
        record.run != run || own <= count
    });
    (all, run)
}

/// Killed while its switch was under way.
fn unfinished() -> RunResult {
    let (all, run) = killed_after(records().len());
    let own = all.iter().filter(|record| record.run == run);
    let count = own
        .clone()
        .position(|r| r.kind == Kind::Intent && r.step.as_deref() == Some("deploy.shift"))
        .unwrap();
    let (cut, run) = killed_after(count + 1);
    recall(&cut, &run).unwrap()
}

fn each() -> [(&'static str, RunResult); 4] {
    [
        ("good", result(GOOD)),
        ("failed", result(FAILED)),
        ("rolled_back", result(ROLLED_BACK)),
        ("unfinished", unfinished()),
    ]
}

#[test]
fn every_form_of_every_ending_is_as_reviewed() {
    for (name, result) in each() {
        let plain = text::lines(&result, 120, Paint { on: false }).join("\n");
        insta::assert_snapshot!(format!("{name}.txt"), plain);
        insta::assert_snapshot!(format!("{name}.md"), markdown::render(&result));
        insta::assert_snapshot!(format!("{name}.xml"), junit::render(&result).unwrap());
        let page = html::render(&result);
        let (before, rest) = page.split_once("<style>").unwrap();
        let (_, after) = rest.split_once("</style>").unwrap();
        insta::assert_snapshot!(format!("{name}.html"), format!("{before}{after}").replace("><", ">\n<"));
    }
}

#[test]
fn the_journal_alone_tells_what_the_process_told_at_its_end() {
    for fixture in [GOOD, FAILED, ROLLED_BACK] {
        let told = result(fixture);
        let mut recalled = recall(&records(), &told.run).unwrap();
        recalled.changes.clone_from(&told.changes);
        recalled.loads.clone_from(&told.loads);
        recalled.owners.clone_from(&told.owners);
        recalled.contacts.clone_from(&told.contacts);
        recalled.address.clone_from(&told.address);
        recalled.previous.clone_from(&told.previous);
        assert_eq!(recalled, told);
    }
}

#[test]
fn a_run_killed_after_any_record_gives_a_report_that_names_the_way_on() {
    let (whole, run) = killed_after(usize::MAX);
    let own = whole.iter().filter(|record| record.run == run).count();
    for count in 1..own {
        let (cut, run) = killed_after(count);
        let result = recall(&cut, &run).unwrap();
        assert_eq!(result.ending, None, "after {count} records");
        assert_eq!(result.next.as_deref(), Some("crmctl resume local"));
        let touched = cut.iter().any(|record| record.run == run && record.kind == Kind::Intent);
        let back = touched.then(|| "crmctl rollback local".to_owned());
        assert_eq!(result.alternative, back, "after {count} records");
        for step in result.steps() {
            assert!(step.begin >= 0.0 && step.seconds >= 0.0, "{step:?}");
            assert!(step.begin + step.seconds <= result.seconds + 1e-6, "{step:?} of {}", result.seconds);
        }
        let doubtful = result.steps().filter(|step| step.status.is_none()).count();
        let last = cut.iter().rfind(|record| record.run == run).unwrap();
        assert_eq!(doubtful, usize::from(matches!(last.kind, Kind::Intent | Kind::UndoIntent)), "{count}");
        assert!(markdown::render(&result).contains("unfinished"));
        assert!(html::render(&result).contains("crmctl resume local"));
        let xml = junit::render(&result).unwrap();
        assert!(xml.contains("<error") || xml.contains("<failure"), "an unfinished run is not green");
    }
}

#[test]
fn a_run_that_was_taken_over_shows_the_time_in_which_nobody_was_at_work() {
    let (whole, run) = killed_after(usize::MAX);
    let at = whole.iter().position(|r| r.run == run && r.step.as_deref() == Some("smoke.run")).unwrap();
    let mut records = whole[..=at].to_vec();
    let mut adopt = records[at].clone();
    adopt.kind = Kind::Adopt;
    adopt.step = None;
    adopt.desired = serde_json::json!({"do": "unwind"});
    adopt.actor.user = "ben".to_owned();
    let later = chrono::DateTime::parse_from_rfc3339(&adopt.at).unwrap() + chrono::TimeDelta::seconds(90);
    adopt.at = later.to_rfc3339();
    records.push(adopt);
    let result = recall(&records, &run).unwrap();
    assert_eq!(result.verb, "rollback", "taken back by somebody else");
    assert_eq!(result.pauses.len(), 1);
    assert!((result.pauses[0].seconds - 90.0).abs() < 1e-6, "{:?}", result.pauses);
    assert_eq!(result.pauses[0].ended_by, "ben@pc1");
    assert!(result.worked() < result.seconds - 89.0);
    assert!(html::render(&result).contains("taken over by"));
}

#[test]
fn a_clock_that_was_set_back_bends_no_time_line() {
    let mut records = records();
    for (index, record) in records.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
        let at = chrono::DateTime::parse_from_rfc3339(&record.at).unwrap();
        record.at = (at - chrono::TimeDelta::seconds(index as i64)).to_rfc3339();
    }
    let result = recall(&records, &result(GOOD).run).unwrap();
    assert!(result.steps().all(|step| step.seconds >= 0.0 && step.begin >= 0.0));
}

#[test]
fn a_run_that_nobody_knows_is_nothing() {
    assert!(recall(&records(), "20260101T000000Z-0000").is_none());
    assert!(changes::of_run(&records(), "20260101T000000Z-0000", None).is_none());
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    for (name, result) in each() {
        let page = html::render(&result);
        for word in ["<script", "<link", "<img", "<iframe", " src=", " href=", "url(", "@import", " onload="]
        {
            assert!(!page.contains(word), "{name}: `{word}`");
        }
        assert!(page.contains("default-src 'none'") && page.contains("prefers-color-scheme:dark"));
        assert!(page.contains("width=device-width") && page.contains("@media print"));
    }
}

#[test]
fn one_reporter_that_fails_stops_no_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let broken: [Reporter; 2] = [|_| Err("no ink".to_owned()), |_| panic!("planted")];
    let mut reporters = vec![("first.txt", broken[0]), ("second.txt", broken[1])];
    reporters.extend(REPORTERS);
    std::fs::create_dir(folder.path().join("junit.xml")).unwrap();
    let problems = folder::write(folder.path(), &result(GOOD), &reporters);
    let files: Vec<&str> = problems.iter().map(|p| p.file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(files, ["first.txt", "second.txt", "junit.xml"], "{problems:?}");
    assert!(problems[0].to_string().contains("no ink") && problems[1].to_string().contains("bug"));
    for file in ["run.json", "report.md", "report.html"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 4, "nothing half written is left behind");
}

#[test]
fn a_folder_that_cannot_be_made_is_one_problem() {
    let problems = folder::write(std::path::Path::new("/proc/nowhere"), &result(GOOD), &REPORTERS);
    assert_eq!(problems.len(), 1);
}

#[test]
fn secrets_and_control_characters_are_taken_out() {
    let mut result = result(FAILED);
    let failure = result.failure.as_mut().unwrap();
    failure
        .detail
        .push("dsn postgresql://crm:S3cr3t-pass@db/crm and S3cr3t-pass-long \u{1b}[31mred\u{7}".to_owned());
    result.phases[0].steps[0].summary = "true is no secret, S3cr3t-pass is".to_owned();
    let secrets = ["S3cr3t-pass", "S3cr3t-pass-long", "true", "failed"].map(str::to_owned);
    let clean = result.clone().clean(&secrets);
    let text = serde_json::to_string(&clean).unwrap();
    assert!(!text.contains("S3cr3t") && !text.contains("\\u001b") && !text.contains("-long"), "{text}");
    assert!(clean.phases[0].steps[0].summary.starts_with("true is no secret, [redacted]"));
    assert_eq!(clean.ending, Some(Ending::Failed), "a password like a word of ours breaks nothing");
    assert!(clean.steps().any(|step| step.status == Some(StepStatus::Failed)));
}

#[test]
fn a_result_reads_back_as_it_was_written() {
    for (_, result) in each() {
        let again: RunResult = serde_json::from_str(&folder::json(&result).unwrap()).unwrap();
        assert_eq!(again, result);
    }
}

#[test]
fn requests_that_were_never_sent_are_told_in_every_form() {
    let mut result = result(GOOD);
    let load = result.loads.get_mut("perf.load").unwrap();
    (load.failed, load.never_sent) = (9, 7);
    let plain = text::lines(&result, 120, Paint { on: false }).join("\n");
    for form in [plain, markdown::render(&result), junit::render(&result).unwrap(), html::render(&result)] {
        assert!(form.contains("7 of them never sent"), "{form}");
    }
    assert!(folder::json(&result).unwrap().contains("\"never_sent\": 7"));
}

#[test]
fn a_first_deploy_that_was_switched_and_taken_back_is_not_told_as_never_switched() {
    let mut first = result(ROLLED_BACK);
    first.ending = Some(Ending::Failed);
    let headline = super::summary::headline(&first);
    assert!(headline.ends_with("what was switched is taken back, and nothing served before"), "{headline}");
    assert!(super::summary::headline(&result(FAILED)).ends_with("nothing was switched"));
}

/// What the journal gives back of every phase is what the loop told of it.
#[tokio::test]
async fn phases_of_a_run_are_recalled_as_the_loop_told_them() {
    let next = Scene::release_with(2, &[1, 8, 9, 16]);
    for phase in ["migrate", "deploy", "smoke", "perf", "never"] {
        for red_before in [false, true] {
            let scene = Scene::grown(1).await;
            if red_before {
                scene.world.site().verdicts.insert(Scene::release(1).id, CheckOutcome::Failed);
            }
            let plan = scene.plan(&Request::deploy(), Some(&next)).unwrap();
            let cancel = FakeCancel::default();
            let ask = |event| {
                if matches!(&event, Event::PhaseFinished { phase: ended, .. } if ended.as_str() == phase) {
                    cancel.request();
                }
            };
            let told = scene.process(&Errand::Run(&plan), &cancel, &ask).await.unwrap();
            let recalled = recall(&scene.records(), &told.run).unwrap();
            let told: Vec<_> = told.phases.iter().map(|phase| (phase.phase, Some(phase.status))).collect();
            let recalled: Vec<_> = recalled.phases.iter().map(|phase| (phase.phase, phase.status)).collect();
            assert_eq!(recalled, told, "interrupted after {phase}, red before: {red_before}");
        }
    }
}
