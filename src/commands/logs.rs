//! `crmctl logs`: what the releases log, from the state directory. Read only.

use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Context;
use crate::cli::LogsArgs;
use crate::error::{Error, Exit};
use crate::site::Needs;
use crate::terminal::Terminal;

/// How often a followed file is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// Most that is read back to find the last lines.
const BACK: u64 = 4 * 1024 * 1024;

/// Prints the last lines, and what comes when followed.
///
/// # Errors
/// There is no log.
pub(super) async fn command(context: &Context, arguments: &LogsArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let site = context.site(name, Needs::WhatIsThere)?;
    let file = site.platform.log_file();
    if !file.is_file() && !arguments.follow {
        let message = format!("`{name}` has logged nothing yet (`{}`)", file.display());
        return Err(Error::refused(message).hint(format!("run `crmctl deploy {name}`")));
    }
    let printer = Printer { terminal: &context.terminal, grep: arguments.grep.as_deref() };
    let mut position = printer.last(&file, arguments.lines).await?;
    while arguments.follow {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            () = tokio::time::sleep(EVERY) => position = printer.more(&file, position).await?,
        }
    }
    Ok(Exit::Done)
}

struct Printer<'a> {
    terminal: &'a Terminal,
    grep: Option<&'a str>,
}

impl Printer<'_> {
    /// Prints the last lines; gives the end of the last whole one.
    async fn last(&self, file: &Path, lines: usize) -> Result<u64, Error> {
        let length = tokio::fs::metadata(file).await.map_or(0, |metadata| metadata.len());
        let start = length.saturating_sub(BACK);
        let text = read(file, start).await?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let wanted: Vec<&str> = text[..whole].lines().filter(|line| self.matches(line)).collect();
        for line in wanted.iter().skip(wanted.len().saturating_sub(lines)) {
            self.terminal.data(&printable(line));
        }
        Ok(start + whole as u64)
    }

    /// Prints whole lines after `position`; a file that became shorter was rotated and is read from its start.
    async fn more(&self, file: &Path, position: u64) -> Result<u64, Error> {
        let length = tokio::fs::metadata(file).await.map_or(0, |metadata| metadata.len());
        let position = if length < position { 0 } else { position };
        if length == position {
            return Ok(position);
        }
        let text = read(file, position).await?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines().filter(|line| self.matches(line)) {
            self.terminal.data(&printable(line));
        }
        Ok(position + whole as u64)
    }

    fn matches(&self, line: &str) -> bool {
        self.grep.is_none_or(|wanted| line.contains(wanted))
    }
}

async fn read(file: &Path, from: u64) -> Result<String, Error> {
    let failed = |error: std::io::Error| Error::refused(format!("`{}`: {error}", file.display()));
    let mut opened = match tokio::fs::File::open(file).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(error)),
    };
    opened.seek(SeekFrom::Start(from)).await.map_err(failed)?;
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).await.map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
