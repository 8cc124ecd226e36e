//! Log files: reading their end, collecting those of all releases into one, and keeping them small.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

pub(super) mod collect;

/// Most bytes read to find the last lines.
const TAIL_BYTES: u64 = 64 * 1024;
/// Longest line shown.
const LINE_CHARACTERS: usize = 500;

/// The last `count` lines of `path` that were written at or after offset `from`; none when it cannot be read.
pub(crate) fn last_lines(path: &Path, from: u64, count: usize) -> Vec<String> {
    read_tail(path, from).map_or_else(|_| Vec::new(), |text| shown(&text, count))
}

/// Renames a log beyond `largest` bytes to `….log.1`, over what was set aside before; none is fine.
pub(crate) fn set_aside_when_large(path: &Path, largest: u64) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > largest => std::fs::rename(path, path.with_extension("log.1")),
        _ => Ok(()),
    }
}

fn read_tail(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // A log that was cut since is read from its new beginning.
    let from = if from > length { 0 } else { from };
    let start = from.max(length.saturating_sub(TAIL_BYTES));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn shown(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter().map(|line| line.chars().take(LINE_CHARACTERS).collect()).collect()
}
