//! `crmctl logs`: what the releases log, from the state directory. Read only.

use super::Context;
use crate::cli::LogsArgs;
use crate::error::{Error, Exit, chain};
use crate::site::Needs;
use crate::terminal::Terminal;

/// Prints the last lines, and what comes when followed.
///
/// # Errors
/// There is no log, or it cannot be read.
pub(super) async fn command(context: &Context, arguments: &LogsArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let site = context.site(name, Needs::WhatIsThere)?;
    let refused = |error: &dyn std::error::Error| Error::refused(chain(error));
    // Opened before the last lines are read, so that none is lost between the two.
    let followed = if arguments.follow {
        Some(site.platform.follow_log().map_err(|error| refused(&error))?)
    } else {
        None
    };
    let lines = site.platform.last_log_lines(arguments.lines);
    if lines.is_empty() && followed.is_none() {
        return Err(Error::refused(format!("`{name}` has logged nothing yet"))
            .hint(format!("run `crmctl deploy {name}`")));
    }
    let print = |terminal: &Terminal, line: &str| {
        if arguments.grep.as_deref().is_none_or(|wanted| line.contains(wanted)) {
            terminal.data(&printable(line));
        }
    };
    for line in lines {
        print(&context.terminal, &line);
    }
    let Some(mut followed) = followed else { return Ok(Exit::Done) };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            line = followed.next_line() => print(&context.terminal, &line.map_err(|error| refused(&error))?),
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
