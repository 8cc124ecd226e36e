//! The kill campaign: runs are struck at every place of their journals, somebody goes on, and a judge who knows
//! nothing of crmctl looks whether one release serves, no request failed and the memory of the run is true.
//! `make test` plays a part of it, `make test-full` all (`CAMPAIGN=all`); `CAMPAIGN_SEED` gives another order, and
//! `CAMPAIGN_FROM` leaves out as many cases of it as an earlier run has played.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Sockets of the stock client that are open meanwhile: 200 in the whole campaign, `CAMPAIGN_SOCKETS` says otherwise.
fn sockets() -> usize {
    usize::try_from(number("CAMPAIGN_SOCKETS", if all() { 200 } else { 10 })).unwrap()
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
            self.keep(*row);
            self.stage = None;
        }
        well
    }

    /// Leaves what everybody said and logged, for whoever looks for the cause, in `target/campaign/<row>.log`.
    fn keep(&self, row: usize) {
        let Some(stage) = &self.stage else { return };
        let place = target().join("campaign");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("{row}.log")), stage.everything_said()).unwrap();
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
    for case in &cases {
        theatre.play(case);
    }
    println!("{}", theatre.figures.summary());
    theatre.figures.show_no_breach();
}

/// What several theatres play together, as long as there is time.
struct Programme {
    cases: Vec<Placed>,
    next: AtomicUsize,
    end: Instant,
}

impl Programme {
    fn next(&self) -> Option<&Placed> {
        if Instant::now() > self.end {
            return None;
        }
        self.cases.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn left(&self) -> usize {
        self.cases.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// Plays in `count` theatres at once; a case mostly waits.
    fn play(&self, count: u64) -> Figures {
        std::thread::scope(|scope| {
            let theatres: Vec<_> = (0..count).map(|_| scope.spawn(|| self.play_in_one())).collect();
            let played = theatres.into_iter().map(|theatre| theatre.join().expect("a theatre that plays on"));
            played.reduce(Figures::and).unwrap_or_default()
        })
    }

    fn play_in_one(&self) -> Figures {
        let mut theatre = Theatre::new(None);
        while let Some(placed) = self.next() {
            // A stage on which something fails that no judge expected is a breach, and no end of the campaign.
            if std::panic::catch_unwind(AssertUnwindSafe(|| theatre.play(placed))).is_err() {
                theatre
                    .figures
                    .breaches
                    .push(format!("{}: the case could not be played to its end", placed.1));
                theatre.stage = None;
            }
        }
        theatre.figures
    }
}

/// All of it, for at most `CAMPAIGN_MINUTES`, in `CAMPAIGN_THEATRES` at once; the table is left in `target/campaign.md`.
fn everything() {
    let (seed, minutes) = (seed(), number("CAMPAIGN_MINUTES", 90));
    let begun = Instant::now();
    let mut theatre = Theatre::new(None);
    let journeys: Vec<Places> = Journey::ALL.into_iter().map(|journey| theatre.places(journey)).collect();
    let mut cases = selection::moments(&journeys[1], 50, seed);
    cases.extend(selection::all(&journeys, seed));
    // The order is that of the seed: a campaign that was cut is gone on with where it was.
    cases.drain(..cases.len().min(usize::try_from(number("CAMPAIGN_FROM", 0)).unwrap_or(usize::MAX)));
    drop(theatre);
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let programme = Programme { cases, next: AtomicUsize::new(0), end };
    let figures = programme.play(number("CAMPAIGN_THEATRES", 3));
    let left = programme.left();
    let head = format!(
        "# The kill campaign\n\nSeed {seed}: {} cases in {} minutes, {} breaches, {left} cases left out for want of time.\n",
        figures.cases(),
        begun.elapsed().as_secs() / 60,
        figures.breaches.len(),
    );
    let breaches: String = figures.breaches.iter().map(|what| format!("- {what}\n")).collect();
    let page = format!("{head}\n{}\n{}\n{breaches}", figures.summary(), figures.table());
    std::fs::write(target().join("campaign.md"), &page).unwrap();
    tell(&page);
    figures.show_no_breach();
}

/// Where programs are built.
fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        std::path::PathBuf::from,
    )
}
