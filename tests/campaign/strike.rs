//! Striking a run at a place in its journal: the file is watched, and the signal follows the record.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::chain::Record;
use super::stage::PATIENCE;

/// What is done to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9`.
    Kill,
    /// TERM: what CI does when a job is cancelled.
    Term,
    /// Ctrl-C.
    Int,
    /// Ctrl-C, and again as soon as it obeys.
    Twice,
    /// The terminal is closed.
    Hangup,
    /// Stopped for a while and continued: nobody has taken the lease.
    Pause,
    /// Stopped; the lease is taken away and the run finished by somebody else; then continued.
    Overtaken,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Kill, Self::Term, Self::Int, Self::Twice, Self::Hangup, Self::Pause, Self::Overtaken];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Twice => "INT INT",
            Self::Hangup => "HUP",
            Self::Pause => "STOP CONT",
            Self::Overtaken => "STOP, unlock, CONT",
        }
    }
}

/// A place in the journal of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) kind: String,
    pub(crate) step: Option<String>,
    /// How many like it come before it in the same run.
    pub(crate) nth: usize,
    /// How long the undisturbed run took from here to its next record.
    pub(crate) lasts: Duration,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = self.step.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
        let nth = if self.nth == 0 { String::new() } else { format!(" ({})", self.nth + 1) };
        write!(f, "{}{step}{nth}", self.kind)
    }
}

impl Point {
    pub(crate) fn is_of(&self, step: &str) -> bool {
        self.step.as_deref() == Some(step)
    }

    /// Every place of a run that went undisturbed.
    pub(crate) fn of(records: &[Record]) -> Vec<Self> {
        let same = |one: &Record, other: &Record| (one.kind(), one.step()) == (other.kind(), other.step());
        let places = records.iter().enumerate().map(|(index, record)| {
            let lasts = records.get(index + 1).map_or(0, |next| next.at_ms() - record.at_ms());
            Self {
                kind: record.kind().to_owned(),
                step: record.step().map(str::to_owned),
                nth: records[..index].iter().filter(|earlier| same(earlier, record)).count(),
                lasts: Duration::from_millis(u64::try_from(lasts).unwrap_or(0)),
            }
        });
        places.collect()
    }
}

/// A journal under watch, from where it ends when the watch begins.
pub(crate) struct Watch<'w> {
    file: &'w Path,
    read: u64,
    /// Bytes of a line that is not whole yet.
    rest: Vec<u8>,
    seen: Vec<Record>,
}

impl<'w> Watch<'w> {
    pub(crate) fn begin(file: &'w Path) -> Self {
        let read = std::fs::metadata(file).map_or(0, |meta| meta.len());
        Self { file, read, rest: Vec::new(), seen: Vec::new() }
    }

    fn look(&mut self) {
        let Ok(file) = File::open(self.file) else { return };
        let length = file.metadata().map_or(0, |meta| meta.len());
        if length <= self.read {
            return;
        }
        let mut bytes = vec![0; usize::try_from(length - self.read).unwrap()];
        if file.read_exact_at(&mut bytes, self.read).is_err() {
            return;
        }
        self.read = length;
        self.rest.extend(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.seen.extend(Record::parse(String::from_utf8_lossy(&line).trim_end()));
        }
    }

    fn has(&self, point: &Point) -> bool {
        let like = |record: &&Record| record.kind() == point.kind && record.step() == point.step.as_deref();
        self.seen.iter().filter(like).count() > point.nth
    }

    /// Waits for the record; false when the run is over without it.
    pub(crate) fn reaches(&mut self, run: &mut Child, point: &Point) -> bool {
        let begun = Instant::now();
        loop {
            self.look();
            if self.has(point) {
                return true;
            }
            assert!(begun.elapsed() < PATIENCE, "the run never comes to {point}");
            if run.try_wait().unwrap().is_some() {
                self.look();
                return self.has(point);
            }
            // Tight: the effect that follows a record may take less than a millisecond.
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

/// Sends a signal. The process is a child that nobody has waited for, so its id is still its own.
pub(crate) fn send(run: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for its end and gives the exit code; −9 for a kill.
pub(crate) fn ended(run: &mut Child) -> Result<i32, String> {
    use std::os::unix::process::ExitStatusExt;
    let begun = Instant::now();
    loop {
        if let Some(status) = run.try_wait().unwrap() {
            return Ok(status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)));
        }
        if begun.elapsed() >= PATIENCE {
            send(run, Signal::KILL);
            run.wait().unwrap();
            return Err(format!("it has not ended after {PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
