//! A real registry with TLS and a login, at an address that engines do not trust by themselves; gone with the story.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::staging::{free_port, gateway};

/// Who may push and pull.
pub(crate) const USER: &str = "story";
/// His password.
pub(crate) const PASSWORD: &str = "0f1e2d3c4b5a6978";

/// A registry.
pub(crate) struct Registry {
    directory: TempDir,
    registry: Child,
    /// `address:port`.
    pub(crate) host: String,
}

impl Registry {
    /// One whose certificate the engine trusts.
    pub(crate) fn start() -> Self {
        let registry = Self::unknown();
        let trusted = registry.trusted();
        std::fs::create_dir_all(trusted.parent().unwrap()).unwrap();
        std::fs::copy(registry.directory.path().join("cert.pem"), trusted).unwrap();
        registry
    }

    /// One whose certificate nobody knows.
    pub(crate) fn unknown() -> Self {
        let directory = tempfile::Builder::new().prefix("crmctl-test-registry-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (address, port) = (gateway(), free_port());
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![address.clone()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(at("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        let hash = Command::new("caddy").args(["hash-password", "--plaintext", PASSWORD]).output().unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        std::fs::write(at("htpasswd"), format!("{USER}:{}\n", hash.trim())).unwrap();
        let here = directory.path().display();
        let configuration = format!(
            "version: 0.1\nlog: {{ level: warn }}\nstorage: {{ filesystem: {{ rootdirectory: {here}/data }} }}\n\
             http: {{ addr: \"{address}:{port}\", tls: {{ certificate: {here}/cert.pem, key: {here}/key.pem }} }}\n\
             auth: {{ htpasswd: {{ realm: story, path: {here}/htpasswd }} }}\n"
        );
        std::fs::write(at("config.yml"), configuration).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(at("config.yml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let registry =
            Self { registry: command.spawn().unwrap(), host: format!("{address}:{port}"), directory };
        let begun = Instant::now();
        while TcpStream::connect(&registry.host).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", registry.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Nobody answers there any more.
    pub(crate) fn stop(&mut self) {
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }

    /// Where engines look for authorities of a registry. Source: the engine's manual.
    fn trusted(&self) -> PathBuf {
        PathBuf::from("/etc/docker/certs.d").join(&self.host).join("ca.crt")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(self.trusted().parent().unwrap());
    }
}
