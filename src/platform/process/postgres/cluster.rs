//! Making the data directory, once: beside its place first, so that a half-made one never counts.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout};

use super::account::{Account, run_as};
use super::home::{Home, remove_tree};
use super::{PostgresBinaries, PostgresError, SUPERUSER};
use crate::supervisor::process::ProcessIdentity;

/// Longest making of a data directory; a second is usual.
const INIT_DEADLINE: Duration = Duration::from_secs(60);

/// How long an older maker may take to be gone after it was killed.
const MAKERS_DEADLINE: Duration = Duration::from_secs(10);

/// A home and who works in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster<'a> {
    /// What its processes call themselves; no other environment's do.
    pub(super) name: &'a str,
    pub(super) home: &'a Home,
    pub(super) account: Option<&'a Account>,
}

impl Cluster<'_> {
    /// Makes the data directory with a superuser that needs `password`.
    pub(super) async fn create(
        &self,
        binaries: &PostgresBinaries,
        password: &SecretString,
    ) -> Result<(), PostgresError> {
        let half_made = self.home.half_made();
        end_makers(&half_made).await?;
        remove_tree(&half_made)?;
        let password_file = self.home.path().join("password");
        self.write_password(&password_file, password)?;
        let output = self.init(binaries, &half_made, &password_file).await;
        let removed = std::fs::remove_file(&password_file);
        let output = output?;
        if !output.status.success() {
            return Err(PostgresError::InitFailed { output: last_lines(&output) });
        }
        removed.map_err(|source| PostgresError::Io { path: password_file, what: "remove", source })?;
        // The kernel refuses it when data stand there.
        std::fs::rename(&half_made, self.home.data()).map_err(|source| PostgresError::Io {
            path: half_made,
            what: "rename",
            source,
        })
    }

    async fn init(
        &self,
        binaries: &PostgresBinaries,
        place: &Path,
        password_file: &Path,
    ) -> Result<Output, PostgresError> {
        let program = binaries.program("initdb");
        let mut command = Command::new(&program);
        run_as(&mut command, self.account);
        command
            .current_dir(self.home.path())
            // Ctrl-C at the terminal is for crmctl, which ends its own things in order.
            .process_group(0)
            .stdin(Stdio::null())
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--auth=scram-sha-256", "--username", SUPERUSER])
            .arg("--pwfile")
            .arg(password_file)
            .arg("--pgdata")
            .arg(place);
        within(&mut command, INIT_DEADLINE).await.map_err(|source| match source.kind() {
            ErrorKind::TimedOut => {
                PostgresError::TimedOut { what: "`initdb`", seconds: INIT_DEADLINE.as_secs() }
            }
            _ => PostgresError::Io { path: program, what: "run", source },
        })
    }

    /// `initdb` takes the password from a file that only its user may read.
    fn write_password(&self, path: &Path, password: &SecretString) -> Result<(), PostgresError> {
        let failed = |source| PostgresError::Io { path: PathBuf::from(path), what: "write", source };
        let _ = std::fs::remove_file(path);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        if let Some(account) = self.account {
            fchown(&file, Some(account.user), Some(account.group)).map_err(failed)?;
        }
        writeln!(file, "{}", password.expose_secret()).map_err(failed)
    }
}

/// Ends whoever still makes a data directory at `place`: a crmctl that was killed leaves its `initdb` at work, and two
/// of them in one directory ruin each other's.
async fn end_makers(place: &Path) -> Result<(), PostgresError> {
    let deadline = Instant::now() + MAKERS_DEADLINE;
    loop {
        let makers = makers(place);
        if makers.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let seconds = MAKERS_DEADLINE.as_secs();
            return Err(PostgresError::TimedOut { what: "the end of an older `initdb`", seconds });
        }
        for maker in makers {
            tracing::warn!(pid = maker.pid, "an `initdb` whose crmctl is gone is ended");
            maker.kill_group();
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Living processes that were told to make a data directory at `place`; each leads a group of its own.
fn makers(place: &Path) -> Vec<ProcessIdentity> {
    let wanted = place.as_os_str().as_encoded_bytes();
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let makes = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        program.ends_with(b"initdb") && words.any(|word| word == wanted)
    };
    numbers.filter(makes).filter_map(ProcessIdentity::of).collect()
}

/// Runs `command`, the leader of its own group, to its end; after `limit` the whole group is killed.
async fn within(command: &mut Command, limit: Duration) -> Result<Output, IoError> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let process = ProcessIdentity::of_child(&child)?;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    match timeout(limit, output).await {
        Ok(output) => output.map_err(IoError::other)?,
        Err(_) => {
            process.kill_group();
            Err(ErrorKind::TimedOut.into())
        }
    }
}

fn last_lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0);
        command
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended_with_all_it_started() {
        let (mut alive, input) = std::io::pipe().unwrap();
        // The grandchild holds the pipe open as long as it lives.
        let mut command = shell("sleep 600 & wait");
        command.stdin(input);
        let error = within(&mut command, Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(command);
        std::io::Read::read_to_end(&mut alive, &mut Vec::new()).unwrap();
    }

    #[tokio::test]
    async fn a_program_that_ends_is_told_with_its_output() {
        let output = within(&mut shell("echo one; echo two >&2; exit 3"), INIT_DEADLINE).await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(last_lines(&output), ["two"]);
    }
}
