//! `runs/<run>/` in the state directory: the results of past runs, so that they can be reported again. Owns files and
//! how long they stay; the journal, which is never cut, is the truth about a run.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::result::{LoadView, RunResult};
use crate::state_directory::StateDirectory;

/// Runs whose results are kept; of older ones the journal still tells everything but the charts.
pub const KEPT: usize = 100;
const RESULT: &str = "run.json";
const PAGE: &str = "report.html";
const LOAD: &str = ".load.json";

/// The results of one environment.
#[derive(Debug, Clone)]
pub struct Archive {
    runs: PathBuf,
}

impl Archive {
    /// The archive of an environment. Touches nothing.
    pub fn of(state: &StateDirectory) -> Self {
        Self { runs: state.runs() }
    }

    /// Folder of a run.
    pub fn folder(&self, run: &str) -> PathBuf {
        self.runs.join(run)
    }

    /// Keeps a result, and lets the oldest go when there are too many.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, result: &RunResult) -> io::Result<PathBuf> {
        let text = serde_json::to_vec_pretty(result).map_err(io::Error::other)?;
        write(&self.made(&result.run)?, RESULT, &text)?;
        self.forget_oldest(&result.run);
        Ok(self.folder(&result.run))
    }

    /// Keeps a load as soon as it is through: the journal does not hold it, and the run may be killed before its end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_load(&self, run: &str, step: &str, load: &Value) -> io::Result<()> {
        let text = serde_json::to_vec(load).map_err(io::Error::other)?;
        write(&self.made(run)?, &format!("{step}{LOAD}"), &text)
    }

    /// Keeps the page of a run, for a browser.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_page(&self, run: &str, page: &str) -> io::Result<PathBuf> {
        let folder = self.made(run)?;
        write(&folder, PAGE, page.as_bytes())?;
        Ok(folder.join(PAGE))
    }

    /// The result that was kept of a run.
    pub fn read(&self, run: &str) -> Option<RunResult> {
        let text = std::fs::read(self.folder(run).join(RESULT)).ok()?;
        serde_json::from_slice(&text).ok().filter(|result: &RunResult| result.schema == 1)
    }

    /// The loads that were kept of a run, by step.
    pub fn loads(&self, run: &str) -> BTreeMap<String, LoadView> {
        let Ok(entries) = std::fs::read_dir(self.folder(run)) else { return BTreeMap::new() };
        let load = |entry: std::fs::DirEntry| {
            let step = entry.file_name().to_str()?.strip_suffix(LOAD)?.to_owned();
            Some((step, serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?))
        };
        entries.filter_map(Result::ok).filter_map(load).collect()
    }

    /// Runs that have a folder, newest first.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.runs) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        // A run's name begins with its time.
        names.sort_unstable_by(|a, b| b.cmp(a));
        names
    }

    fn made(&self, run: &str) -> io::Result<PathBuf> {
        let folder = self.folder(run);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(folder)
    }

    /// What cannot be removed now is removed after the next run.
    fn forget_oldest(&self, newest: &str) {
        for run in self.runs().into_iter().skip(KEPT).filter(|run| run != newest) {
            if let Err(error) = std::fs::remove_dir_all(self.folder(&run)) {
                tracing::warn!(%error, run, "an old result could not be removed");
            }
        }
    }
}

/// Whole or not at all, for its owner only.
fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let options =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
        let mut file = options?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, folder.join(name))
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(run: &str) -> RunResult {
        let text = include_str!("fixtures/good.json");
        RunResult { run: run.to_owned(), ..serde_json::from_str(text).unwrap() }
    }

    fn archive(directory: &Path) -> Archive {
        Archive::of(&StateDirectory::new(directory, "local").unwrap())
    }

    #[test]
    fn a_hundred_results_are_kept_and_the_oldest_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        let run = |number: usize| format!("20261124T{number:06}Z-0000");
        for number in 0..KEPT + 3 {
            archive.keep(&result(&run(number))).unwrap();
        }
        let kept = archive.runs();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].clone(), kept[KEPT - 1].clone()), (run(KEPT + 2), run(3)));
        assert_eq!(archive.read(&run(3)).unwrap().run, run(3));
        assert!(archive.read(&run(0)).is_none());
    }

    #[test]
    fn a_result_of_a_run_older_than_all_kept_ones_survives_its_own_keeping() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        for number in 0..KEPT {
            archive.keep(&result(&format!("20261124T{number:06}Z-0000"))).unwrap();
        }
        archive.keep(&result("20200101T000000Z-0000")).unwrap();
        assert!(archive.read("20200101T000000Z-0000").is_some(), "a run that was resumed after a long time");
    }

    #[test]
    fn torn_results_and_loads_are_as_if_they_were_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        let result = result("20261124T000000Z-0000");
        let folder = archive.keep(&result).unwrap();
        let load = serde_json::to_value(&result.loads["perf.load"]).unwrap();
        archive.keep_load(&result.run, "perf.load", &load).unwrap();
        assert_eq!(archive.loads(&result.run), result.loads);
        std::fs::write(folder.join("other.load.json"), "{").unwrap();
        std::fs::write(folder.join(RESULT), "{\"schema\":1").unwrap();
        assert_eq!(archive.loads(&result.run).len(), 1);
        assert!(archive.read(&result.run).is_none());
    }
}
