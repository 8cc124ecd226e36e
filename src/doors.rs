//! The doors a run of the command line goes through: what it remembers, what it does, how it is stopped. The program
//! uses the real ones; the tests have a program of their own that plants bugs before them.

use phases::engine::cancel::Cancel;
use phases::engine::effects::Effects;
use phases::engine::ledger::Ledger;

use crate::effects::SiteEffects;
use crate::interrupt::Interrupt;
use crate::site::Site;

/// Where a run gets its doors from.
pub trait Doors: Send + Sync {
    /// Lease and journal.
    fn ledger<'s>(&self, site: &'s Site) -> &'s dyn Ledger {
        &site.ledger
    }

    /// Every action, for a run begun by `verb`.
    fn effects<'s>(&self, site: &'s Site, verb: &str) -> Box<dyn Effects + 's> {
        let _ = verb;
        Box::new(SiteEffects::new(site))
    }

    /// The operator's wish to stop.
    fn cancel(&self, interrupt: Interrupt) -> Box<dyn Cancel> {
        Box::new(interrupt)
    }
}

/// The real ones.
#[derive(Debug, Clone, Copy)]
pub struct Real;

impl Doors for Real {}
