//! JUnit XML: one suite per phase, one case per check or step, grouped by owner through the class name
//! (`dev.smoke`). An assertion that did not hold is a failure; what could not run is an error.
//! Source: the elements and attributes that Jenkins' `junit-10.xsd`, Surefire and Ant have in common.

use phases::engine::event::{PhaseStatus, StepStatus};
use phases::engine::failure::CheckOutcome;
use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::json::FailureView;
use super::result::{CheckView, Mood, PhaseResult, RunResult, StepResult};
use super::summary;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Passed { note: Option<String> },
    Skipped { why: String },
    Failure { kind: &'static str, message: String, text: String },
    Error { kind: &'static str, message: String, text: String },
}

/// One case.
#[derive(Debug)]
struct Case {
    class: String,
    name: String,
    seconds: f64,
    verdict: Verdict,
}

/// A suite with its cases.
#[derive(Debug)]
struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// The document.
///
/// # Errors
/// Never for a result that can be written at all; what the writer says.
pub fn render(result: &RunResult) -> Result<String, String> {
    let mut suites: Vec<Suite> = result.phases.iter().map(|phase| phase_suite(result, phase)).collect();
    if !result.recovery.is_empty() {
        suites.push(suite(
            "recovery",
            result.recovery.iter().flat_map(|step| cases("recovery", step)).collect(),
        ));
    }
    let bad = |case: &Case| matches!(case.verdict, Verdict::Failure { .. } | Verdict::Error { .. });
    if result.mood() != Mood::Good && !suites.iter().flat_map(|suite| &suite.cases).any(bad) {
        suites.push(suite("run", vec![ending_case(result)]));
    }
    write(result, &suites).map_err(|error| error.to_string())
}

fn suite(name: &str, cases: Vec<Case>) -> Suite {
    Suite { name: name.to_owned(), cases }
}

fn phase_suite(result: &RunResult, phase: &PhaseResult) -> Suite {
    let name = phase.phase.as_str();
    let left_out = match phase.status {
        Some(PhaseStatus::Skipped) => {
            Some(format!("skipped: {}", phase.reason.as_deref().unwrap_or("no reason given")))
        }
        Some(PhaseStatus::NotRun) if result.mood() == Mood::Good => Some("not asked for".to_owned()),
        Some(PhaseStatus::NotRun) => Some("not reached".to_owned()),
        _ => None,
    };
    let mut all: Vec<Case> = phase.steps.iter().flat_map(|step| cases(name, step)).collect();
    let whole =
        |verdict| Case { class: format!("crmctl.{name}"), name: name.to_owned(), seconds: 0.0, verdict };
    match left_out {
        Some(why) if all.is_empty() => all.push(whole(Verdict::Skipped { why })),
        None if all.is_empty() => all.push(whole(Verdict::Passed { note: phase.reason.clone() })),
        _ => {}
    }
    suite(name, all)
}

/// A step speaks through its checks; for itself when it has none, or failed though none of them did.
fn cases(phase: &str, step: &StepResult) -> Vec<Case> {
    let of_checks = step.checks.iter().map(|check| Case {
        class: format!("{}.{phase}", check.owner.as_deref().unwrap_or("crmctl")),
        name: check.check.clone(),
        seconds: check.duration_ms / 1e3,
        verdict: check_verdict(check),
    });
    let mut all: Vec<Case> = of_checks.collect();
    if all.is_empty() || (is_bad(step) && !step.checks.iter().any(CheckView::is_unmet)) {
        let verdict = step_verdict(step);
        let class = format!("crmctl.{phase}");
        all.push(Case { class, name: step.step.clone(), seconds: step.seconds, verdict });
    }
    all
}

fn is_bad(step: &StepResult) -> bool {
    matches!(step.status, None | Some(StepStatus::Failed | StepStatus::UndoFailed))
}

fn check_verdict(check: &CheckView) -> Verdict {
    let message =
        format!("expected {}, got {}", check.expected.as_deref().unwrap_or("an answer"), check.actual());
    let hint = check.hint.as_ref().map(|hint| format!("next: {hint}"));
    let owner = check.owner.as_ref().map(|owner| format!("owner: {owner}"));
    let text =
        [Some(message.clone()), owner, hint.clone()].into_iter().flatten().collect::<Vec<_>>().join("\n");
    match check.outcome {
        CheckOutcome::Passed => {
            let note = check.hint.as_ref().map(|hint| format!("{}\nnext: {hint}", check.actual()));
            Verdict::Passed { note }
        }
        CheckOutcome::Failed => Verdict::Failure { kind: "check_failed", message, text },
        CheckOutcome::Errored => Verdict::Error { kind: "check_errored", message, text },
    }
}

fn step_verdict(step: &StepResult) -> Verdict {
    let Some(failure) = &step.failure else {
        return if is_bad(step) {
            let message = step.summary.clone();
            Verdict::Error { kind: "unfinished", text: message.clone(), message }
        } else {
            Verdict::Passed { note: Some(step.summary.clone()).filter(|summary| !summary.is_empty()) }
        };
    };
    let (message, text) = (failure.message.clone(), body(failure));
    match failure.class.as_str() {
        "check_failed" => Verdict::Failure { kind: "check_failed", message, text },
        "release_failed" => Verdict::Failure { kind: "release_failed", message, text },
        "check_errored" => Verdict::Error { kind: "check_errored", message, text },
        "refused" => Verdict::Error { kind: "refused", message, text },
        "lease_lost" => Verdict::Error { kind: "lease_lost", message, text },
        _ => Verdict::Error { kind: "failed", message, text },
    }
}

fn body(failure: &FailureView) -> String {
    let mut lines = vec![failure.message.clone()];
    lines.extend(failure.detail.iter().cloned());
    lines.extend(failure.hint.iter().map(|hint| format!("next: {hint}")));
    lines.join("\n")
}

/// Invariant: a run that did not end well is red, whatever its steps say.
fn ending_case(result: &RunResult) -> Case {
    let message = summary::headline(result);
    let text = result.failure.as_ref().map_or_else(|| message.clone(), body);
    let verdict = Verdict::Error { kind: "run", message, text };
    Case { class: "crmctl.run".to_owned(), name: result.verb.clone(), seconds: result.seconds, verdict }
}

fn write(result: &RunResult, suites: &[Suite]) -> std::io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let all = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
    let name = format!("crmctl {} {}", result.verb, result.environment);
    writer.write_event(quick_xml::events::Event::Decl(quick_xml::events::BytesDecl::new(
        "1.0",
        Some("UTF-8"),
        None,
    )))?;
    writer
        .create_element("testsuites")
        .with_attribute(("name", attribute(&name).as_str()))
        .with_attribute(("tests", all.tests.to_string().as_str()))
        .with_attribute(("failures", all.failures.to_string().as_str()))
        .with_attribute(("errors", all.errors.to_string().as_str()))
        .with_attribute(("time", seconds(result.seconds).as_str()))
        .write_inner_content(|writer| {
            suites.iter().enumerate().try_for_each(|(index, suite)| {
                let facts = (index == 0).then_some(result);
                write_suite(writer, &result.started_at, suite, facts)
            })
        })?;
    let text = String::from_utf8(writer.into_inner()).map_err(std::io::Error::other)?;
    Ok(format!("{text}\n"))
}

