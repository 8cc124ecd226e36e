//! Which process has a data directory, told from what the kernel shows of it. In a container even root may not
//! look into another user's process; what may not be looked at counts as alive. Ends and removes nothing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::supervisor::process::ProcessIdentity;

/// Who has a number that a pid file names.
#[derive(Debug)]
pub(super) enum Holder {
    /// Nobody, or a program that has nothing to do with the data.
    Nobody,
    /// The server on the data.
    Server(ProcessIdentity),
    /// A process that the kernel shows nothing of.
    Hidden,
}

/// Who process `pid` is to `data`.
pub(super) fn holder(pid: i32, data: &Path) -> Holder {
    match ProcessIdentity::of(pid) {
        Some(identity) if Sight::of(pid).is_server_on(data) => Holder::Server(identity),
        None if is_hidden(pid) => Holder::Hidden,
        _ => Holder::Nobody,
    }
}

/// Processes that a dead server may have left on `data`; `title` is how its children call themselves.
pub(super) fn orphans(data: &Path, title: &str) -> Vec<ProcessIdentity> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| Sight::of(pid).is_left_on(data, title))
        .filter_map(ProcessIdentity::of)
        .collect()
}

/// It lives, and `/proc` (mounted with `hidepid`) does not show it.
fn is_hidden(pid: i32) -> bool {
    let unseen = std::fs::read(format!("/proc/{pid}/stat")).is_err();
    let lives =
        Pid::from_raw(pid).is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)));
    unseen && lives
}

/// What the kernel shows of a process. Source: proc(5); the working directory takes the right to trace it.
#[derive(Debug, Clone)]
struct Sight {
    program: String,
    directory: Shown,
    arguments: Vec<String>,
}

/// A working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    At(PathBuf),
    Refused,
    Nowhere,
}

impl Sight {
    fn of(pid: i32) -> Self {
        let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let arguments = read("cmdline");
        let arguments =
            arguments.split(|&byte| byte == 0).map(|one| String::from_utf8_lossy(one).into_owned());
        let directory = match std::fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(path) => Shown::At(path),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Shown::Refused,
            Err(_) => Shown::Nowhere,
        };
        Self {
            program: String::from_utf8_lossy(&read("comm")).trim_end().to_owned(),
            directory,
            arguments: arguments.collect(),
        }
    }

    /// Whether it is the first process of a server on `data`: all of its processes change to that directory; the
    /// first one keeps the arguments it was started with, its children put a title in their place.
    fn is_server_on(&self, data: &Path) -> bool {
        if !self.program.starts_with("postgres") {
            return false;
        }
        match &self.directory {
            Shown::At(path) => is_same(path, data),
            Shown::Refused => !self.has_title("postgres: ") && self.names(data).unwrap_or(true),
            Shown::Nowhere => false,
        }
    }

    fn is_left_on(&self, data: &Path, title: &str) -> bool {
        if !self.program.starts_with("postgres") {
            return false;
        }
        match &self.directory {
            Shown::At(path) => is_same(path, data),
            Shown::Refused => self.has_title(title) || self.names(data).unwrap_or(false),
            Shown::Nowhere => false,
        }
    }

    fn has_title(&self, title: &str) -> bool {
        self.arguments.first().is_some_and(|first| first.starts_with(title))
    }

    /// Whether `-D` names `data`; none when there is no `-D`.
    fn names(&self, data: &Path) -> Option<bool> {
        let place = self.arguments.iter().position(|argument| argument == "-D")?;
        self.arguments.get(place + 1).map(|named| is_same(Path::new(named), data))
    }
}

/// The same directory, maybe through a link.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(program: &str, directory: Shown, arguments: &[&str]) -> Sight {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Sight { program: program.to_owned(), directory, arguments }
    }

    const SERVER: [&str; 3] = ["/usr/lib/postgresql/15/bin/postgres", "-D", "/s/data"];

    #[test]
    fn a_server_that_may_not_be_traced_is_told_by_its_arguments() {
        let data = Path::new("/s/data");
        let unseen = |arguments: &[&str]| sight("postgres", Shown::Refused, arguments).is_server_on(data);
        assert!(unseen(&SERVER));
        assert!(!unseen(&["postgres", "-D", "/other/data"]));
        assert!(!unseen(&["postgres: crmctl-0a1b2c3d: checkpointer "]), "a child of some server");
        assert!(unseen(&["postgres"]), "what cannot be told counts as alive");
        assert!(!sight("sleep", Shown::Refused, &["sleep", "600"]).is_server_on(data));
    }

    #[test]
    fn a_working_directory_that_shows_decides() {
        let at = |path: &str| sight("postgres", Shown::At(path.into()), &SERVER);
        assert!(at("/s/data").is_server_on(Path::new("/s/data")));
        assert!(!at("/t/data").is_server_on(Path::new("/s/data")));
        assert!(!sight("postgres", Shown::Nowhere, &SERVER).is_server_on(Path::new("/s/data")));
    }

    #[test]
    fn children_left_behind_are_told_by_their_own_title() {
        let left = |arguments: &[&str]| {
            sight("postgres", Shown::Refused, arguments)
                .is_left_on(Path::new("/s/data"), "postgres: crmctl-a: ")
        };
        assert!(left(&["postgres: crmctl-a: checkpointer "]));
        assert!(!left(&["postgres: crmctl-b: checkpointer "]));
        assert!(!left(&["postgres: crmctl-ab: checkpointer "]));
        assert!(left(&SERVER));
        assert!(!left(&["postgres"]), "nothing is ended on a guess");
    }

    #[test]
    fn number_of_nobody_and_of_another_program_hold_nothing() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(matches!(holder(own, Path::new("/")), Holder::Nobody));
        assert!(matches!(holder(i32::MAX, Path::new("/")), Holder::Nobody));
        assert!(!is_hidden(own) && !is_hidden(i32::MAX));
    }
}
