//! Log files: reading their end, collecting those of all releases into one, and keeping them small.

use std::path::{Path, PathBuf};

pub(super) mod collect;
pub(crate) mod tail;

/// Longest line shown with a failure.
const LINE_CHARACTERS: usize = 500;
/// Logs of the same name that are kept beside the present one.
pub(crate) const KEPT: usize = 3;

/// The last `count` lines of `path` that were written at or after offset `from`, each as long as it fits on a
/// screen; none when it cannot be read.
pub(crate) fn last_lines(path: &Path, from: u64, count: usize) -> Vec<String> {
    let lines = tail::last_lines_after(path, from, count);
    lines.into_iter().map(|line| line.chars().take(LINE_CHARACTERS).collect()).collect()
}

/// The log and those set aside before it, newest first, there or not.
pub(crate) fn generations(path: &Path) -> Vec<PathBuf> {
    let aside = (1..=KEPT).map(|number| path.with_extension(format!("log.{number}")));
    std::iter::once(path.to_owned()).chain(aside).collect()
}

/// Makes room for a log to be set aside: `….log.2` becomes `….log.3` and so on, the oldest goes.
fn make_room(path: &Path) -> std::io::Result<()> {
    let generations = generations(path);
    for pair in generations[1..].windows(2).rev() {
        match std::fs::rename(&pair[0], &pair[1]) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Renames a log beyond `largest` bytes to `….log.1`; none is fine.
pub(crate) fn set_aside_when_large(path: &Path, largest: u64) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > largest => {
            make_room(path)?;
            std::fs::rename(path, path.with_extension("log.1"))
        }
        _ => Ok(()),
    }
}
