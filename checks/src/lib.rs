//! Probes: suites of checks and load. They know a subject (an address, a socket), never a deployment;
//! an outcome says what was seen, and what follows from it is decided elsewhere.

mod assertion;
mod capture;
mod client;
mod kind;
mod load;
mod outcome;
mod poll;
mod redact;
mod run;
mod scene;
mod schedule;
mod session;
mod strict;
mod subject;
mod suite;
mod template;
mod tls;
mod variables;

pub use client::build as client;
pub use load::{
    Distribution, Figure, LoadError, LoadPlan, LoadProgress, LoadReport, MemoryUse, ProgressObserver,
    RouteReport, SeriesPoint, ServerTiming, Statistic, Threshold, Thresholds, evaluate, run_load,
};
pub use outcome::{CheckOutcome, Outcome, Owner, Severity, SuiteReport};
pub use run::run_suite;
pub use schedule::Observer;
pub use strict::{FileError, Mistake};
pub use subject::{Subject, read_roots};
pub use suite::{CheckInfo, SessionInfo, Suite};
pub use tls::install_tls;
pub use variables::Variables;
