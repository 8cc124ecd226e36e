//! Where bars are drawn: stderr, as long as somebody looks. A terminal that is closed draws nothing any more; bars
//! take a failed write for a reason to panic, and that would end the run.

use std::io;

use console::Term;
use indicatif::TermLike;

/// stderr as bars see it.
#[derive(Debug)]
pub(super) struct Screen(Term);

impl Screen {
    /// The one of this process; buffered, so that a bar is drawn at once.
    pub(super) fn stderr() -> Self {
        Self(Term::buffered_stderr())
    }
}

/// Nobody is left to be told of it.
fn forgotten(_: io::Error) -> io::Result<()> {
    Ok(())
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n).or_else(forgotten)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n).or_else(forgotten)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n).or_else(forgotten)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n).or_else(forgotten)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line).or_else(forgotten)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text).or_else(forgotten)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line().or_else(forgotten)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush().or_else(forgotten)
    }
}
