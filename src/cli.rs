//! The command line exactly as typed. No IO, no environment: meaning is made in `commands`.
//!
//! Length: one type per verb and nothing else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::run_id::RunId;

/// Rolls a CRM out to staging and proves that it works.
#[derive(Debug, Parser)]
#[command(name = "crmctl", version, about, max_term_width = 100)]
#[command(after_help = crate::cli::exit_codes())]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Text for people, or one JSON document or event per line
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub output: Output,
    /// Write the run's report (run.json, junit.xml, report.md, report.html) into this folder as well
    #[arg(long, value_name = "DIR", global = true)]
    pub report: Option<PathBuf>,
    /// Configuration directory (default: `config` at the top of the checkout)
    #[arg(long, value_name = "DIR", global = true)]
    pub config: Option<PathBuf>,
    /// Port of an embedded environment (default: the one it listens on, else that of `[backend] url`)
    #[arg(long, value_name = "PORT", global = true)]
    pub port: Option<u16>,
    /// Answer yes to questions
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Results and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Every step and check
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build, migrate, switch, check and measure: the whole pipeline
    Deploy(DeployArgs),
    /// Ask whether a deploy could work; change nothing
    Preflight(OnEnvironment),
    /// Build the release
    Build(OnEnvironment),
    /// Apply, show or revert migrations
    Migrate(MigrateArgs),
    /// Run the smoke suite against the public address
    Smoke(OnEnvironment),
    /// Measure under load and judge by thresholds
    Perf(PerfArgs),
    /// Go back to the previous good release, or unwind an unfinished run
    Rollback(RollbackArgs),
    /// Print what a deploy would do; change nothing
    Plan(DeployArgs),
    /// What serves, what served before, who holds the lease, how the last run ended
    Status(EnvironmentName),
    /// Past runs, newest first
    History(HistoryArgs),
    /// Report a past run: text, JSON, JUnit, Markdown, or a page for the browser
    Report(ReportArgs),
    /// Finish a run that was killed or cut off
    Resume(ResumeArgs),
    /// Reject a release, or free it again
    Release(ReleaseArgs),
    /// The values an environment is given: make them, check them, compare them; never shows one
    Env(EnvArgs),
    /// Make what an environment stands on and a deploy does not make: swarm, databases, edge
    Provision(ProvisionArgs),
    /// Say that a person has looked at a stuck environment
    Resolve(ResolveArgs),
    /// Ask what is wrong and what to do about it; change nothing
    Doctor(EnvironmentName),
    /// Take the lease away from a run that will never give it back
    Unlock(UnlockArgs),
    /// Print what the releases log
    Logs(LogsArgs),
    /// Stop an embedded environment
    Down(DownArgs),
    /// Run a suite file against any address
    Suite(SuiteArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
    /// The process that owns the public socket of an environment
    #[command(hide = true)]
    Supervise(crate::supervisor::SuperviseOptions),
}

/// The environment.
#[derive(Debug, Clone, Args)]
pub struct EnvironmentName {
    /// Name of a file in `config/environments`, as `local` or `staging`
    pub environment: String,
}

/// An environment and whether only to plan.
#[derive(Debug, Clone, Args)]
pub struct OnEnvironment {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Print what would be done; change nothing
    #[arg(long)]
    pub plan: bool,
}

/// Which part of the pipeline.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Print what would be done; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Begin at this phase
    #[arg(long, value_enum, value_name = "PHASE", conflicts_with = "only")]
    pub from: Option<PhaseName>,
    /// Run these phases only
    #[arg(long, value_enum, value_name = "PHASE", value_delimiter = ',')]
    pub only: Vec<PhaseName>,
    /// Leave a phase out; needs --reason
    #[arg(long, value_enum, value_name = "PHASE", value_delimiter = ',', requires = "reason")]
    pub skip: Vec<PhaseName>,
    /// Why a phase is left out; goes into the journal
    #[arg(long, value_name = "TEXT", requires = "skip")]
    pub reason: Option<String>,
    /// Overwrite what another tool has changed on what serves
    #[arg(long)]
    pub adopt: bool,
    /// The `release.json` of a build elsewhere, whose image lies in the registry: nothing is built here
    #[arg(long, value_name = "FILE")]
    pub release: Option<PathBuf>,
}

/// Phases of the pipeline as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PhaseName {
    /// Refuse what cannot work
    Preflight,
    /// Make the bytes
    Build,
    /// Bring the schema forward
    Migrate,
    /// Start, prove, switch
    Deploy,
    /// Check the public address
    Smoke,
    /// Measure
    Perf,
}

