//! The running server: found by its pid file without trusting it, started, waited for and stopped.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Error as SqlxError};
use tokio::time::{Instant, sleep, timeout};

use super::account::run_as;
use super::cluster::Cluster;
use super::holder::{Holder, holder, orphans};
use super::{PORT, PostgresBinaries, PostgresError, SUPERUSER};
use crate::supervisor::logs;
use crate::supervisor::process::ProcessIdentity;
use crate::supervisor::spawn::spawn_detached;

/// Longest start: a crash may have left much to recover.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Longest wait for one connection, or for its end.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// A log beyond this many bytes is set aside at the next start.
const LARGEST_LOG: u64 = 10 * 1024 * 1024;
/// Enough for two releases side by side, small in memory, no second guess by the planner's compiler.
const SETTINGS: [&str; 7] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    "jit=off",
    "log_min_messages=warning",
];

/// The first process of a running server.
#[derive(Debug)]
pub(super) struct Postmaster {
    process: ProcessIdentity,
    /// Its pid file says that it takes connections, so its socket has been there.
    ready: bool,
}

impl Postmaster {
    /// The server that runs on `data`, if one does. A pid file whose process is gone, or is another program
    /// that got the number, counts as none.
    ///
    /// # Errors
    /// When the pid file cannot be read, or the process that it names cannot be looked at.
    pub(super) fn find(data: &Path) -> Result<Option<Self>, PostgresError> {
        let path = data.join("postmaster.pid");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PostgresError::Io { path, what: "read", source }),
        };
        match pid_in(&text).map(|pid| (pid, holder(pid, data))) {
            Some((_, Holder::Server(process))) => Ok(Some(Self { process, ready: is_ready(&text) })),
            Some((pid, Holder::Hidden)) => Err(PostgresError::Hidden { pid, path }),
            Some((_, Holder::Nobody)) | None => Ok(None),
        }
    }

    /// Starts the server in a session of its own.
    pub(super) fn launch(
        cluster: &Cluster<'_>,
        binaries: &PostgresBinaries,
        sockets: &Path,
        log: &Path,
    ) -> Result<Self, PostgresError> {
        let name = format!("cluster_name={}", cluster.name);
        let open = logs::set_aside_when_large(log, LARGEST_LOG)
            .and_then(|()| File::options().append(true).create(true).mode(0o600).open(log));
        let cannot_write = |source| PostgresError::Io { path: log.to_owned(), what: "write", source };
        let output = open.map_err(cannot_write)?;
        let program = binaries.program("postgres");
        let mut command = Command::new(&program);
        run_as(&mut command, cluster.account);
        command
            .current_dir(cluster.home.path())
            .arg("-D")
            .arg(cluster.home.data())
            .arg("-k")
            .arg(sockets)
            .args(["-p", &PORT.to_string()])
            .args(SETTINGS.iter().copied().chain([name.as_str()]).flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(cannot_write)?)
            .stderr(output);
        let process = spawn_detached(&mut command, &[])
            .map_err(|source| PostgresError::Io { path: program, what: "run", source })?
            .identity;
        Ok(Self { process, ready: false })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// It runs and nobody can reach it: its socket was taken away.
    pub(super) fn has_lost(&self, sockets: &Path) -> bool {
        self.ready && !socket(sockets).exists()
    }

    /// Waits until the server answers a connection, or is over. `log` is where it says why.
    pub(super) async fn first_answer(
        &self,
        options: &PgConnectOptions,
        log: &Path,
    ) -> Result<(), PostgresError> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            // Asked first: a server that ended after this is found by the next round.
            let alive = self.is_alive();
            let refusal = match timeout(ANSWER_DEADLINE, PgConnection::connect_with(options)).await {
                Ok(Ok(connection)) => return close(connection).await,
                Ok(Err(error)) => error,
                Err(_) => SqlxError::PoolTimedOut,
            };
            if is_wrong_password(&refusal) {
                return Err(PostgresError::PasswordRefused { role: SUPERUSER.into() });
            }
            let reason = match alive {
                true if Instant::now() < deadline => {
                    sleep(Duration::from_millis(5)).await;
                    continue;
                }
                true => format!("no answer in {} s ({refusal})", START_DEADLINE.as_secs()),
                false => "it ended".to_owned(),
            };
            let last = logs::last_lines(log, 0, 10);
            return Err(PostgresError::StartFailed { reason, log: last, path: log.to_owned() });
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Ends it: fast first, at once then, by force at last. Source: postgres(1), "Notes".
    pub(super) async fn stop(&self) -> Result<(), PostgresError> {
        for (signal, seconds) in [(Signal::INT, 15), (Signal::QUIT, 5), (Signal::KILL, 5)] {
            self.process.signal(signal);
            if self.process.is_over_within(Duration::from_secs(seconds)).await {
                return Ok(());
            }
        }
        Err(PostgresError::StopFailed { pid: self.process.pid })
    }
}

