//! The log of an environment on a swarm, asked of its engine.

use super::{follow, printable};
use crate::cli::LogsArgs;
use crate::commands::Context;
use crate::docker::EngineError;
use crate::error::{Error, Exit, chain};
use crate::platform::swarm::SwarmPlatform;

/// Prints the last lines of all tasks, and what comes when followed, until nobody reads it any more.
pub(super) async fn tell(
    context: &Context,
    platform: &SwarmPlatform,
    arguments: &LogsArgs,
) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let refused = |error: EngineError| Error::refused(chain(&error)).hint(error.hint());
    let wanted = |line: &str| arguments.grep.as_deref().is_none_or(|text| line.contains(text));
    let last = platform.last_log_lines(arguments.lines, arguments.grep.as_deref()).await;
    let (lines, asked) = last.map_err(refused)?;
    if !arguments.follow && asked.is_empty() {
        return Err(Error::refused(format!("`{name}` has logged nothing yet"))
            .hint(format!("run `crmctl deploy {name}`")));
    }
    for line in &lines {
        if context.terminal.try_data(&printable(line)).is_err() {
            return Ok(Exit::Done);
        }
    }
    if !arguments.follow {
        return Ok(Exit::Done);
    }
    let mut followed = platform.follow_log(asked);
    follow(context, wanted, async || followed.next_line().await.transpose().map_err(refused)).await
}