/// What holds for the whole run stands in its first suite.
fn write_suite(
    writer: &mut Writer<Vec<u8>>,
    started_at: &str,
    suite: &Suite,
    facts: Option<&RunResult>,
) -> std::io::Result<()> {
    let counts = Counts::of(suite.cases.iter());
    writer
        .create_element("testsuite")
        .with_attribute(("name", suite.name.as_str()))
        .with_attribute(("tests", counts.tests.to_string().as_str()))
        .with_attribute(("failures", counts.failures.to_string().as_str()))
        .with_attribute(("errors", counts.errors.to_string().as_str()))
        .with_attribute(("skipped", counts.skipped.to_string().as_str()))
        .with_attribute(("time", seconds(suite.cases.iter().map(|case| case.seconds).sum()).as_str()))
        .with_attribute(("timestamp", attribute(started_at).as_str()))
        .write_inner_content(|writer| {
            facts.map_or(Ok(()), |result| write_properties(writer, result))?;
            suite.cases.iter().try_for_each(|case| write_case(writer, case))
        })?;
    Ok(())
}

fn write_properties(writer: &mut Writer<Vec<u8>>, result: &RunResult) -> std::io::Result<()> {
    let mut all = vec![("run", result.run.clone()), ("environment", result.environment.clone())];
    all.extend(result.release.iter().map(|release| ("release", release.id.clone())));
    all.extend(result.loads.iter().map(|(step, load)| (step.as_str(), load.counts())));
    let owners = result.owners.iter().map(|(owner, name)| (owner.as_str(), name.clone()));
    writer.create_element("properties").write_inner_content(|writer| {
        all.into_iter().chain(owners).try_for_each(|(name, value)| {
            let property = writer.create_element("property").with_attribute(("name", name));
            property.with_attribute(("value", attribute(&value).as_str())).write_empty().map(|_| ())
        })
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> std::io::Result<()> {
    let (class, name, time) = (attribute(&case.class), attribute(&case.name), seconds(case.seconds));
    let element = writer
        .create_element("testcase")
        .with_attribute(("name", name.as_str()))
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("time", time.as_str()));
    match &case.verdict {
        Verdict::Passed { note: None } => element.write_empty()?,
        Verdict::Passed { note: Some(note) } => element.write_inner_content(|writer| {
            writer.create_element("system-out").write_text_content(BytesText::new(&allowed(note))).map(|_| ())
        })?,
        Verdict::Skipped { why } => element.write_inner_content(|writer| {
            let skipped = writer.create_element("skipped");
            skipped.with_attribute(("message", attribute(why).as_str())).write_empty().map(|_| ())
        })?,
        Verdict::Failure { kind, message, text } => {
            element.write_inner_content(|writer| write_no(writer, "failure", kind, message, text))?
        }
        Verdict::Error { kind, message, text } => {
            element.write_inner_content(|writer| write_no(writer, "error", kind, message, text))?
        }
    };
    Ok(())
}

fn write_no(
    writer: &mut Writer<Vec<u8>>,
    element: &str,
    kind: &str,
    message: &str,
    text: &str,
) -> std::io::Result<()> {
    let element = writer.create_element(element).with_attribute(("message", attribute(message).as_str()));
    element.with_attribute(("type", kind)).write_text_content(BytesText::new(&allowed(text))).map(|_| ())
}

/// How many there are of each.
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'c>(cases: impl Iterator<Item = &'c Case>) -> Self {
        let mut counts = Self { tests: 0, failures: 0, errors: 0, skipped: 0 };
        for case in cases {
            counts.tests += 1;
            match case.verdict {
                Verdict::Failure { .. } => counts.failures += 1,
                Verdict::Error { .. } => counts.errors += 1,
                Verdict::Skipped { .. } => counts.skipped += 1,
                Verdict::Passed { .. } => {}
            }
        }
        counts
    }
}

/// Seconds with three decimals.
fn seconds(value: f64) -> String {
    format!("{:.3}", value.max(0.0))
}

/// One line: line ends in an attribute would be read as blanks anyway.
fn attribute(text: &str) -> String {
    allowed(text).replace(['\n', '\r', '\t'], " ")
}

/// Without the characters that XML 1.0 cannot carry, not even escaped.
fn allowed(text: &str) -> String {
    let carried = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if carried(c) || matches!(c, '\n' | '\t') { c } else { '\u{fffd}' }).collect()
}