/// `crmctl migrate [apply|status|plan|rollback] ENV [N]`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct MigrateArgs {
    /// What to do with the schema.
    #[command(subcommand)]
    pub verb: Option<MigrateVerb>,
    /// Environment to apply all pending migrations to
    #[arg(required = true)]
    pub environment: Option<String>,
    /// Print what would be done; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Run contract migrations too; refused while a release that may serve again needs the old shape
    #[arg(long)]
    pub contract: bool,
}

impl MigrateArgs {
    /// The verb, when it deals with a directory and a database instead of an environment.
    pub fn elsewhere(&self) -> Option<&MigrateVerb> {
        let target = match self.verb.as_ref()? {
            MigrateVerb::Apply(stages) | MigrateVerb::Plan(stages) => &stages.target,
            MigrateVerb::Status(target) => target,
            MigrateVerb::Rollback(_) => return None,
        };
        self.verb.as_ref().filter(|_| target.dir.is_some())
    }
}

/// Verbs of migrate.
#[derive(Debug, Clone, Subcommand)]
pub enum MigrateVerb {
    /// Apply all pending migrations (the default)
    Apply(MigrateStages),
    /// Which migrations are applied, pending, reverted, and what does not fit
    Status(MigrateTarget),
    /// What apply would do, statement by statement
    Plan(MigrateStages),
    /// Revert exactly one migration
    Rollback(MigrateRollbackArgs),
}

/// What `apply` and `plan` deal with.
#[derive(Debug, Clone, Args)]
pub struct MigrateStages {
    /// Where.
    #[command(flatten)]
    pub target: MigrateTarget,
    /// Contract migrations too; with `--dir` they always are
    #[arg(long, conflicts_with = "dir")]
    pub contract: bool,
}

/// An environment, or a directory and a database of any other service: exactly one of the two.
#[derive(Debug, Clone, Args)]
pub struct MigrateTarget {
    /// Environment
    #[arg(required_unless_present = "dir", conflicts_with_all = ["dir", "dsn_env"])]
    pub environment: Option<String>,
    /// Directory with migration files, instead of an environment
    #[arg(long, value_name = "DIR", requires = "dsn_env")]
    pub dir: Option<PathBuf>,
    /// Name of the variable that holds the DSN
    #[arg(long, value_name = "NAME", requires = "dir")]
    pub dsn_env: Option<String>,
}

/// `crmctl migrate rollback ENV N`.
#[derive(Debug, Clone, Args)]
pub struct MigrateRollbackArgs {
    /// Environment
    pub environment: String,
    /// Number of the migration, as 16
    pub number: i64,
    /// Consent: the serving release loses a schema it needs
    #[arg(long)]
    pub while_serving: bool,
    /// Consent: at most this many rows are lost
    #[arg(long, value_name = "N")]
    pub accept_loss: Option<u64>,
}

/// `crmctl perf`.
#[derive(Debug, Clone, Args)]
pub struct PerfArgs {
    /// Environment
    #[arg(required_unless_present = "url")]
    pub environment: Option<String>,
    /// Print what would be done; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Any other service
    #[arg(long, value_name = "URL", requires = "suite", conflicts_with_all = ["environment", "plan"])]
    pub url: Option<String>,
    /// Suite file whose requests are the mix
    #[arg(long, value_name = "FILE", requires = "url")]
    pub suite: Option<PathBuf>,
    /// Requests per second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "url")]
    pub rate: u32,
    /// Seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600), requires = "url")]
    pub duration: u32,
    /// Thresholds that must be measured and met
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "url")]
    pub require: Vec<String>,
}

/// `crmctl rollback`.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Print what would be done; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Release to go back to (default: the previous good one)
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Take back this unfinished run, and do nothing if it is not the unfinished one
    #[arg(long, value_name = "RUN", conflicts_with_all = ["to", "plan"])]
    pub run: Option<RunId>,
}

/// `crmctl resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Finish this run, and do nothing if it is not the unfinished one
    #[arg(long, value_name = "RUN")]
    pub run: Option<RunId>,
}

/// `crmctl release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// What to decide.
    #[command(subcommand)]
    pub verb: ReleaseVerb,
}

/// Verbs of release.
#[derive(Debug, Clone, Subcommand)]
pub enum ReleaseVerb {
    /// Never deploy it or go back to it again
    Block(BlockArgs),
    /// Let it be deployed again
    Unblock(UnblockArgs),
}

