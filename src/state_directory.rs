//! Where an environment keeps what lasts: paths, modes and the place of its sockets. Reads and makes
//! directories; knows nothing of what is put in them.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use phases::release::ReleaseId;
use sha2::{Digest, Sha256};

mod sockets;

pub use sockets::SocketDirectory;

/// Place of everything one environment keeps on this machine.
///
/// Shape: contract.md, "State". The directory of the environment is 0711, so that an unprivileged PostgreSQL
/// can pass through it; what lies in it is 0700.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDirectory {
    root: PathBuf,
    environment: String,
}

/// Why there is no usable state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// Neither `CRMCTL_STATE_DIR` nor a home directory is known.
    #[error("no place for the state: neither `CRMCTL_STATE_DIR`, `XDG_STATE_HOME` nor `HOME` is set")]
    NoPlace,
    /// A path that must not depend on where crmctl was called.
    #[error("the state directory `{}` is not an absolute path", path.display())]
    NotAbsolute {
        /// As given.
        path: PathBuf,
    },
    /// A name that would leave the state directory.
    #[error("`{name}` cannot name an environment (letters, digits, `-` and `_` can)")]
    BadEnvironmentName {
        /// As given.
        name: String,
    },
    /// It cannot be made or entered.
    #[error("the state directory `{}` cannot be used", path.display())]
    Unusable {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: IoError,
    },
    /// A link, or someone else's directory, stands where private sockets would go.
    #[error("`{}` is no directory of ours (it belongs to user {owner})", path.display())]
    ForeignOwner {
        /// Which directory.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// The kernel takes 107 bytes for the path of a socket.
    #[error("the socket path `{}` is longer than 107 bytes", path.display())]
    SocketPathTooLong {
        /// The longest one.
        path: PathBuf,
    },
}

impl StateDirectoryError {
    /// The next action.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPlace | Self::NotAbsolute { .. } => {
                Some("set `CRMCTL_STATE_DIR` to an absolute path".into())
            }
            Self::Unusable { source, .. } if source.kind() == ErrorKind::StorageFull => {
                Some("free some space".into())
            }
            Self::Unusable { .. } => {
                Some("set `CRMCTL_STATE_DIR` to a directory that you may write to".into())
            }
            Self::ForeignOwner { path, .. } => Some(format!(
                "remove `{}`, or set `CRMCTL_STATE_DIR` to a short path of your own",
                path.display()
            )),
            Self::SocketPathTooLong { .. } => Some("set `CRMCTL_STATE_DIR` to a short path".into()),
            Self::BadEnvironmentName { .. } => None,
        }
    }
}

impl StateDirectory {
    /// The state of `environment` under the root that this process's own environment names:
    /// `CRMCTL_STATE_DIR`; else, as root, `/var/lib/crmctl`; else `XDG_STATE_HOME/crmctl` or
    /// `~/.local/state/crmctl`. Touches nothing.
    ///
    /// # Errors
    /// When no root is named, it is relative, or the environment's name cannot be a directory's.
    pub fn locate(environment: &str) -> Result<Self, StateDirectoryError> {
        let is_root = rustix::process::geteuid().is_root();
        Self::new(root_from(is_root, |name| std::env::var_os(name).map(PathBuf::from))?, environment)
    }

    /// The state of `environment` under `root`. Touches nothing.
    ///
    /// # Errors
    /// When `root` is relative or the environment's name cannot be a directory's.
    pub fn new(root: impl Into<PathBuf>, environment: &str) -> Result<Self, StateDirectoryError> {
        let root = root.into();
        if !root.is_absolute() {
            return Err(StateDirectoryError::NotAbsolute { path: root });
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if environment.is_empty() || environment.len() > 64 || !environment.chars().all(fits) {
            return Err(StateDirectoryError::BadEnvironmentName { name: environment.to_owned() });
        }
        Ok(Self { root, environment: environment.to_owned() })
    }

    /// Root of all environments.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Name of the environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Directory of this environment.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.environment)
    }

    /// Journal, lease and releases of the file ledger.
    pub fn ledger(&self) -> PathBuf {
        self.path().join("ledger")
    }

    /// Reports of runs, one directory each.
    pub fn runs(&self) -> PathBuf {
        self.path().join("runs")
    }

