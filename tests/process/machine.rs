//! A state directory of its own per test, and the proof that nothing of it lives on afterwards.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crmctl::state_directory::StateDirectory;
use tempfile::TempDir;

/// A directory that an unprivileged server may pass through, removed with everything that runs in it.
pub(crate) struct Machine {
    directory: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("crmctl-test-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o711)).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn state(&self) -> StateDirectory {
        StateDirectory::new(self.directory.path().join("state"), "local").unwrap()
    }

    /// Living processes that mention this directory in their arguments or work in it.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let marker = self.directory.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let works_in = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            if arguments.contains(&marker) || works_in.to_string_lossy().contains(&marker) {
                found.push((pid, arguments));
            }
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let left = self.processes();
        for (pid, _) in &left {
            if let Some(pid) = rustix::process::Pid::from_raw(*pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if let Ok(sockets) = self.state().sockets() {
            let _ = std::fs::remove_dir_all(sockets.path());
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left running: {left:?}");
        }
    }
}
