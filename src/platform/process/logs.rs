//! Reading the collected log of an environment, also while it grows and when it is set aside meanwhile.

use std::fs::File;
use std::io::{BufRead, BufReader, Error as IoError, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use phases::release::ReleaseId;

use super::ProcessPlatform;
pub use crate::supervisor::logs::tail::LogEnd;
use crate::supervisor::logs::tail::last_lines_of;
use crate::supervisor::logs::{generations, last_lines};

/// How often a followed log is looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// Which log.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: IoError,
    },
}

impl ProcessPlatform {
    /// The last `count` lines of all releases that are `wanted`, oldest first, each `<release> <line>`.
    pub fn last_log_lines(&self, count: usize, wanted: impl Fn(&str) -> bool) -> LogEnd {
        last_lines_of(&generations(&self.log()), count, wanted)
    }

    /// The last `count` lines of one release, oldest first.
    pub fn last_lines_of(&self, release: &ReleaseId, count: usize) -> Vec<String> {
        last_lines(&self.options.directory.logs().join(format!("{release}.log")), 0, count)
    }

    /// Lines as they are written from now on.
    ///
    /// # Errors
    /// When the log exists and cannot be read.
    pub fn follow_log(&self) -> Result<FollowedLog, LogError> {
        self.follow_log_after(&self.last_log_lines(0, |_| true))
    }

    /// Lines as they are written after `end`, each once and none left out.
    ///
    /// # Errors
    /// When the log exists and cannot be read.
    pub fn follow_log_after(&self, end: &LogEnd) -> Result<FollowedLog, LogError> {
        let mut followed = FollowedLog { path: self.log(), open: None, partial: Vec::new() };
        followed.reopen()?;
        if let (Some(position), Some(open)) = (end.position, &mut followed.open) {
            let found = open.get_ref().metadata().map_err(|source| failed(&followed.path, source))?;
            // Another file is all new.
            if found.ino() == position.inode {
                open.seek(SeekFrom::Start(position.offset))
                    .map_err(|source| failed(&followed.path, source))?;
            }
        }
        Ok(followed)
    }

    fn log(&self) -> PathBuf {
        self.options.directory.logs().join("crm.log")
    }
}

/// A log that is read on as it grows.
#[derive(Debug)]
pub struct FollowedLog {
    path: PathBuf,
    open: Option<BufReader<File>>,
    partial: Vec<u8>,
}

impl FollowedLog {
    /// The next line, as soon as there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next_line(&mut self) -> Result<String, LogError> {
        loop {
            if let Some(line) = self.read_on()? {
                return Ok(line);
            }
            if self.was_set_aside() {
                // What was written before it was set aside comes first.
                if let Some(line) = self.read_on()? {
                    return Ok(line);
                }
                self.reopen()?;
            } else {
                sleep(PERIOD).await;
            }
        }
    }

    fn read_on(&mut self) -> Result<Option<String>, LogError> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        open.read_until(b'\n', &mut self.partial).map_err(|source| failed(&self.path, source))?;
        if self.partial.pop_if(|byte| *byte == b'\n').is_none() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        Ok(Some(line))
    }

    /// Another file has the name now, or one appeared where none was.
    fn was_set_aside(&self) -> bool {
        let Ok(named) = std::fs::metadata(&self.path) else {
            return false;
        };
        let opened = self.open.as_ref().and_then(|open| open.get_ref().metadata().ok());
        opened.is_none_or(|opened| (opened.ino(), opened.dev()) != (named.ino(), named.dev()))
    }

    /// Opens what has the name now, at its beginning.
    fn reopen(&mut self) -> Result<(), LogError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|source| failed(&self.path, source))?,
        };
        self.open = Some(BufReader::new(file));
        Ok(())
    }
}

fn failed(path: &Path, source: IoError) -> LogError {
    LogError::Io { path: path.to_owned(), source }
}