    /// Reports of one run.
    pub fn run(&self, run: &str) -> PathBuf {
        self.runs().join(run)
    }

    /// Built releases, one directory each.
    pub fn releases(&self) -> PathBuf {
        self.path().join("releases")
    }

    /// One built release: `crm-server`, `release.json`, `migrations/`.
    pub fn release(&self, id: &ReleaseId) -> PathBuf {
        self.releases().join(id.as_str())
    }

    /// The private PostgreSQL; belongs to the user it runs as.
    pub fn postgres(&self) -> PathBuf {
        self.path().join("postgres")
    }

    /// What the supervisor must remember.
    pub fn supervisor(&self) -> PathBuf {
        self.path().join("supervisor")
    }

    /// Logs of releases, supervisor and PostgreSQL.
    pub fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// Generated secrets of an embedded environment.
    pub fn secrets_file(&self) -> PathBuf {
        self.path().join("secrets.env")
    }

    /// Eight hexadecimal characters that no other state root and environment have.
    pub fn short_name(&self) -> String {
        let root = std::fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        let mut digest = Sha256::new();
        digest.update(root.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(self.environment.as_bytes());
        hex::encode(digest.finalize())[..8].to_owned()
    }

    /// Where the sockets of this environment are, or will be. Touches nothing.
    ///
    /// # Errors
    /// When the path would be too long for a socket or the place belongs to someone else.
    pub fn sockets(&self) -> Result<SocketDirectory, StateDirectoryError> {
        SocketDirectory::locate(self)
    }

    /// Makes what is missing, with the right modes. Doing it again changes nothing.
    ///
    /// # Errors
    /// When a directory cannot be made or is not ours to set the mode of.
    pub fn ensure(&self) -> Result<(), StateDirectoryError> {
        make_directory(&self.root, 0o711, Mode::AtLeast)?;
        make_directory(&self.path(), 0o711, Mode::Exactly)?;
        for child in [self.ledger(), self.runs(), self.releases(), self.supervisor(), self.logs()] {
            make_directory(&child, 0o700, Mode::Exactly)?;
        }
        Ok(())
    }
}

/// Which root the process environment `variable` names.
fn root_from(
    is_root: bool,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, StateDirectoryError> {
    let set = |name: &str| variable(name).filter(|value| !value.as_os_str().is_empty());
    if let Some(root) = set("CRMCTL_STATE_DIR") {
        return Ok(root);
    }
    if is_root {
        return Ok(PathBuf::from("/var/lib/crmctl"));
    }
    // The XDG specification says that a relative value is to be ignored.
    if let Some(state) = set("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
        return Ok(state.join("crmctl"));
    }
    set("HOME").map(|home| home.join(".local/state/crmctl")).ok_or(StateDirectoryError::NoPlace)
}

/// How a wanted mode is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// These bits and no others.
    Exactly,
    /// These bits and what is there already: a directory that the user may have made.
    AtLeast,
}

/// Makes `path` with its parents, and gives it `mode` when it is ours.
fn make_directory(path: &Path, mode: u32, how: Mode) -> Result<(), StateDirectoryError> {
    let unusable = |source| StateDirectoryError::Unusable { path: path.to_owned(), source };
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).create(parent).map_err(unusable)?;
            }
            DirBuilder::new().mode(mode).create(path).or_else(tolerate_existing).map_err(unusable)?;
        }
        other => other.or_else(tolerate_existing).map_err(unusable)?,
    }
    let metadata = std::fs::metadata(path).map_err(unusable)?;
    if !metadata.is_dir() {
        return Err(unusable(ErrorKind::NotADirectory.into()));
    }
    correct_mode(path, &metadata, mode, how).map_err(unusable)
}

fn tolerate_existing(error: IoError) -> Result<(), IoError> {
    if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn correct_mode(path: &Path, metadata: &Metadata, mode: u32, how: Mode) -> Result<(), IoError> {
    let present = metadata.mode() & 0o7777;
    let wanted = if how == Mode::AtLeast { present | mode } else { mode };
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if present == wanted || (how == Mode::AtLeast && !ours) {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(wanted))
}

#[cfg(test)]
mod tests;
