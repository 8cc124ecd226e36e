//! crmctl as a library: everything but the ten lines of `main`.

pub mod actor;
pub mod child;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod compile;
pub mod doors;
pub mod effects;
pub mod environment;
pub mod error;
pub mod git;
pub mod interrupt;
pub mod ledger;
pub mod notify;
pub mod observe;
pub mod platform;
pub mod release_directory;
pub mod report;
pub mod requirements;
pub mod rollback_set;
pub mod run_id;
pub mod site;
pub mod source;
pub mod state_directory;
pub mod supervisor;
pub mod terminal;
