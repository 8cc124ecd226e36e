//! The command line of `crm-server`: what was typed, and the one way results and errors leave the
//! process. Each verb is a file below. Data goes to stdout, talk and errors to stderr, logs to stdout as
//! JSON while serving.

mod healthcheck;
mod meta_simulate;
mod openapi;
mod seed;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The CRM's server.
#[derive(Debug, Parser)]
#[command(name = "crm-server", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve until told to drain; sockets come from LISTEN_FDS, else from BIND
    Serve,
    /// Ask a running server whether it is alive; exit 0 or 1
    Healthcheck(healthcheck::Arguments),
    /// Print the API document
    Openapi,
    /// Fill the database with demonstration data, as the migrator role
    Seed(seed::Arguments),
    /// Stand in for Meta: lead forms, a Graph API and signed webhooks, from a seed
    MetaSimulate(meta_simulate::Arguments),
}

/// What went wrong, with the next action on a line of its own.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn of(error: &dyn std::error::Error, hint: Option<String>) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            message = format!("{message}: {deeper}");
            cause = deeper.source();
        }
        Self { message, hint }
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Before any other thread exists: the attribute belongs to a thread and is inherited.
    let hardened = rustix::thread::set_no_new_privs(true);
    let result = match arguments.verb {
        Verb::Serve => serve::run(hardened),
        Verb::Healthcheck(arguments) => healthcheck::run(&arguments),
        Verb::Openapi => openapi::run(),
        Verb::Seed(arguments) => seed::run(&arguments),
        Verb::MetaSimulate(arguments) => meta_simulate::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// A closed stderr is nobody's failure.
fn complain(failure: &Failure) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "crm-server: {}", failure.message);
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// Prints data.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| Failure::of(&error, None))
}

/// A runtime for verbs that ask one thing.
fn block_on<F: Future>(work: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(work)).map_err(|error| Failure::of(&error, None))
}
