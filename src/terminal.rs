//! The only place that writes to stdout and stderr. One value decides for data, talk and bars:
//! data and results go to stdout, talk to stderr, bars to a terminal's stderr only.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub mod fold;
mod screen;

use screen::Screen;

/// How often bars are drawn in a second.
const REDRAWS: u8 = 20;

/// Columns where nobody looks: nothing is broken for a file or a pipe.
const UNLIMITED: usize = 1 << 16;
/// No terminal is taken to be narrower.
const NARROWEST: usize = 40;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Colours are wanted.
    pub on: bool,
}

impl Paint {
    fn code(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    /// Good.
    pub fn green(self, text: &str) -> String {
        self.code("32", text)
    }
    /// Bad.
    pub fn red(self, text: &str) -> String {
        self.code("31", text)
    }
    /// Take note.
    pub fn yellow(self, text: &str) -> String {
        self.code("33", text)
    }
    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }
    /// More important.
    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Results and errors.
    Quiet,
    /// The usual.
    Normal,
    /// Every step.
    Verbose,
}

/// Where words go.
pub struct Terminal {
    /// How much is said.
    pub verbosity: Verbosity,
    /// Colours of stdout.
    pub paint: Paint,
    /// stdout carries JSON, so people read stderr.
    pub json: bool,
    colour: bool,
    bars: Option<MultiProgress>,
}

impl Terminal {
    /// Looks at both streams, `NO_COLOR` and `TERM` once.
    pub fn new(json: bool, verbosity: Verbosity) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !dumb;
        let talk_is_terminal = std::io::stderr().is_terminal();
        let shown = if json { talk_is_terminal } else { std::io::stdout().is_terminal() };
        let bars =
            (talk_is_terminal && !json && shown && !dumb && verbosity != Verbosity::Quiet).then(|| {
                MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(
                    Box::new(Screen::stderr()),
                    REDRAWS,
                ))
            });
        Self { verbosity, paint: Paint { on: colour && shown }, json, colour, bars }
    }

    /// Colours of stderr.
    pub fn paint_talk(&self) -> Paint {
        Paint { on: self.colour && std::io::stderr().is_terminal() }
    }

    /// Whether a person watches: bars are drawn and steps need no line of their own.
    pub fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    /// Columns of the terminal that people read; without end when there is none.
    pub fn width(&self) -> usize {
        columns(&if self.json { console::Term::stderr() } else { console::Term::stdout() })
    }

    /// One line of data. A closed stdout is no reason to stop a run.
    pub fn data(&self, line: &str) {
        let _ = self.try_data(line);
    }

    /// One line of data, for who has nothing to do but to be read.
    ///
    /// # Errors
    /// Nobody reads stdout any more, or it cannot be written.
    pub fn try_data(&self, line: &str) -> std::io::Result<()> {
        let mut written = Ok(());
        self.beside_bars(|| {
            let mut out = std::io::stdout().lock();
            written = writeln!(out, "{line}").and_then(|()| out.flush());
        });
        written
    }

    /// Whether whoever read stdout is gone.
    pub fn is_deserted(&self) -> bool {
        let stdout = std::io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        poll(&mut watched, Some(&Timespec::default())).is_ok() && watched[0].revents().intersects(gone)
    }

    /// One line for people: on stdout, or on stderr when stdout carries JSON.
    pub fn line(&self, line: &str) {
        if self.json { self.talk(line) } else { self.text(line) }
    }

    /// Data for people: as wide as the terminal at most.
    pub fn text(&self, text: &str) {
        self.data(&readable(text, columns(&console::Term::stdout())).join("\n"));
    }

    /// One line of talk on stderr.
    pub fn talk(&self, line: &str) {
        let lines = readable(line, columns(&console::Term::stderr())).join("\n");
        self.beside_bars(|| {
            let _ = writeln!(std::io::stderr().lock(), "{lines}");
        });
    }

    /// Asks a question that wants a yes; no terminal to answer on is a no.
    ///
    /// # Errors
    /// stdin cannot be read.
    pub fn confirm(&self, question: &str) -> std::io::Result<bool> {
        let answer = self.ask(&format!("{question} [y/N]"))?;
        Ok(answer.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")))
    }

    /// Asks for a line, where somebody can answer.
    ///
    /// # Errors
    /// stdin cannot be read.
    pub fn ask(&self, question: &str) -> std::io::Result<Option<String>> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        self.talk(question);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(Some(answer.trim().to_owned()))
    }

    /// A moving line for what is going on; nothing without a terminal.
    pub fn spinner(&self, prefix: &str) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("{spinner} {prefix:10} {wide_msg}")
            .expect("the template is a constant of known keys");
        bar.set_style(style);
        bar.set_prefix(prefix.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(bar)
    }

    fn beside_bars(&self, write: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

fn columns(term: &console::Term) -> usize {
    if term.features().is_attended() { usize::from(term.size().1).max(NARROWEST) } else { UNLIMITED }
}

/// Broken between words where it is too wide. What is to be typed next stays in one piece: half of a command is
/// another command.
fn readable(text: &str, width: usize) -> Vec<String> {
    let typed = |line: &str| line.starts_with("next: ") || line.starts_with("or: ");
    let pieces = |line: &str| {
        let hang = line.len() - line.trim_start_matches(' ').len() + 2;
        if typed(line) { vec![line.to_owned()] } else { fold::fold(line, width, hang) }
    };
    text.split('\n').flat_map(pieces).collect()
}

/// Turns a moving line into a bar: so much done of so much known.
pub fn as_bar(bar: &ProgressBar, done: u64, total: u64) {
    if bar.length() != Some(total) {
        let style = ProgressStyle::with_template("{spinner} {prefix:10} {bar:20} {wide_msg}");
        bar.set_style(style.expect("the template is a constant of known keys"));
        bar.set_length(total);
    }
    bar.set_position(done.min(total));
}

/// Seconds for people: `0.3 s`, `12 s`, `2 min 05 s`.
pub fn seconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1} s")
    } else if value < 120.0 {
        format!("{value:.0} s")
    } else {
        let whole = Duration::from_secs_f64(value).as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(0.34), "0.3 s");
        assert_eq!(seconds(42.4), "42 s");
        assert_eq!(seconds(125.0), "2 min 05 s");
    }
}
