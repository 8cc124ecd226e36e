//! The world fails around a run: each fault of `docs/reliability-faults.md` with its promised ending, exit code and next
//! command.

mod chat;
mod clock;
mod disk;
mod journal;
mod operators;
mod postgres;
mod watch;

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::harness::machine::{Machine, Said};

const DEPLOY: [&str; 6] = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];

fn journal(machine: &Machine) -> PathBuf {
    machine.state().join("local/ledger/journal.ndjson")
}

/// Whole records of the journal; a line that is being written is not one yet.
fn records(machine: &Machine) -> Vec<Value> {
    let text = std::fs::read_to_string(journal(machine)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What doctor says about one thing.
#[track_caller]
fn diagnosis(machine: &Machine, check: &str) -> Option<Value> {
    let said = machine.crmctl(&["doctor", "local", "--output", "json"]);
    let lines = said.json()["lines"].as_array().unwrap().clone();
    lines.into_iter().find(|line| line["check"] == check)
}

/// A run that is followed by what it tells machines.
struct Followed {
    run: Child,
    news: Lines<BufReader<ChildStdout>>,
    told: Vec<Value>,
}

impl Followed {
    /// Starts crmctl with `--output json` added.
    fn start(command: &mut Command) -> Self {
        let command = command.args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = command.spawn().unwrap();
        let news = BufReader::new(run.stdout.take().unwrap()).lines();
        Self { run, news, told: Vec::new() }
    }

    fn next(&mut self) -> Option<&Value> {
        let line = self.news.next()?.unwrap();
        self.told.push(serde_json::from_str(&line).unwrap());
        self.told.last()
    }

    /// Goes on until `step` was begun; says whether it was before the run ended.
    fn reach(&mut self, step: &str) -> bool {
        while let Some(event) = self.next() {
            if event["event"] == "step.started" && event["step"] == step && event["undo"] == false {
                return true;
            }
        }
        false
    }

    /// Goes on to the end; gives all events and what was said to people.
    fn end(mut self) -> (Vec<Value>, Said) {
        while self.next().is_some() {}
        (self.told, self.run.wait_with_output().unwrap().into())
    }
}
