//! Where the data lie, and that the user of the server can get there. Knows nothing of what is in them.

use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::PostgresError;
use super::account::Account;
use crate::state_directory::StateDirectory;

/// Directory with the data (`data/`) and what is half made (`data.new/`).
///
/// Normally `<environment>/postgres`. When root keeps its state where the server's user cannot go, that is a
/// link to a directory of the same name under `/var/lib/crmctl`, which it can enter.
#[derive(Debug, Clone)]
pub(super) struct Home {
    path: PathBuf,
}

impl Home {
    /// The home as it is, or would be.
    pub(super) fn existing(state: &StateDirectory) -> Self {
        Self { path: state.postgres() }
    }

    /// Makes it when it is missing and proves that `account` can enter it.
    pub(super) fn ensure(state: &StateDirectory, account: Option<&Account>) -> Result<Self, PostgresError> {
        let home = Self::existing(state);
        if let Some(account) = account
            && std::fs::symlink_metadata(&home.path).is_err()
            && closed_directory(&home.path, account).is_some()
        {
            home.link_elsewhere(state)?;
        }
        // Through the link, when it is one.
        let place = std::fs::read_link(&home.path).unwrap_or_else(|_| home.path.clone());
        give_directory(&place, account)?;
        match account.and_then(|account| Some((account, closed_directory(&place, account)?))) {
            Some((account, path)) => Err(PostgresError::CannotEnter { user: account.name.clone(), path }),
            None => Ok(Self { path: place }),
        }
    }

    fn link_elsewhere(&self, state: &StateDirectory) -> Result<(), PostgresError> {
        let base = PathBuf::from("/var/lib/crmctl");
        DirBuilder::new().recursive(true).mode(0o711).create(&base).map_err(|source| PostgresError::Io {
            path: base.clone(),
            what: "make",
            source,
        })?;
        let target = base.join(format!("postgres-{}", state.short_name()));
        std::os::unix::fs::symlink(&target, &self.path).map_err(|source| PostgresError::Io {
            path: self.path.clone(),
            what: "make",
            source,
        })
    }

    /// The data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where a data directory is made before it counts.
    pub(super) fn half_made(&self) -> PathBuf {
        self.path.join("data.new")
    }

    /// The directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Major version of the data; none while there are none: no directory, or an empty one.
    ///
    /// # Errors
    /// When something stands there whose version cannot be told: it may be all that is left of a database.
    pub(super) fn version(&self) -> Result<Option<u32>, PostgresError> {
        let data = self.data();
        let damaged = |reason: String| PostgresError::Damaged { path: data.clone(), reason };
        match std::fs::read_dir(&data).map(|mut entries| entries.next().is_none()) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PostgresError::Io { path: data, what: "read", source }),
        }
        let text = std::fs::read_to_string(data.join("PG_VERSION"));
        let text = text.map_err(|error| damaged(format!("`PG_VERSION`: {error}")))?;
        let version = text.trim().parse().map(Some);
        version.map_err(|_| damaged("`PG_VERSION` holds no version".to_owned()))
    }

    /// Removes everything, also behind the link.
    pub(super) fn remove(&self) -> Result<(), PostgresError> {
        if let Ok(target) = std::fs::read_link(&self.path) {
            remove_tree(&target)?;
            return std::fs::remove_file(&self.path).map_err(|source| PostgresError::Io {
                path: self.path.clone(),
                what: "remove",
                source,
            });
        }
        remove_tree(&self.path)
    }
}

/// Removes a directory; none is fine.
pub(super) fn remove_tree(path: &Path) -> Result<(), PostgresError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(PostgresError::Io { path: path.to_owned(), what: "remove", source })
        }
        _ => Ok(()),
    }
}

/// Makes `path`, 0700, and gives it to `account`.
pub(super) fn give_directory(path: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
    let failed = |what| move |source| PostgresError::Io { path: path.to_owned(), what, source };
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed("make")(error)),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path).map_err(failed("read"))?;
    if !found.is_dir() {
        return Err(failed("use")(ErrorKind::NotADirectory.into()));
    }
    if found.mode() & 0o7777 != 0o700 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("set the mode of"))?;
    }
    match account {
        Some(account) if found.uid() != account.user => {
            chown(path, Some(account.user), Some(account.group)).map_err(failed("give away"))
        }
        _ => Ok(()),
    }
}

/// First directory above `path` that `account` cannot pass through.
fn closed_directory(path: &Path, account: &Account) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().find(|directory| !can_pass(directory, account)).map(Path::to_owned)
}

fn can_pass(directory: &Path, account: &Account) -> bool {
    let Ok(found) = std::fs::metadata(directory) else {
        return false;
    };
    let bit = match () {
        () if found.uid() == account.user => 0o100,
        () if found.gid() == account.group => 0o010,
        () => 0o001,
    };
    found.mode() & bit != 0
}
