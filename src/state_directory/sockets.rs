//! The short directory for sockets: chosen once, remembered beside the state, so that a later call under
//! another login finds the same one. It must last as long as what listens in it: see docs/adr/0009.

use std::fs::{DirBuilder, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Mode, StateDirectory, StateDirectoryError, correct_mode};

/// Bytes of a socket's path that the kernel accepts (`sun_path` less its closing NUL).
const LONGEST_PATH: usize = 107;

/// Where the sockets of one environment are.
///
/// Shape: 0711 as root (the user of PostgreSQL passes through), else 0700; in it `s/` (0700: supervisor and
/// releases) and `p/` (PostgreSQL's own).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketDirectory {
    path: PathBuf,
    /// What is made above it; none inside the state directory, which is there.
    base: Option<PathBuf>,
    remembered_in: PathBuf,
}

impl SocketDirectory {
    pub(super) fn locate(state: &StateDirectory) -> Result<Self, StateDirectoryError> {
        let remembered_in = state.supervisor().join("sockets");
        let remembered = std::fs::read_link(&remembered_in).ok().filter(|path| still_usable(path));
        let path = remembered.unwrap_or_else(|| Candidates::of(state).choose());
        let base = path.parent().filter(|_| !path.starts_with(state.path())).map(Path::to_owned);
        let this = Self { path, base, remembered_in };
        match this.longest() {
            longest if fits(&longest) => Ok(this),
            path => Err(StateDirectoryError::SocketPathTooLong { path }),
        }
    }

    fn longest(&self) -> PathBuf {
        self.instance_socket(u64::from(u32::MAX), "private")
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
        if let Some(base) = &self.base {
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

/// A directory that nobody else may have prepared. Looked at before anything of it is changed: in `/tmp` a
/// stranger may have put a link or a directory of his there, and a link is never followed.
fn make_own(path: &Path, mode: u32) -> Result<(), StateDirectoryError> {
    let unusable = |source| StateDirectoryError::Unusable { path: path.to_owned(), source };
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(unusable(error)),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path).map_err(unusable)?;
    if !found.is_dir() || !is_ours(&found) {
        return Err(StateDirectoryError::ForeignOwner { path: path.to_owned(), owner: found.uid() });
    }
    correct_mode(path, &found, mode, Mode::Exactly).map_err(unusable)
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// A remembered place counts while it exists and is ours; after a reboot it is chosen anew.
fn still_usable(path: &Path) -> bool {
    path.is_absolute() && std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && is_ours(&found))
}

fn fits(socket: &Path) -> bool {
    socket.as_os_str().len() <= LONGEST_PATH
}

/// Places that outlast a login, in the order of preference.
#[derive(Debug)]
struct Candidates {
    /// For root, where PostgreSQL's user gets in too.
    run: Option<PathBuf>,
    /// Inside the state directory, for a user whose PostgreSQL runs as himself.
    inside: Option<PathBuf>,
    /// Anywhere else.
    temporary: PathBuf,
}

impl Candidates {
    fn of(state: &StateDirectory) -> Self {
        let user = rustix::process::geteuid();
        let run = Path::new("/run");
        let run =
            (user.is_root() && rustix::fs::access(run, rustix::fs::Access::WRITE_OK).is_ok()).then_some(run);
        let name = state.short_name();
        Self {
            run: run.map(|run| run.join("crmctl").join(&name)),
            inside: (!user.is_root()).then(|| state.path().join("sockets")),
            temporary: PathBuf::from(format!("/tmp/crmctl-{}", user.as_raw())).join(&name),
        }
    }

    fn choose(self) -> PathBuf {
        let short = |path: &PathBuf| {
            let (path, base, remembered_in) = (path.clone(), None, PathBuf::new());
            fits(&SocketDirectory { path, base, remembered_in }.longest())
        };
        self.run.or(self.inside.filter(short)).unwrap_or(self.temporary)
    }
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

    #[test]
    fn a_user_keeps_sockets_in_the_state_while_the_path_is_short_enough() {
        let place = |run: Option<&str>, inside: Option<String>| {
            let (run, inside) = (run.map(PathBuf::from), inside.map(PathBuf::from));
            Candidates { run, inside, temporary: "/tmp/crmctl-7/0a1b2c3d".into() }.choose()
        };
        let home = "/home/ana/.local/state/crmctl/local/sockets";
        assert_eq!(place(None, Some(home.into())), Path::new(home));
        assert_eq!(place(Some("/run/crmctl/0a1b2c3d"), None), Path::new("/run/crmctl/0a1b2c3d"));
        let longest = LONGEST_PATH - "/s/4294967295.private".len();
        let deep = |length: usize| format!("/{}", "d".repeat(length - 1));
        assert_eq!(place(None, Some(deep(longest))).as_os_str().len(), longest);
        assert_eq!(place(None, Some(deep(longest + 1))), Path::new("/tmp/crmctl-7/0a1b2c3d"));
    }

    #[test]
    fn a_link_that_a_stranger_laid_is_neither_followed_nor_changed() {
        let directory = tempfile::tempdir().unwrap();
        let ours = directory.path().join("ours");
        std::fs::create_dir(&ours).unwrap();
        let mode = || std::fs::metadata(&ours).unwrap().mode();
        let before = mode();
        let link = directory.path().join("crmctl-7");
        std::os::unix::fs::symlink(&ours, &link).unwrap();
        let error = make_own(&link, 0o711).unwrap_err();
        assert!(matches!(error, StateDirectoryError::ForeignOwner { .. }), "{error}");
        assert!(error.hint().unwrap().contains("CRMCTL_STATE_DIR"));
        assert_eq!(mode(), before);
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, "").unwrap();
        assert!(make_own(&link, 0o711).is_err());
    }
}
