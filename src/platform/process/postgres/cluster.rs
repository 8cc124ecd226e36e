//! Making the data directory, once: beside its place first, so that a half-made one never counts.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use secrecy::{ExposeSecret, SecretString};

use super::account::{Account, run_as};
use super::home::{Home, remove_tree};
use super::{PostgresBinaries, PostgresError, SUPERUSER};

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
            .stdin(Stdio::null())
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--auth=scram-sha-256", "--username", SUPERUSER])
            .arg("--pwfile")
            .arg(password_file)
            .arg("--pgdata")
            .arg(place);
        tokio::process::Command::from(command).output().await.map_err(|source| PostgresError::Io {
            path: program,
            what: "run",
            source,
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

fn last_lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].to_vec()
}
