//! A crmctl with bugs that the kill campaign must find again, each planted at a door of a run (ledger, effects,
//! cancel), never in its loop: the program that people get has no switch. `CRMCTL_PLANTED` names the bug.

mod effects;
mod ledger;

use std::process::ExitCode;

use async_trait::async_trait;
use crmctl::doors::Doors;
use crmctl::effects::SiteEffects;
use crmctl::interrupt::Interrupt;
use crmctl::site::Site;
use phases::engine::cancel::Cancel;
use phases::engine::effects::Effects;
use phases::engine::ledger::Ledger;

/// What names the bug.
const SWITCH: &str = "CRMCTL_PLANTED";

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// An INTENT is acknowledged at once and written with the record after it.
    IntentAfterEffect,
    /// A record is acknowledged before it is durable; a kill of its writer loses it.
    AcknowledgedTooEarly,
    /// Whoever takes a run over is told that every step is done already.
    ProbeSaysDone,
    /// An undo is acknowledged and does not happen.
    UndoSkipped,
    /// An undo refuses what is not exactly as its action left it.
    UndoIntolerant,
    /// The end of a run is written without its clean-up.
    CleanUpForgotten,
    /// A switch is called done without having been made or proved.
    SwitchNotProved,
    /// The lease is given to whoever asks.
    LiveHolderIgnored,
    /// A lease that was lost is taken again in silence.
    LeaseRevived,
    /// The lease is never given back.
    LeaseKept,
    /// Nobody hears the wish to stop.
    StopUnheard,
}

impl Bug {
    /// The one that was asked for. A name that is none is a mistake of the test.
    fn active() -> Option<Self> {
        let name = std::env::var(SWITCH).ok()?;
        Some(match name.as_str() {
            "intent_after_effect" => Self::IntentAfterEffect,
            "acknowledged_too_early" => Self::AcknowledgedTooEarly,
            "probe_says_done" => Self::ProbeSaysDone,
            "undo_skipped" => Self::UndoSkipped,
            "undo_intolerant" => Self::UndoIntolerant,
            "clean_up_forgotten" => Self::CleanUpForgotten,
            "switch_not_proved" => Self::SwitchNotProved,
            "live_holder_ignored" => Self::LiveHolderIgnored,
            "lease_revived" => Self::LeaseRevived,
            "lease_kept" => Self::LeaseKept,
            "stop_unheard" => Self::StopUnheard,
            other => panic!("`{SWITCH}={other}` is no planted bug"),
        })
    }
}

struct Planted;

impl Doors for Planted {
    fn ledger<'s>(&self, site: &'s Site) -> &'s dyn Ledger {
        // It lasts as long as the process, like the run.
        Box::leak(Box::new(ledger::Faulty::around(site, Bug::active())))
    }

    fn effects<'s>(&self, site: &'s Site, verb: &str) -> Box<dyn Effects + 's> {
        Box::new(effects::Faulty::around(site, SiteEffects::new(site), Bug::active(), verb))
    }

    fn cancel(&self, interrupt: Interrupt) -> Box<dyn Cancel> {
        Box::new(Deaf { interrupt, deaf: Bug::active() == Some(Bug::StopUnheard) })
    }
}

/// An operator's wish that may go unheard.
struct Deaf {
    interrupt: Interrupt,
    deaf: bool,
}

#[async_trait]
impl Cancel for Deaf {
    fn requested(&self) -> bool {
        !self.deaf && self.interrupt.requested()
    }

    async fn wait(&self) {
        if self.deaf {
            std::future::pending::<()>().await;
        }
        self.interrupt.wait().await;
    }
}

fn main() -> ExitCode {
    crmctl::commands::main_through(&Planted)
}
