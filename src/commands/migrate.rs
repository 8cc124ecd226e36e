//! `crmctl migrate [apply|status|plan|rollback]`: the schema alone. `apply` on an environment is a run like any
//! other; `rollback` takes the lease; `status` and `plan` only look.

mod anywhere;
mod rollback;
mod shown;
mod subject;

use ::migrate::{Kind, Scope};
use phases::plan::Phase;
use phases::request::{Request, Verb};

pub(super) use anywhere::anywhere;

use self::subject::Subject;
use super::{Context, run};
use crate::cli::{MigrateArgs, MigrateStages, MigrateVerb};
use crate::error::{Error, Exit, chain};
use crate::site::Needs;
use crate::terminal::Terminal;

/// Dispatches the verb on an environment.
///
/// # Errors
/// Whatever the verb says.
pub(super) async fn command(context: &Context, arguments: MigrateArgs) -> Result<Exit, Error> {
    match arguments.verb {
        None => apply(context, arguments.environment, arguments.contract, arguments.plan).await,
        Some(MigrateVerb::Apply(MigrateStages { target, contract })) => {
            apply(context, target.environment, contract, false).await
        }
        Some(MigrateVerb::Status(target)) => {
            status(&context.terminal, of_environment(context, target.environment)?).await
        }
        Some(MigrateVerb::Plan(MigrateStages { target, contract })) => {
            let scope = if contract { Scope::All } else { Scope::BeforeContract };
            plan(&context.terminal, of_environment(context, target.environment)?, scope).await
        }
        Some(MigrateVerb::Rollback(arguments)) => rollback::command(context, &arguments).await,
    }
}

async fn apply(
    context: &Context,
    environment: Option<String>,
    contract: bool,
    only_plan: bool,
) -> Result<Exit, Error> {
    let request = Request { contract, ..Request::new(Verb::Phase(Phase::Migrate)) };
    run::command(context, &named(environment)?, request, only_plan).await
}

fn of_environment(context: &Context, environment: Option<String>) -> Result<Subject, Error> {
    let site = context.site(&named(environment)?, Needs::WhatIsThere)?;
    Subject::of_site(&site, &context.place.root)
}

fn named(environment: Option<String>) -> Result<String, Error> {
    environment.ok_or_else(|| Error::usage("no environment given").hint("run `crmctl migrate local`"))
}

async fn status(terminal: &Terminal, subject: Subject) -> Result<Exit, Error> {
    let set = subject.set()?;
    let document = match subject.dsn {
        Some(_) => {
            let status = ::migrate::status(&subject.database("status")?, &set).await;
            shown::status(subject.name, &status.map_err(|error| failed(&error))?)
        }
        None => shown::nothing_applied(subject.name, &set),
    };
    if terminal.json {
        terminal.data(&serde_json::to_string(&document).expect("documents are plain data with text keys"));
    } else {
        shown::lines(&document).iter().for_each(|line| terminal.data(line));
    }
    Ok(Exit::Done)
}

async fn plan(terminal: &Terminal, subject: Subject, scope: Scope) -> Result<Exit, Error> {
    let set = subject.set()?;
    let plan = ::migrate::plan(&subject.database("plan")?, &set, scope).await;
    let plan = plan.map_err(|error| failed(&error))?;
    if terminal.json {
        terminal.data(&shown::plan(&subject.name, &plan).to_string());
    } else {
        shown::plan_lines(&plan).iter().for_each(|line| terminal.data(line));
    }
    Ok(Exit::Done)
}

fn failed(error: &::migrate::Error) -> Error {
    let exit = match error.kind() {
        Kind::Refused => Exit::Refused,
        Kind::FenceLost => Exit::LeaseLost,
        Kind::Failed => Exit::Unwound,
    };
    let failed = Error::new(exit, chain(error));
    match error.hint() {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
