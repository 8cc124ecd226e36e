//! A campaign that finds nothing proves nothing: these bugs are planted into a crmctl of the tests' own
//! (`src/planted.rs`), and each has to be found.

use super::case::{Journey, Way};
use super::selection::{self, Places};
use super::stage::Planted;
use super::strike::{Kind, Point};
use super::{Theatre, seed};
use crate::harness::machine::{Machine, artifact};

/// What names the bug to the planted crmctl.
pub(crate) const SWITCH: &str = "CRMCTL_PLANTED";

/// A planted bug, and where it can show: records of these kinds, of steps with these ends.
struct Bug {
    name: &'static str,
    records: &'static [&'static str],
    steps: &'static [&'static str],
    kind: Kind,
    way: Way,
}

const fn bug(
    name: &'static str,
    records: &'static [&'static str],
    steps: &'static [&'static str],
    kind: Kind,
    way: Way,
) -> Bug {
    Bug { name, records, steps, kind, way }
}

impl Bug {
    fn may_show_at(&self, point: &Point) -> bool {
        let step = point.step.as_deref().unwrap_or_default();
        self.records.contains(&point.kind.as_str()) && self.steps.iter().any(|end| step.ends_with(end))
    }
}

/// Any step.
const ANY: &[&str] = &[""];

/// All of them.
const BUGS: [Bug; 11] = [
    bug("undo_skipped", &["DONE"], &[".ready", ".gate", ".shift"], Kind::Kill, Way::Rollback),
    bug("live_holder_ignored", &["DONE"], &[".gate", ".retire", ".tools"], Kind::Pause, Way::Resume),
    bug("intent_after_effect", &["INTENT"], &[".start", ".shift"], Kind::Kill, Way::Rollback),
    bug("acknowledged_too_early", &["INTENT"], &[".start", ".shift"], Kind::Kill, Way::Rollback),
    bug("probe_says_done", &["INTENT"], &[".backend", ".start", ".shift"], Kind::Kill, Way::Resume),
    bug("undo_intolerant", &["DONE"], &[".shift", ".run", ".load"], Kind::Kill, Way::Rollback),
    bug("clean_up_forgotten", &["DONE", "VERDICT"], ANY, Kind::Kill, Way::Resume),
    bug("switch_not_proved", &["PLAN", "DONE"], &["", ".tools"], Kind::Kill, Way::Resume),
    bug("lease_revived", &["DONE"], &[".gate", ".start"], Kind::Overtaken, Way::Resume),
    bug("lease_kept", &["DONE"], ANY, Kind::Kill, Way::Resume),
    bug("stop_unheard", &["DONE"], &[".tools", ".disk", ".source"], Kind::Term, Way::Resume),
];

/// Most cases that a bug may hide through.
const CASES: usize = 30;

/// Plays cases until one shows the bug.
fn hunt(places: &Places, bug: &Bug) -> String {
    let cases = selection::aimed(places, |point| bug.may_show_at(point), bug.kind, bug.way, CASES, seed());
    let planted = Planted { program: artifact("crmctl-planted"), bug: bug.name };
    let mut theatre = Theatre::new(Some(planted));
    for (number, case) in cases.iter().enumerate() {
        if !theatre.play(case) {
            let what = theatre.figures.breaches[0].replace(['\n', '|'], " ");
            let what: String = what.chars().take(200).collect();
            return format!("| `{}` | {} | {what} |", bug.name, number + 1);
        }
    }
    panic!("`{}` was not found in {CASES} cases", bug.name);
}

/// Found by `make test` too: quickly, and at the first case.
const ALWAYS: &str = "switch_not_proved,live_holder_ignored";

/// `CAMPAIGN_BUGS` names those to hunt; without it `make test-full` hunts all.
#[test]
fn every_planted_bug_is_found() {
    let named = std::env::var("CAMPAIGN_BUGS").ok();
    let names = named.or_else(|| (!super::all()).then(|| ALWAYS.to_owned()));
    let is_hunted =
        |bug: &&Bug| names.as_ref().is_none_or(|names| names.split(',').any(|name| name == bug.name));
    let places = Theatre::new(None).places(Journey::Deploy);
    let lines: Vec<String> = BUGS.iter().filter(is_hunted).map(|bug| hunt(&places, bug)).collect();
    println!("| bug | found by case | what was seen |\n|---|---|---|\n{}", lines.join("\n"));
    assert!(lines.len() >= names.map_or(BUGS.len(), |names| names.split(',').count()), "an unknown name");
}

#[test]
fn no_release_knows_how_to_have_a_bug() {
    let knows = |program: &std::path::Path| {
        let bytes = std::fs::read(program).unwrap();
        bytes.windows(SWITCH.len()).any(|window| window == SWITCH.as_bytes())
    };
    assert!(knows(&artifact("crmctl-planted")), "the planted crmctl does not know its own switch");
    let machine = Machine::new();
    assert!(!knows(&machine.program), "`{}` knows {SWITCH}", machine.program.display());
}
