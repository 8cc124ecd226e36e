//! Suites and thresholds of a configuration directory.

use std::path::Path;

use crate::error::Error;

/// Reads a suite file.
///
/// # Errors
/// Everything wrong in it, each with its line.
pub fn read_suite(file: &Path) -> Result<checks::Suite, Error> {
    let shown = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| Error::refused(format!("`{shown}`: {error}")))?;
    let name =
        file.strip_prefix(std::env::current_dir().unwrap_or_default()).unwrap_or(file).display().to_string();
    checks::Suite::parse(&name, &text).map_err(|error| file_error(&error))
}

/// Reads `thresholds.toml` of a configuration directory.
///
/// # Errors
/// Everything wrong in it, each with its line.
pub fn read_thresholds(config: &Path) -> Result<checks::Thresholds, Error> {
    let file = config.join("thresholds.toml");
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Error::refused(format!("`{}`: {error}", file.display())))?;
    checks::Thresholds::parse("config/thresholds.toml", &text).map_err(|error| file_error(&error))
}

/// Every mistake of a file on a line of its own.
fn file_error(error: &checks::FileError) -> Error {
    Error::refused(error.lines().collect::<Vec<_>>().join("\n"))
}

pub(super) fn suite_names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}
