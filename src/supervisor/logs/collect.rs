//! Collecting the logs of all releases into `logs/crm.log`, and keeping every log small.
//!
//! Releases write their own files, which this reads on: a supervisor that dies loses nothing, its successor
//! goes on where it stopped.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error as IoError, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, Weak};
use std::time::Duration;

use tokio::time::sleep;

use crate::state_directory::StateDirectory;
use crate::supervisor::core::Supervisor;
use crate::supervisor::logs::{make_room, set_aside_when_large};

/// How often the files are read on.
const PERIOD: Duration = Duration::from_millis(200);
/// A log of releases beyond this many bytes is set aside as `….log.1` and begun anew.
const LARGEST: u64 = 10 * 1024 * 1024;
/// The same for the supervisor's own.
const LARGEST_OWN: u64 = 1024 * 1024;
/// Most bytes read on at once.
const CHUNK: u64 = 1024 * 1024;
/// Most chunks of one release at once: who writes faster than this is read on in the next round.
const MOST_CHUNKS: u32 = 64;
/// A line longer than this is not waited for.
const LONGEST_LINE: usize = 64 * 1024;

/// Collects until the supervisor is gone.
pub(in crate::supervisor) async fn run(supervisor: Weak<Supervisor>) {
    while let Some(supervisor) = supervisor.upgrade() {
        supervisor.collect_logs();
        let own = supervisor.directory.logs().join("supervisor.log");
        drop(supervisor);
        if let Err(error) = keep_small(&own, LARGEST_OWN) {
            tracing::warn!(%error, "the supervisor's log cannot be set aside");
        }
        sleep(PERIOD).await;
    }
}

impl Supervisor {
    /// Collects what all releases that run have written.
    pub(in crate::supervisor) fn collect_logs(&self) {
        let mut releases: Vec<String> =
            self.state().instances.iter().map(|instance| instance.release.to_string()).collect();
        releases.sort();
        releases.dedup();
        releases.iter().for_each(|release| self.collect_log(release));
    }

    /// Collects what one release has written; its last words when it has ended.
    pub(in crate::supervisor) fn collect_log(&self, release: &str) {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MOST_CHUNKS {
            match collector.collect(release) {
                Ok(Progress::More) => {}
                Ok(Progress::Everything) => return,
                Err(error) => {
                    tracing::warn!(%release, %error, "its log cannot be collected");
                    return;
                }
            }
        }
    }
}

/// How far a log has been read.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Everything,
    /// There may be more.
    More,
}

/// Where each log has been read to.
pub(in crate::supervisor) struct Collector {
    logs: PathBuf,
    combined: PathBuf,
    marks: PathBuf,
    read_to: BTreeMap<String, u64>,
}

impl Collector {
    pub(in crate::supervisor) fn resume(directory: &StateDirectory) -> Self {
        let marks = directory.supervisor().join("collected.json");
        let read_to = std::fs::read(&marks)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { logs: directory.logs(), combined: directory.logs().join("crm.log"), marks, read_to }
    }

    /// Appends the new lines of one release.
    fn collect(&mut self, release: &str) -> Result<Progress, IoError> {
        let path = self.logs.join(format!("{release}.log"));
        let mark = self.read_to.get(release).copied().unwrap_or(0);
        let lines = match new_lines(&path, mark)? {
            Some(lines) => lines,
            None => return Ok(Progress::Everything),
        };
        set_aside_when_large(&self.combined, LARGEST)?;
        let mut combined = open_to_append(&self.combined)?;
        combined.write_all(&prefixed(release, &lines.text))?;
        let read_to = if lines.end > LARGEST { cut(&path, lines.end)? } else { lines.end };
        self.read_to.insert(release.to_owned(), read_to);
        std::fs::write(&self.marks, serde_json::to_vec(&self.read_to).expect("plain data"))?;
        Ok(Progress::More)
    }
}

/// Whole lines, and the offset behind them.
struct Lines {
    text: Vec<u8>,
    end: u64,
}