/// Source: PostgreSQL's `pqcomm.h`, `UNIXSOCK_PATH`.
fn socket(sockets: &Path) -> PathBuf {
    sockets.join(format!(".s.PGSQL.{PORT}"))
}

/// Line 1; a server in single-user mode writes its number negated. Source: PostgreSQL's `miscinit.c`.
fn pid_in(pid_file: &str) -> Option<i32> {
    let number: i32 = pid_file.lines().next()?.trim().parse().ok()?;
    number.checked_abs().filter(|&pid| pid > 0)
}

/// Source: PostgreSQL's `pidfile.h`: line 8 is the state.
fn is_ready(pid_file: &str) -> bool {
    pid_file.lines().nth(7).is_some_and(|state| state.trim() == "ready")
}

/// Clears what a killed server left: waits for its orphaned children to notice, then removes lock files whose
/// number may meanwhile belong to another program, for which PostgreSQL would refuse to start. Only to be called
/// when [`Postmaster::find`] has found none.
pub(super) async fn clear_remains(cluster: &Cluster<'_>, sockets: &Path) -> Result<(), PostgresError> {
    let data = cluster.home.data();
    for orphan in orphans(&data, &format!("postgres: {}: ", cluster.name)) {
        if !orphan.is_over_within(Duration::from_secs(5)).await {
            orphan.signal(Signal::QUIT);
            if !orphan.is_over_within(Duration::from_secs(5)).await {
                return Err(PostgresError::StopFailed { pid: orphan.pid });
            }
        }
    }
    let socket = socket(sockets);
    for path in [data.join("postmaster.pid"), socket.with_extension(format!("{PORT}.lock")), socket] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(PostgresError::Io { path, what: "remove", source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says goodbye; a server that does not hear it any more is left alone.
pub(super) async fn close(connection: PgConnection) -> Result<(), PostgresError> {
    match timeout(ANSWER_DEADLINE, connection.close()).await {
        Ok(closed) => closed.map_err(Into::into),
        Err(_) => Ok(()),
    }
}

/// Source: PostgreSQL error codes, class 28.
pub(super) fn is_wrong_password(error: &SqlxError) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "28P01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_in_a_pid_file_is_that_of_a_process_or_none() {
        assert_eq!(pid_in("4711\n/s/data\n"), Some(4711));
        assert_eq!(pid_in("-4711\n/s/data\n"), Some(4711), "in single-user mode");
        for nonsense in ["", "0\n", "x\n", "-2147483648\n", "99999999999\n"] {
            assert_eq!(pid_in(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn only_a_server_that_says_so_is_ready() {
        let file = |state: &str| format!("1\n/s/data\n1\n5432\n/s/p\n\n  1 1\n{state}\n");
        assert!(is_ready(&file("ready   ")));
        assert!(!is_ready(&file("starting")) && !is_ready(&file("stopping")) && !is_ready("1\n"));
    }
}
