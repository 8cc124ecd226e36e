//! Results that mean harm or have no measure: nothing is taken for markup, and no page grows without end.

use std::collections::BTreeMap;

use super::{FAILED, GOOD};
use crate::report::result::{CheckView, Commit, RunResult};
use crate::report::{html, junit, markdown};

/// Everything that means something in HTML, Markdown or XML.
const NASTY: &str =
    "</pre><script>alert(1)</script>\"'&amp;|`*_[x](javascript:y)\u{1b}[31mred\u{0}\u{202e}]]>";

fn nasty() -> RunResult {
    let mut result = super::result(FAILED);
    let failure = result.failure.as_mut().unwrap();
    failure.message = NASTY.to_owned();
    failure.hint = Some(NASTY.to_owned());
    failure.detail = vec![NASTY.to_owned(), format!("{{{NASTY}"), "```".to_owned()];
    result.actor = Some(NASTY.to_owned());
    result.owners.insert("dev".to_owned(), NASTY.to_owned());
    result.contacts.insert(NASTY.to_owned(), NASTY.to_owned());
    result.address = Some(NASTY.to_owned());
    result.next = Some(NASTY.to_owned());
    for phase in &mut result.phases {
        phase.reason = Some(NASTY.to_owned());
        for step in &mut phase.steps {
            (step.title, step.summary) = (NASTY.to_owned(), NASTY.to_owned());
            for check in &mut step.checks {
                check.check = NASTY.to_owned();
                (check.expected, check.actual, check.hint) =
                    (Some(NASTY.to_owned()), Some(NASTY.to_owned()), Some(NASTY.to_owned()));
            }
        }
    }
    let commit = Commit { id: NASTY.to_owned(), subject: NASTY.to_owned(), author: NASTY.to_owned() };
    result.changes.as_mut().unwrap().commits = vec![commit];
    result.changes.as_mut().unwrap().migrations = vec![NASTY.to_owned()];
    result
}

#[test]
fn nothing_in_a_result_is_taken_for_markup() {
    let result = nasty();
    let page = html::render(&result);
    assert!(!page.contains("<script") && !page.contains("javascript:y\">"), "{page}");
    let document = markdown::render(&result);
    let outside: String =
        document.split("```").enumerate().filter(|(index, _)| index % 2 == 0).map(|(_, part)| part).collect();
    assert!(!outside.contains("<script") && !outside.contains("[x]("), "{outside}");
    let xml = junit::render(&result).unwrap();
    assert!(!xml.contains("<script") && !xml.contains('\u{0}') && !xml.contains('\u{1b}'), "{xml}");
}

/// What no run reaches: thousands of checks with long texts, and endless logs.
fn huge() -> RunResult {
    let mut result = nasty();
    let long = NASTY.repeat(100);
    result.failure.as_mut().unwrap().detail = vec![long.clone(); 10_000];
    let step = &mut result.phases[0].steps[0];
    let check = |index: usize| CheckView {
        outcome: if index.is_multiple_of(2) {
            phases::engine::failure::CheckOutcome::Failed
        } else {
            phases::engine::failure::CheckOutcome::Passed
        },
        check: format!("{index}{long}"),
        expected: Some(long.clone()),
        actual: Some(long.clone()),
        owner: Some("qa".to_owned()),
        hint: Some(long.clone()),
        duration_ms: 1.0,
    };
    step.checks = (0..6_000).map(check).collect();
    let step = crate::report::result::StepResult { checks: Vec::new(), ..step.clone() };
    result.phases[1].steps = vec![step.clone(); 500];
    result.recovery = vec![step; 500];
    result.changes.as_mut().unwrap().migrations = vec![long.clone(); 1_000];
    let mut load = super::result(GOOD).loads.into_values().next().unwrap();
    load.series = (0..600)
        .map(|second| crate::report::result::load::PointView { second, ..load.series[0].clone() })
        .collect();
    load.routes =
        vec![crate::report::result::load::RouteView { check: long.clone(), ..load.routes[0].clone() }; 500];
    result.loads = BTreeMap::from([("perf.load".to_owned(), load)]);
    result
}

#[test]
fn a_page_stays_under_half_a_megabyte_and_says_what_it_left_out() {
    let page = html::render(&huge());
    assert!(page.len() <= 500_000, "{} bytes", page.len());
    assert!(page.contains(" more in "));
    let document = markdown::render(&huge());
    assert!(document.len() <= 1_000_000, "GitHub takes 1 MiB: {} bytes", document.len());
}