/// `crmctl release block`.
#[derive(Debug, Clone, Args)]
pub struct BlockArgs {
    /// Environment
    pub environment: String,
    /// Release id, as `crmctl status` shows it
    pub release: String,
    /// Why; goes into the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `crmctl release unblock`.
#[derive(Debug, Clone, Args)]
pub struct UnblockArgs {
    /// Environment
    pub environment: String,
    /// Release id, as `crmctl status` shows it
    pub release: String,
}

/// `crmctl env`.
#[derive(Debug, Clone, Args)]
pub struct EnvArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: EnvVerb,
}

/// Verbs of env.
#[derive(Debug, Clone, Subcommand)]
pub enum EnvVerb {
    /// Make the secrets file with strong values, or add what it lacks; changes no value that is there
    Init(EnvironmentName),
    /// Each value that is needed or possible: given, missing, wrong or left out
    Check(EnvironmentName),
    /// What the next release would be given that the serving one was not
    Diff(EnvironmentName),
}

/// `crmctl resolve`.
#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// What was found and done; goes into the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `crmctl unlock`.
#[derive(Debug, Clone, Args)]
pub struct UnlockArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Run that holds the lease, as the refusal and `crmctl status` print it
    #[arg(long, value_name = "RUN")]
    pub run: RunId,
    /// Its token, as `crmctl status` prints it
    #[arg(long, value_name = "N")]
    pub token: u64,
    /// Although its process lives; needs --reason
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Why; goes into the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `crmctl completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `crmctl history`.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// At most this many
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
}

/// `crmctl report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Environment; or a run by its id, or `last`, where only one environment can be meant
    #[arg(value_name = "ENVIRONMENT|RUN")]
    pub subject: String,
    /// Run id, as `crmctl history` shows it, or `last` (the default)
    pub run: Option<String>,
    /// Form (default: that of --output)
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<ReportFormat>,
    /// Show the page in a browser
    #[arg(long, conflicts_with = "format")]
    pub open: bool,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people, in the terminal.
    Text,
    /// For machines: `run.json`.
    Json,
    /// For CI servers.
    Junit,
    /// For GitHub's step summary.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

/// `crmctl logs`.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Go on printing what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Last lines to begin with
    #[arg(long, short = 'n', default_value_t = 100)]
    pub lines: usize,
    /// Only lines that contain this
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
}

/// `crmctl provision`.
#[derive(Debug, Clone, Args)]
pub struct ProvisionArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Say what is missing and change nothing
    #[arg(long)]
    pub plan: bool,
}

/// `crmctl down`.
#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// Environment.
    #[command(flatten)]
    pub on: EnvironmentName,
    /// Remove its state as well: releases, journal and database
    #[arg(long)]
    pub purge: bool,
}

/// `crmctl suite`.
#[derive(Debug, Clone, Args)]
pub struct SuiteArgs {
    /// What to do with the suite.
    #[command(subcommand)]
    pub verb: SuiteVerb,
}

/// Verbs of suite.
#[derive(Debug, Clone, Subcommand)]
pub enum SuiteVerb {
    /// Run it
    Run(SuiteRunArgs),
}

/// `crmctl suite run`.
#[derive(Debug, Clone, Args)]
pub struct SuiteRunArgs {
    /// Suite file
    pub file: PathBuf,
    /// Address to probe
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Tenant that the suite speaks for
    #[arg(long, default_value_t = 1)]
    pub tenant_id: u32,
}

/// The table of exit codes as help shows it.
pub fn exit_codes() -> String {
    let lines = crate::error::Exit::TABLE.map(|(exit, sentence)| format!("  {:>2}  {sentence}", exit.code()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn migrate_deals_with_an_environment_or_a_directory_and_never_with_both() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' ')).map_err(|error| error.kind());
        for verb in ["apply", "status", "plan"] {
            let both = parse(&format!("crmctl migrate {verb} local --dir d --dsn-env N")).unwrap_err();
            assert_eq!(both, ErrorKind::ArgumentConflict, "{verb}");
            let neither = parse(&format!("crmctl migrate {verb}")).unwrap_err();
            assert_eq!(neither, ErrorKind::MissingRequiredArgument, "{verb}");
            let half = parse(&format!("crmctl migrate {verb} --dir d")).unwrap_err();
            assert_eq!(half, ErrorKind::MissingRequiredArgument, "{verb}");
            assert!(parse(&format!("crmctl migrate {verb} local")).is_ok(), "{verb}");
            assert!(parse(&format!("crmctl migrate {verb} --dir d --dsn-env N")).is_ok(), "{verb}");
        }
        assert!(parse("crmctl migrate apply --dir d --dsn-env N --contract").is_err());
        assert!(parse("crmctl migrate local --contract").is_ok());
    }
}
