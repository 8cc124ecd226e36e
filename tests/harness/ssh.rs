//! A real sshd on a port of this machine, with keys of its own; gone with the story.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A host that lets one key in.
pub(crate) struct SshHost {
    directory: TempDir,
    pub(crate) port: u16,
    sshd: Child,
}

impl SshHost {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("crmctl-test-ssh-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for key in ["host", "client", "stranger"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key));
            assert!(command.status().unwrap().success());
        }
        std::fs::copy(at("client.pub"), at("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n",
            at("host").display(),
            at("authorized").display()
        );
        std::fs::write(at("sshd_config"), configuration).unwrap();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(at("sshd_config"));
        let log = std::fs::File::create(at("log")).unwrap();
        let sshd = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let host = Self { directory, port, sshd };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", host.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        host.knows("host.pub");
        host
    }

    /// What the client takes for the host's key.
    pub(crate) fn knows(&self, key: &str) {
        let key = std::fs::read_to_string(self.directory.path().join(key)).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.directory.path().join("known_hosts"), line).unwrap();
    }

    /// What the client knows no host by.
    pub(crate) fn knows_nobody(&self) {
        std::fs::write(self.directory.path().join("known_hosts"), "").unwrap();
    }

    /// A configuration of `ssh` with the key that is let in.
    pub(crate) fn config(&self) -> PathBuf {
        self.config_with("client")
    }

    /// The same with another key.
    pub(crate) fn config_with(&self, key: &str) -> PathBuf {
        let at = |name: &str| self.directory.path().join(name);
        let file = at(&format!("config-{key}"));
        std::fs::set_permissions(at(key), PermissionsExt::from_mode(0o600)).unwrap();
        let text = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            at(key).display(),
            at("known_hosts").display()
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    /// `ssh://…` of a socket behind it.
    pub(crate) fn address(&self, socket: &Path) -> String {
        format!("ssh://127.0.0.1:{}{}", self.port, socket.display())
    }

    /// Nobody listens there any more.
    pub(crate) fn stop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        self.stop();
    }
}
