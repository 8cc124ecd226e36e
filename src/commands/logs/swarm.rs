//! The log of an environment on a swarm, asked of its engine.

use std::time::Duration;

use super::printable;
use crate::cli::LogsArgs;
use crate::commands::Context;
use crate::docker::EngineError;
use crate::error::{Error, Exit, chain};
use crate::platform::swarm::SwarmPlatform;

/// How often a reader that has left is noticed although nothing is written.
const PERIOD: Duration = Duration::from_millis(200);

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
    let mut look = tokio::time::interval(PERIOD);
    loop {
        let line = tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            _ = look.tick() => {
                if context.terminal.is_deserted() {
                    return Ok(Exit::Done);
                }
                continue;
            }
            line = followed.next_line() => match line {
                Some(line) => line.map_err(refused)?,
                None => return Ok(Exit::Done),
            },
        };
        if wanted(&line) && context.terminal.try_data(&printable(&line)).is_err() {
            return Ok(Exit::Done);
        }
    }
}
