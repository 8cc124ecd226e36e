//! `crmctl logs`: what the releases log, from the state directory or from the engine. Read only.

mod swarm;

use std::time::Duration;

use super::Context;
use crate::cli::LogsArgs;
use crate::error::{Error, Exit, chain};
use crate::platform::AnyPlatform;
use crate::platform::process::LogError;
use crate::site::Needs;

/// How often a reader that has left is noticed although nothing is written.
const PERIOD: Duration = Duration::from_millis(200);

/// Prints the last lines, and what comes when followed, until nobody reads it any more.
///
/// # Errors
/// There is no log, or it cannot be read.
pub(super) async fn command(context: &Context, arguments: &LogsArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let site = context.site(name, Needs::WhatIsThere)?;
    let platform = match &site.platform {
        AnyPlatform::Process(platform) => platform,
        AnyPlatform::Swarm(platform) => return swarm::tell(context, platform, arguments).await,
    };
    let refused = |error: LogError| Error::refused(chain(&error));
    let wanted = |line: &str| arguments.grep.as_deref().is_none_or(|text| line.contains(text));
    let end = platform.last_log_lines(arguments.lines, wanted);
    if !arguments.follow && platform.last_log_lines(1, |_| true).lines.is_empty() {
        return Err(Error::refused(format!("`{name}` has logged nothing yet"))
            .hint(format!("run `crmctl deploy {name}`")));
    }
    for line in &end.lines {
        if context.terminal.try_data(&printable(line)).is_err() {
            return Ok(Exit::Done);
        }
    }
    if !arguments.follow {
        return Ok(Exit::Done);
    }
    let mut followed = platform.follow_log_after(&end).map_err(refused)?;
    follow(context, wanted, async || followed.next_line().await.map(Some).map_err(refused)).await
}

/// Prints wanted lines as they come, until there are no more or nobody reads them any more. Dropping what `next` gives loses nothing.
async fn follow(
    context: &Context,
    wanted: impl Fn(&str) -> bool,
    mut next: impl AsyncFnMut() -> Result<Option<String>, Error>,
) -> Result<Exit, Error> {
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
            line = next() => line?,
        };
        let Some(line) = line else { return Ok(Exit::Done) };
        if wanted(&line) && context.terminal.try_data(&printable(&line)).is_err() {
            return Ok(Exit::Done);
        }
    }
}

/// A log may hold control bytes that a terminal would obey.
fn printable(line: &str) -> String {
    line.chars()
        .flat_map(|c| if c.is_control() && c != '\t' { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_of_a_log_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\tc"), "a\\u{1b}[2Jb\tc");
    }
}
