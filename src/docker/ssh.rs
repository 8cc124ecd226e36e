//! An engine of another host: its socket, forwarded over one connection of the operator's own `ssh`, so that keys, jump hosts and
//! known hosts are those of `~/.ssh`. The connection lasts as long as a program on the other side that waits for our end
//! of a pipe: a killed crmctl leaves none behind. Why not a library: ADR 44.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{ChildStdin, Command};
use tokio::time::{Instant, sleep};

use super::EngineError;
use super::address::SshAddress;
use crate::child::OwnGroup;

/// How long connecting and logging in may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the forwarded socket is looked for.
const PERIOD: Duration = Duration::from_millis(20);
/// How the names of our directories begin; the number of the process follows.
const DIRECTORY: &str = "crmctl-ssh-";
/// Letters of what `ssh` says that are told.
const TOLD: usize = 500;

/// A connection that stands. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Link {
    /// The engine's socket, here.
    pub(super) socket: PathBuf,
    directory: PathBuf,
    /// Ends the program on the other side when it closes, whoever closes it.
    _lifeline: Option<ChildStdin>,
    ssh: OwnGroup,
}

impl Link {
    /// Connects, logs in and forwards.
    pub(super) async fn open(address: &SshAddress, config: Option<&Path>) -> Result<Self, EngineError> {
        let directory =
            own_directory().map_err(|error| refused(address, &format!("no place for a socket: {error}")))?;
        let socket = directory.join("engine");
        let mut command = command(address, config, &socket);
        let started = OwnGroup::start(&mut command);
        let mut ssh = started.map_err(|error| {
            let _ = std::fs::remove_dir_all(&directory);
            refused(address, &format!("`ssh` cannot be run: {error}"))
        })?;
        let lifeline = ssh.stdin();
        let mut link = Self { socket, directory, _lifeline: lifeline, ssh };
        link.until_it_stands(address).await.map(|()| link)
    }

    /// It has broken: the network was gone, or somebody has ended it.
    pub(super) fn is_broken(&mut self) -> bool {
        self.ssh.has_ended()
    }

    async fn until_it_stands(&mut self, address: &SshAddress) -> Result<(), EngineError> {
        let begun = Instant::now();
        let mut complaints = self.ssh.stderr();
        loop {
            tokio::select! {
                ended = self.ssh.wait() => {
                    let mut said = Vec::new();
                    if let (Ok(_), Some(complaints)) = (ended, &mut complaints) {
                        let _ = complaints.read_to_end(&mut said).await;
                    }
                    return Err(refused(address, &String::from_utf8_lossy(&said)));
                }
                () = sleep(PERIOD) => {}
            }
            if UnixStream::connect(&self.socket).await.is_ok() {
                // It goes on complaining about single connections, and a full pipe would stop it.
                if let Some(mut complaints) = complaints {
                    tokio::spawn(
                        async move { tokio::io::copy(&mut complaints, &mut tokio::io::sink()).await },
                    );
                }
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(refused(
                    address,
                    &format!("Connection timed out after {} s", PATIENCE.as_secs()),
                ));
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn command(address: &SshAddress, config: Option<&Path>, socket: &Path) -> Command {
    let mut command = Command::new("ssh");
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    for option in [
        // Nobody is there to type.
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "ExitOnForwardFailure=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
        "StreamLocalBindMask=0177",
        // A master of the operator's would keep the forward when we are gone.
        "ControlMaster=no",
        "ControlPath=none",
    ] {
        command.args(["-o", option]);
    }
    command.arg("-T").arg("-L").arg(format!("{}:{}", socket.display(), address.socket.display()));
    if let Some(port) = address.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &address.user {
        command.args(["-l", user]);
    }
    command.args(["--", &address.host, "cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What `ssh` says, without what it always says.
fn refused(address: &SshAddress, said: &str) -> EngineError {
    let mut lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.starts_with("Warning: Permanently added") && !line.chars().all(|c| c == '@'));
    let said: String = lines.join("; ").chars().take(TOLD).collect();
    let said = if said.is_empty() { "the connection ended without a word".to_owned() } else { said };
    EngineError::Ssh { address: address.to_string(), host: address.host.clone(), said }
}

/// A directory that nobody else may enter; what killed processes left goes.
fn own_directory() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = std::env::temp_dir();
    remove_abandoned(&base);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{DIRECTORY}{}-{number}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
}

fn remove_abandoned(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(DIRECTORY)?.split_once('-')?.0.parse().ok());
        let owner = owner.and_then(rustix::process::Pid::from_raw);
        if owner
            .is_some_and(|owner| rustix::process::test_kill_process(owner) == Err(rustix::io::Errno::SRCH))
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SshAddress {
        match text.parse().unwrap() {
            super::super::EngineAddress::Ssh(address) => address,
            other => panic!("{other} is no host"),
        }
    }

    #[test]
    fn what_is_said_is_told_with_what_to_do() {
        let address = address("ssh://deploy@staging.example:2222");
        for (said, hint) in [
            ("deploy@staging.example: Permission denied (publickey).", "ssh-copy-id"),
            (
                "@@@@@\nWARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.",
                "ssh-keygen -R",
            ),
            (
                "No ED25519 host key is known for staging.example\nHost key verification failed.",
                "compare its key",
            ),
            ("ssh: connect to host staging.example port 2222: Connection refused", "port"),
            ("ssh: Could not resolve hostname staging.example: Name or service not known", "name"),
        ] {
            let error = refused(&address, said);
            assert!(error.hint().contains(hint), "{said}: {}", error.hint());
            assert!(!error.to_string().contains("@@"), "{error}");
            assert!(error.is_certain());
        }
        assert!(refused(&address, "\n").to_string().contains("without a word"));
    }

    #[test]
    fn no_part_of_an_address_is_taken_for_an_option() {
        let shown = format!(
            "{:?}",
            command(&address("ssh://deploy@staging.example:2222"), None, Path::new("/s")).as_std()
        );
        assert!(shown.contains(r#""-p" "2222" "-l" "deploy" "--" "staging.example" "cat""#), "{shown}");
        assert!(shown.contains(r#""-L" "/s:/var/run/docker.sock""#), "{shown}");
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_lives_stays() {
        let base = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let name = |pid: u32| base.path().join(format!("{DIRECTORY}{pid}-0"));
        let (left, ours) = (name(dead.id()), name(std::process::id()));
        for path in [&left, &ours] {
            std::fs::create_dir(path).unwrap();
        }
        remove_abandoned(base.path());
        assert_eq!((left.exists(), ours.exists()), (false, true));
    }
}
