//! One verb, one screen. What is typed becomes what is meant here.

mod aftermath;
mod deploy;
mod doctor;
mod down;
mod env;
mod fence;
mod history;
mod logs;
mod manual;
mod migrate;
mod perf;
mod provision;
mod release;
mod report;
pub mod run;
mod status;
mod suite;
mod supervise;
mod unlock;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Global, Output, Verb};
use crate::doors::{Doors, Real};
use crate::error::{Error, Exit};
use crate::site::{Needs, Place, Site};
use crate::terminal::{Terminal, Verbosity};
use phases::plan::Phase;
use phases::request::{Request, Verb as Asked};

/// What every verb is given.
pub struct Context {
    /// Where words go.
    pub terminal: Arc<Terminal>,
    /// Where the configuration is.
    pub place: Place,
    /// Options of every verb.
    pub global: Global,
    /// What a run goes through.
    pub doors: &'static dyn Doors,
}

impl Context {
    fn site(&self, name: &str, needs: Needs) -> Result<Site, Error> {
        let terminal = self.terminal.clone();
        let tell = Arc::new(move |news: &str| terminal.talk(&format!("note: {news}")));
        Site::open(&self.place, name, self.global.port, needs, tell)
    }

    fn document(&self, document: &impl Serialize) {
        let text = serde_json::to_string(document).expect("documents are plain data with text keys");
        self.terminal.data(&text);
    }
}

/// The whole program: parses, runs one verb, says how it ended.
pub fn main() -> ExitCode {
    main_through(&Real)
}

/// The same through doors of somebody's own.
pub fn main_through(doors: &'static dyn Doors) -> ExitCode {
    let cli = Cli::parse();
    let terminal = terminal(&cli.global);
    start_logging(&cli, &terminal);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.talk(&format!("error: the runtime cannot be started: {error}"));
            return ExitCode::from(Exit::Bug.code());
        }
    };
    let outcome = runtime.block_on(dispatch(cli, terminal.clone(), doors));
    // A load or a probe that hangs in a blocking call must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    let exit = outcome.unwrap_or_else(|error| {
        terminal.talk(&format!("{} {}", terminal.paint_talk().red("error:"), error.message));
        if let Some(hint) = &error.hint {
            terminal.talk(&format!("hint: {hint}"));
        }
        error.exit
    });
    ExitCode::from(exit.code())
}

/// Logs of crmctl itself go to stderr when asked for: `--verbose`, or `CRMCTL_LOG`. A supervisor's stderr is the
/// file that hints say to read. A line that cannot be written (full disk, closed terminal) is lost without a word:
/// complaining about it on the same stderr would panic.
fn start_logging(cli: &Cli, terminal: &Terminal) {
    let supervises = matches!(cli.verb, Verb::Supervise(_));
    let default = if cli.global.verbose || supervises { "crmctl=info" } else { "error" };
    let filter = EnvFilter::try_from_env("CRMCTL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal.paint_talk().on);
    let _ = log.log_internal_errors(false).with_writer(std::io::stderr).try_init();
}

/// The terminal that the options ask for.
pub fn terminal(global: &Global) -> Arc<Terminal> {
    let verbosity = match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    Arc::new(Terminal::new(global.output == Output::Json, verbosity))
}

/// Runs one verb.
///
/// # Errors
/// Whatever it says.
pub async fn dispatch(cli: Cli, terminal: Arc<Terminal>, doors: &'static dyn Doors) -> Result<Exit, Error> {
    if let Verb::Supervise(arguments) = cli.verb {
        return supervise::command(arguments).await;
    }
    match &cli.verb {
        Verb::Completions(arguments) => return manual::completions(&terminal, arguments.shell),
        Verb::Man => return manual::page(&terminal),
        _ => {}
    }
    if let Verb::Suite(arguments) = cli.verb {
        return suite::command(&terminal, arguments).await;
    }
    if let Verb::Perf(arguments) = &cli.verb
        && arguments.url.is_some()
    {
        return perf::anywhere(&terminal, cli.global.config.as_deref(), arguments).await;
    }
    if let Verb::Migrate(arguments) = &cli.verb
        && let Some(verb) = arguments.elsewhere()
    {
        return migrate::anywhere(&terminal, verb).await;
    }
    let place = Place::find(cli.global.config.as_deref())?;
    let context = Context { terminal, place, global: cli.global, doors };
    let phase = |phase| Request::new(Asked::Phase(phase));
    match cli.verb {
        Verb::Deploy(arguments) => deploy::command(&context, &arguments, arguments.plan).await,
        Verb::Plan(arguments) => deploy::command(&context, &arguments, true).await,
        Verb::Preflight(on) => {
            run::command(&context, &on.on.environment, phase(Phase::Preflight), on.plan).await
        }
        Verb::Build(on) => run::command(&context, &on.on.environment, phase(Phase::Build), on.plan).await,
        Verb::Smoke(on) => run::command(&context, &on.on.environment, phase(Phase::Smoke), on.plan).await,
        Verb::Perf(arguments) => perf::command(&context, &arguments).await,
        Verb::Migrate(arguments) => migrate::command(&context, arguments).await,
        Verb::Env(arguments) => env::command(&context, &arguments).await,
        Verb::Rollback(arguments) => deploy::rollback(&context, &arguments).await,
        Verb::Resume(arguments) => run::resume(&context, &arguments).await,
        Verb::Status(on) => status::command(&context, &on.environment).await,
        Verb::History(arguments) => history::command(&context, &arguments).await,
        Verb::Report(arguments) => report::command(&context, &arguments).await,
        Verb::Release(arguments) => release::command(&context, &arguments).await,
        Verb::Provision(arguments) => provision::command(&context, &arguments).await,
        Verb::Resolve(arguments) => release::resolve(&context, &arguments).await,
        Verb::Logs(arguments) => logs::command(&context, &arguments).await,
        Verb::Down(arguments) => down::command(&context, &arguments).await,
        Verb::Doctor(on) => doctor::command(&context, &on.environment).await,
        Verb::Unlock(arguments) => unlock::command(&context, &arguments).await,
        Verb::Suite(_) | Verb::Supervise(_) | Verb::Completions(_) | Verb::Man => {
            unreachable!("dispatched above")
        }
    }
}
