//! Verbs of migrate on any directory and database (`--dir`, `--dsn-env`). Needs no environment and no checkout.

use ::migrate::{ApplyOptions, Event, Patience, Scope};

use super::subject::Subject;
use super::{failed, plan, status};
use crate::cli::MigrateVerb;
use crate::error::{Error, Exit};
use crate::terminal::Terminal;
use crate::{effects, run_id};

/// Dispatches the verb.
///
/// # Errors
/// Whatever the verb says.
pub(crate) async fn anywhere(terminal: &Terminal, verb: &MigrateVerb) -> Result<Exit, Error> {
    match verb {
        MigrateVerb::Apply(stages) => apply(terminal, &Subject::elsewhere(&stages.target)?).await,
        MigrateVerb::Plan(stages) => plan(terminal, Subject::elsewhere(&stages.target)?, Scope::All).await,
        MigrateVerb::Status(target) => status(terminal, Subject::elsewhere(target)?).await,
        MigrateVerb::Rollback(_) => Err(Error::usage("`migrate rollback` needs an environment")),
    }
}

/// Nobody says here which releases there are, so contract migrations run too.
async fn apply(terminal: &Terminal, subject: &Subject) -> Result<Exit, Error> {
    let (set, run) = (subject.set()?, run_id::fresh());
    let options = ApplyOptions {
        author: effects::migrate::author(&run),
        token: None,
        scope: Scope::All,
        patience: Patience::default(),
    };
    let tell = |event: Event| terminal.line(&effects::migrate::words(&event));
    let applied = ::migrate::apply(&subject.database(&run)?, &set, &options, &tell).await;
    let applied = applied.map_err(|error| failed(&error))?;
    if terminal.json {
        let document =
            serde_json::json!({ "schema": 1, "applied": applied.migrations, "latest": applied.latest });
        terminal.data(&document.to_string());
    } else {
        terminal.data(&format!("{} applied", applied.migrations.len()));
    }
    Ok(Exit::Done)
}
