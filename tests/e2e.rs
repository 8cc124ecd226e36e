//! End to end: one binary, one file per story. Every story deploys the real server with the real crmctl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

mod bad_input;
mod building;
mod by_hand;
mod campaign;
mod ci_examples;
mod configuration;
mod contract;
mod database;
mod down;
mod errored;
mod faults;
mod fencing;
mod gate;
mod in_flight;
mod interruption;
mod jobs;
mod journals;
mod judged;
mod logs;
mod measuring;
mod migrations;
mod named_runs;
mod notifications;
mod operations;
mod output;
mod process;
mod reports;
mod seeding;
mod shared_ledger;
mod stuck;
mod swarm;
mod terminals;
mod values;
mod zero_failures;
