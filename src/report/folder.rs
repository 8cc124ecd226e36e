//! The folder of `--report`: a run in every form that others read. One reporter that fails stops no other one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::result::RunResult;
use super::{html, junit, markdown};

/// Makes one form of a result.
pub type Reporter = fn(&RunResult) -> Result<String, String>;

/// Each file with its reporter.
pub const REPORTERS: [(&str, Reporter); 4] = [
    ("run.json", json),
    ("junit.xml", junit::render),
    ("report.md", |result| Ok(markdown::render(result))),
    ("report.html", |result| Ok(html::render(result))),
];

/// `run.json`.
///
/// # Errors
/// What the serializer says.
pub fn json(result: &RunResult) -> Result<String, String> {
    serde_json::to_string_pretty(result).map(|text| format!("{text}\n")).map_err(|error| error.to_string())
}

/// A form that could not be written, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which file.
    pub file: PathBuf,
    /// Why.
    pub cause: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the report cannot be written: `{}`: {}", self.file.display(), self.cause)
    }
}

/// Writes a result into `folder` in the forms given; tells what did not work.
pub fn write(folder: &Path, result: &RunResult, reporters: &[(&str, Reporter)]) -> Vec<Problem> {
    if let Err(error) = std::fs::create_dir_all(folder) {
        return vec![Problem { file: folder.to_owned(), cause: error.to_string() }];
    }
    let one = |(name, reporter): &(&str, Reporter)| {
        let file = folder.join(name);
        // A bug in one of them must not cost the others, let alone the ending of the run.
        let rendered = catch_unwind(AssertUnwindSafe(|| reporter(result)))
            .unwrap_or_else(|_| Err("this reporter has a bug".to_owned()));
        let written = rendered.and_then(|text| replace(&file, &text).map_err(|error| error.to_string()));
        written.err().map(|cause| Problem { file, cause })
    };
    reporters.iter().filter_map(one).collect()
}

/// Readers see the old file or the new one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let unfinished = file.with_file_name(name);
    let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}
