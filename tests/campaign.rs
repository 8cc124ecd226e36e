//! The kill campaign: runs are struck at every place of their journals, somebody goes on, and a judge who knows
//! nothing of crmctl looks whether one release serves, no request failed and the memory of the run is true.
//! `make test` plays a part of it, `make test-full` all (`CAMPAIGN=all`); `CAMPAIGN_SEED` gives another order.

use std::io::Write;
use std::time::{Duration, Instant};

mod bugs;
mod case;
pub(crate) mod chain;
mod figures;
mod judge;
mod play;
mod selection;
mod stage;
mod strike;

use case::{Case, DEPLOY, Journey, Outcome, Way};
use figures::Figures;
use selection::{Placed, Places};
use stage::{Planted, Stage};
use strike::Kind;

/// Cases that one machine bears before the next one: its journal and its migrations grow.
const CASES_OF_A_STAGE: usize = 40;

/// Whether all of it is asked for.
fn all() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|scope| scope == "all")
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

fn seed() -> u64 {
    number("CAMPAIGN_SEED", 1)
}

/// Says how far it is, at once: a campaign may take an hour.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Plays cases on stages that are replaced when they are worn or a case broke something.
struct Theatre {
    stage: Option<Stage>,
    played: usize,
    planted: Option<Planted>,
    figures: Figures,
}

impl Theatre {
    fn new(planted: Option<Planted>) -> Self {
        Self { stage: None, played: 0, planted, figures: Figures::default() }
    }

    /// A stage on which two releases have been deployed.
    fn stage(&mut self) -> &mut Stage {
        if self.played >= CASES_OF_A_STAGE {
            self.stage = None;
        }
        if self.stage.is_none() {
            self.played = 0;
        }
        let planted = self.planted.clone();
        self.stage.get_or_insert_with(|| Stage::with_history(planted))
    }

    fn places(&mut self, journey: Journey) -> Places {
        if journey == Journey::First {
            return Places::of(journey, &mut Stage::empty(self.planted.clone()));
        }
        let stage = self.stage();
        let places = Places::of(journey, stage);
        if matches!(journey, Journey::Unwinding | Journey::Rollback) {
            stage.soundly(&DEPLOY).exits(0);
        }
        places
    }

    fn once(&mut self, case: &Case) -> Outcome {
        self.played += 1;
        if case.journey == Journey::First {
            return play::play(&mut Stage::empty(self.planted.clone()), case);
        }
        play::play(self.stage(), case)
    }

    /// Plays one case; true when nothing was broken.
    fn play(&mut self, (row, case): &Placed) -> bool {
        let mut outcome = self.once(case);
        for _ in 1..selection::TRIES {
            if !outcome.disturbed {
                break;
            }
            tell(&format!(" again  {case}: the machine was too busy to measure"));
            self.stage = None;
            outcome = self.once(case);
        }
        self.figures.take(*row, case, &outcome);
        let well = outcome.breaches.is_empty();
        tell(&format!("{} {case}", if well { "   ok  " } else { "BREACH " }));
        outcome.breaches.iter().for_each(|what| tell(&format!("         {what}")));
        if !well && case.journey != Journey::First {
            self.stage = None;
        }
        well
    }

    /// Plays them until the time is over; gives how many are left.
    fn play_all(&mut self, cases: &[Placed], time: Duration) -> usize {
        let begun = Instant::now();
        for (played, case) in cases.iter().enumerate() {
            if begun.elapsed() > time {
                return cases.len() - played;
            }
            self.play(case);
        }
        0
    }

    #[track_caller]
    fn ends_without_breach(self) {
        let Figures { breaches, .. } = self.figures;
        assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
    }
}

#[test]
fn one_release_serves_wherever_a_run_is_struck() {
    if all() {
        return everything();
    }
    let mut theatre = Theatre::new(None);
    let deploy = theatre.places(Journey::Deploy);
    let mut cases = selection::some(&deploy, &Kind::ALL, &Way::ALL, 7, seed());
    cases.extend(selection::moments(&deploy, 1, seed()));
    let rollback = theatre.places(Journey::Rollback);
    cases.extend(selection::some(&rollback, &[Kind::Kill], &Way::ALL, 1, seed()));
    let unwinding = theatre.places(Journey::Unwinding);
    cases.extend(selection::some(&unwinding, &[Kind::Kill], &Way::ALL, 2, seed()));
    theatre.play_all(&cases, Duration::MAX);
    println!("{}", theatre.figures.summary());
    theatre.ends_without_breach();
}

/// All of it, for at most `CAMPAIGN_MINUTES`; the table is left in `target/campaign.md`.
fn everything() {
    let (seed, minutes) = (seed(), number("CAMPAIGN_MINUTES", 90));
    let begun = Instant::now();
    let mut theatre = Theatre::new(None);
    let journeys: Vec<Places> = Journey::ALL.into_iter().map(|journey| theatre.places(journey)).collect();
    let mut cases = selection::moments(&journeys[1], 50, seed);
    cases.extend(selection::all(&journeys, seed));
    let left = theatre.play_all(&cases, Duration::from_secs(minutes * 60));
    let figures = &theatre.figures;
    let head = format!(
        "# The kill campaign\n\nSeed {seed}: {} cases in {} minutes, {} breaches, {left} cases left out for want of time.\n",
        figures.cases(),
        begun.elapsed().as_secs() / 60,
        figures.breaches.len(),
    );
    let breaches: String = figures.breaches.iter().map(|what| format!("- {what}\n")).collect();
    let page = format!("{head}\n{}\n{}\n{breaches}", figures.summary(), figures.table());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        std::path::PathBuf::from,
    );
    std::fs::write(target.join("campaign.md"), &page).unwrap();
    tell(&page);
    theatre.ends_without_breach();
}
