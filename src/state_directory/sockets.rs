//! The short directory for sockets: chosen once, remembered beside the state, so that a later call under
//! another login finds the same one.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Mode, StateDirectory, StateDirectoryError, make_directory};

/// Bytes of a socket's path that the kernel accepts (`sun_path` less its closing NUL).
const LONGEST_PATH: usize = 107;

/// Where the sockets of one environment are.
///
/// Shape: 0711 as root (the user of PostgreSQL passes through), else 0700; in it `s/` (0700: supervisor and
/// releases) and `p/` (PostgreSQL's own).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketDirectory {
    path: PathBuf,
    remembered_in: PathBuf,
}

impl SocketDirectory {
    pub(super) fn locate(state: &StateDirectory) -> Result<Self, StateDirectoryError> {
        let remembered_in = state.supervisor().join("sockets");
        let remembered = std::fs::read_link(&remembered_in).ok().filter(|path| still_usable(path));
        let path = remembered.unwrap_or_else(|| base_directory().join(state.short_name()));
        let this = Self { path, remembered_in };
        let longest = this.instance_socket(u64::from(u32::MAX), "private");
        if longest.as_os_str().len() > LONGEST_PATH {
            return Err(StateDirectoryError::SocketPathTooLong { path: longest });
        }
        Ok(this)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where crmctl talks to its supervisor.
    pub fn supervisor(&self) -> PathBuf {
        self.path.join("s/supervisor.sock")
    }

    /// A socket of the `number`th instance of a release; `kind` is `private` or `control`.
    pub(crate) fn instance_socket(&self, number: u64, kind: &str) -> PathBuf {
        self.path.join(format!("s/{number}.{kind}"))
    }

    /// Directory of PostgreSQL's socket; belongs to the user it runs as.
    pub fn postgres(&self) -> PathBuf {
        self.path.join("p")
    }

    /// Makes what is missing and remembers the place. Doing it again changes nothing.
    ///
    /// # Errors
    /// When it cannot be made or belongs to someone else.
    pub fn ensure(&self) -> Result<(), StateDirectoryError> {
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        if let Some(base) = self.path.parent() {
            make_own(base, mode)?;
        }
        make_own(&self.path, mode)?;
        make_own(&self.path.join("s"), 0o700)?;
        self.remember()
    }

    fn remember(&self) -> Result<(), StateDirectoryError> {
        if std::fs::read_link(&self.remembered_in).is_ok_and(|target| target == self.path) {
            return Ok(());
        }
        let unusable = |source| StateDirectoryError::Unusable { path: self.remembered_in.clone(), source };
        match std::fs::remove_file(&self.remembered_in) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        match std::os::unix::fs::symlink(&self.path, &self.remembered_in) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(error)),
            _ => Ok(()),
        }
    }
}

/// A directory that nobody else may have prepared.
fn make_own(path: &Path, mode: u32) -> Result<(), StateDirectoryError> {
    make_directory(path, mode, Mode::AtLeast)?;
    let metadata = std::fs::symlink_metadata(path)
        .map_err(|source| StateDirectoryError::Unusable { path: path.to_owned(), source })?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(StateDirectoryError::ForeignOwner { path: path.to_owned(), owner: metadata.uid() });
    }
    make_directory(path, mode, Mode::Exactly)
}

/// A remembered place counts while it exists and is ours; after a reboot it is chosen anew.
fn still_usable(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

fn base_directory() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() && directory_is_writable(Path::new("/run")) {
        return PathBuf::from("/run/crmctl");
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|path| path.is_absolute() && !user.is_root() && still_usable(path)) {
        Some(runtime) => runtime.join("crmctl"),
        None => PathBuf::from(format!("/tmp/crmctl-{}", user.as_raw())),
    }
}

fn directory_is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_roots_and_two_environments_never_share_a_place() {
        let place = |root: &str, name: &str| {
            StateDirectory::new(root, name).unwrap().sockets().unwrap().path().to_owned()
        };
        let all = [place("/a", "local"), place("/b", "local"), place("/a", "other")];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn chosen_place_is_kept_and_chosen_anew_when_gone() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(directory.path().join("state"), "local").unwrap();
        state.ensure().unwrap();
        let sockets = state.sockets().unwrap();
        sockets.ensure().unwrap();
        sockets.ensure().unwrap();
        let remembered = state.supervisor().join("sockets");
        assert_eq!(std::fs::read_link(&remembered).unwrap(), sockets.path());

        let elsewhere = directory.path().join("r");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::remove_file(&remembered).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &remembered).unwrap();
        assert_eq!(state.sockets().unwrap().path(), elsewhere);
        std::fs::remove_dir(&elsewhere).unwrap();
        assert_eq!(state.sockets().unwrap().path(), sockets.path());
        std::fs::remove_dir_all(sockets.path()).unwrap();
    }
}
