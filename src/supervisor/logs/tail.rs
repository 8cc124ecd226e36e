//! Reading log files backwards, as far as was asked and no further. Lines are whole, however long.

use std::fs::File;
use std::io::{Error as IoError, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const BLOCK: u64 = 64 * 1024;

/// The end of a log, and where it was.
#[derive(Debug, Default)]
pub struct LogEnd {
    /// Its last lines, oldest first.
    pub lines: Vec<String>,
    /// What was read of the newest file; none when there is none.
    pub(crate) position: Option<Position>,
}

/// A place in a file that has its name no longer when it is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) inode: u64,
    pub(crate) offset: u64,
}

/// The last `count` whole lines of a log that are `wanted`, looked for in `files`, the newest first.
pub(crate) fn last_lines_of(files: &[PathBuf], count: usize, wanted: impl Fn(&str) -> bool) -> LogEnd {
    let mut end = LogEnd::default();
    for (index, path) in files.iter().enumerate() {
        let Ok(mut file) = File::open(path) else { continue };
        let Ok(whole) = end_of_whole_lines(&mut file) else { continue };
        if index == 0 {
            let inode = file.metadata().map(|found| found.ino());
            end.position = inode.ok().map(|inode| Position { inode, offset: whole });
        }
        if !read_into(&mut end.lines, &mut file, (0, whole), count, &wanted) {
            break;
        }
    }
    end.lines.reverse();
    end
}

/// The last `count` lines of a file that begin at `from` or later, a last one without its end included.
pub(super) fn last_lines_after(path: &Path, from: u64, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(mut file) = File::open(path)
        && let Ok(length) = file.metadata().map(|found| found.len())
    {
        // A log that was cut since is read from its new beginning.
        let from = if from > length { 0 } else { from };
        read_into(&mut lines, &mut file, (from, length), count, &|_: &str| true);
    }
    lines.reverse();
    lines
}

/// Pushes lines, newest first, until there are `count`. False when there is no need to look further back.
fn read_into(
    lines: &mut Vec<String>,
    file: &mut File,
    part: (u64, u64),
    count: usize,
    wanted: &impl Fn(&str) -> bool,
) -> bool {
    let visit = |line: &[u8]| {
        if lines.len() >= count {
            return ControlFlow::Break(());
        }
        let line = String::from_utf8_lossy(line);
        if !line.trim().is_empty() && wanted(&line) {
            lines.push(line.into_owned());
        }
        ControlFlow::Continue(())
    };
    // What cannot be read is not there.
    let _ = backwards(file, part, visit);
    lines.len() < count
}

/// Visits the lines between two offsets, the last one first.
fn backwards(
    file: &mut File,
    (from, to): (u64, u64),
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), IoError> {
    let mut end = to;
    // The end of a line whose beginning has not been read yet.
    let mut rest: Vec<u8> = Vec::new();
    while end > from {
        let start = end.saturating_sub(BLOCK).max(from);
        let mut block = read_part(file, start, end)?;
        block.append(&mut rest);
        let mut lines = block.rsplit(|&byte| byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() {
                rest = line.to_vec();
            } else if visit(line).is_break() {
                return Ok(());
            }
        }
        end = start;
    }
    let _ = visit(&rest);
    Ok(())
}

/// Where the last line ends that is written to its end.
fn end_of_whole_lines(file: &mut File) -> Result<u64, IoError> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = read_part(file, start, end)?;
        if let Some(last) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read_part(file: &mut File, start: u64, end: u64) -> Result<Vec<u8>, IoError> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(from: usize, to: usize) -> String {
        (from..to).map(|number| format!("{number} {}\n", "x".repeat(number % 700))).collect()
    }

    #[test]
    fn as_many_whole_lines_as_were_asked_for_across_files_that_were_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("crm.log");
        let files = super::super::generations(&log);
        std::fs::write(&files[2], numbered(0, 1000)).unwrap();
        std::fs::write(&files[1], numbered(1000, 4000)).unwrap();
        std::fs::write(&log, numbered(4000, 6000) + "torn").unwrap();
        for count in [0, 1, 1999, 2000, 2001, 5500, 6000, 9000] {
            let end = last_lines_of(&files, count, |_| true);
            let expected = numbered(6000_usize.saturating_sub(count), 6000);
            assert_eq!(end.lines.join("\n"), expected.trim_end(), "{count}");
            assert_eq!(end.position.unwrap().offset, numbered(4000, 6000).len() as u64);
        }
        let found = last_lines_of(&files, 3, |line| line.starts_with("17")).lines;
        let found: Vec<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(found, ["1797", "1798", "1799"]);
    }

    #[test]
    fn long_line_is_one_line_and_a_torn_one_counts_where_it_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("r.log");
        let long = "y".repeat(200_000);
        std::fs::write(&log, format!("first\n{long}\n\ntorn")).unwrap();
        assert_eq!(last_lines_of(std::slice::from_ref(&log), 1, |_| true).lines, [long.as_str()]);
        assert_eq!(last_lines_after(&log, 0, 2), [long.as_str(), "torn"]);
        assert_eq!(last_lines_after(&log, 6 + 200_001, 9), ["torn"]);
        assert_eq!(last_lines_after(&log, 999_999, 1), ["torn"], "a log that was cut since");
        assert!(last_lines_after(&directory.path().join("none"), 0, 1).is_empty());
    }
}
