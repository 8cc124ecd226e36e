//! `outbox/` in the state directory: messages on their way to the chat, one file each, in the order of their names.
//! Owns files; never the address they go to.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::message::Message;
use crate::environment::tables::NotifyEvent;
use crate::state_directory::StateDirectory;

/// Messages that may wait; the oldest go first when there are more.
pub const MOST: usize = 50;
/// Nobody wants to read an older one.
pub const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// A message that was refused this often (by this many runs) is dropped.
pub const REFUSALS: u32 = 3;

/// The messages of one environment.
#[derive(Debug, Clone)]
pub struct Outbox {
    directory: PathBuf,
}

/// One message.
#[derive(Debug)]
pub struct Letter {
    /// Its file.
    pub file: PathBuf,
    /// What is in it.
    pub content: Content,
    /// Whether it is on disk.
    pub spooled: io::Result<()>,
}

/// Content of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Format version; 1.
    pub schema: u32,
    /// What it tells.
    pub kind: NotifyEvent,
    /// Of which run.
    pub run: String,
    /// How often it was refused.
    pub refused: u32,
    /// The JSON that is posted.
    pub message: Message,
}

impl Outbox {
    /// The outbox of an environment. Touches nothing.
    pub fn of(state: &StateDirectory) -> Self {
        Self { directory: state.path().join("outbox") }
    }

    /// Puts a message in. It can be sent even when it could not be written.
    pub fn put(&self, kind: NotifyEvent, run: &str, message: &Message) -> Letter {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let word = crate::report::json::word(&kind);
        let file = self.directory.join(format!("{:020}-{run}-{word}.json", since.as_micros()));
        let content = Content { schema: 1, kind, run: run.to_owned(), refused: 0, message: message.clone() };
        let mut letter = Letter { file, content, spooled: Ok(()) };
        letter.spooled = self.write(&letter);
        letter
    }

    /// All that wait, oldest first; drops what is too old, too many or unreadable, and says how many that were.
    pub fn collect(&self) -> (Vec<Letter>, usize) {
        let mut files = self.files();
        let mut dropped = files.len().saturating_sub(MOST);
        let too_many: Vec<PathBuf> = files.drain(..dropped).collect();
        too_many.iter().for_each(remove);
        let mut letters = Vec::new();
        for file in files {
            match read(&file) {
                Some(content) => letters.push(Letter { file, content, spooled: Ok(()) }),
                None => {
                    remove(&file);
                    dropped += 1;
                }
            }
        }
        (letters, dropped)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.files().len()
    }

    /// It has arrived, or never will.
    pub fn done(&self, letter: &Letter) {
        remove(&letter.file);
    }

    /// It was refused; says whether it stays for the next run.
    pub fn refused(&self, letter: &mut Letter) -> bool {
        letter.content.refused += 1;
        if letter.content.refused >= REFUSALS {
            self.done(letter);
            return false;
        }
        letter.spooled = self.write(letter);
        letter.spooled.is_ok()
    }

    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        files
    }

    fn write(&self, letter: &Letter) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let text = serde_json::to_vec(&letter.content).map_err(io::Error::other)?;
        let unfinished = letter.file.with_extension("new");
        let options =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
        let written = options.and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&unfinished, &letter.file)).inspect_err(|_| remove(&unfinished))
    }
}

fn read(file: &PathBuf) -> Option<Content> {
    let age = std::fs::metadata(file).ok()?.modified().ok()?.elapsed().unwrap_or_default();
    if age > OLDEST {
        return None;
    }
    let content: Content = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (content.schema == 1).then_some(content)
}

/// A file that is gone already is as wanted; one that cannot be removed is tried again by the next run.
fn remove(file: &PathBuf) {
    let _ = std::fs::remove_file(file);
}