fn new_lines(path: &Path, mark: u64) -> Result<Option<Lines>, IoError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let length = file.metadata()?.len();
    let from = if mark > length { 0 } else { mark };
    if length == from {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(CHUNK).read_to_end(&mut text)?;
    match text.iter().rposition(|&byte| byte == b'\n') {
        Some(last) => text.truncate(last + 1),
        None if text.len() >= LONGEST_LINE => {}
        None => return Ok(None),
    }
    let end = from + text.len() as u64;
    Ok(Some(Lines { text, end }))
}

fn prefixed(release: &str, text: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len() * 2);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        result.extend_from_slice(release.as_bytes());
        result.push(b' ');
        result.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        result.push(b'\n');
    }
    result
}

fn open_to_append(path: &Path) -> Result<File, IoError> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Copies a log beyond `largest` bytes aside and empties it.
fn keep_small(path: &Path, largest: u64) -> Result<(), IoError> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > largest => cut(path, found.len()).map(drop),
        _ => Ok(()),
    }
}

/// Copies the log aside and empties it, unless it has grown beyond `end` since: then the next round tries.
/// The writer appends, so it goes on at the new beginning. Gives where to read on.
fn cut(path: &Path, end: u64) -> Result<u64, IoError> {
    let copy = path.with_extension("log.new");
    std::fs::copy(path, &copy)?;
    let file = File::options().write(true).open(path)?;
    if file.metadata()?.len() > end {
        std::fs::remove_file(copy)?;
        return Ok(end);
    }
    // A line written between these two calls is lost to the log, never to the release.
    file.set_len(0)?;
    make_room(path)?;
    std::fs::rename(copy, path.with_extension("log.1"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "0123456789ab.01234567";

    fn collector() -> (tempfile::TempDir, Collector, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(directory.path(), "local").unwrap();
        state.ensure().unwrap();
        let log = state.logs().join(format!("{RELEASE}.log"));
        (directory, Collector::resume(&state), log)
    }

    fn append(path: &Path, text: &str) {
        open_to_append(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn whole_lines_are_collected_once_also_by_a_successor() {
        let (directory, mut collector, log) = collector();
        append(&log, "one\ntwo\nthr");
        collector.collect(RELEASE).unwrap();
        collector.collect(RELEASE).unwrap();
        append(&log, "ee\n");
        let state = StateDirectory::new(directory.path(), "local").unwrap();
        Collector::resume(&state).collect(RELEASE).unwrap();
        let combined = std::fs::read_to_string(state.logs().join("crm.log")).unwrap();
        assert_eq!(combined, format!("{RELEASE} one\n{RELEASE} two\n{RELEASE} three\n"));
    }

    #[test]
    fn large_log_is_set_aside_and_begun_anew() {
        let (_directory, mut collector, log) = collector();
        let line = "x".repeat(1023) + "\n";
        append(&log, &line.repeat(11 * 1024));
        while collector.collect(RELEASE).unwrap() == Progress::More {}
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
        append(&log, "after\n");
        collector.collect(RELEASE).unwrap();
        let combined = std::fs::read_to_string(&collector.combined).unwrap();
        assert!(combined.ends_with(&format!("{RELEASE} after\n")));
        let aside = collector.combined.with_extension("log.1");
        let total = std::fs::metadata(&aside).unwrap().len() + combined.len() as u64;
        assert!(total > 11 * 1024 * 1024, "lines were lost: {total}");
    }

    #[test]
    fn as_many_logs_as_are_kept_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("supervisor.log");
        keep_small(&log, 4).unwrap();
        for number in 1..=6 {
            append(&log, &format!("line {number}\n"));
            keep_small(&log, 4).unwrap();
        }
        append(&log, "7\n");
        keep_small(&log, 4).unwrap();
        let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        let kept: Vec<String> = super::super::generations(&log).iter().map(text).collect();
        assert_eq!(kept, ["7\n", "line 6\n", "line 5\n", "line 4\n"]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
