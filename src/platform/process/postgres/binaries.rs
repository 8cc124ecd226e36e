//! Where the server programs are: on `PATH`, or in Debian's directories, which are not on it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresError;

/// Where Debian and Ubuntu put each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory with `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    directory: PathBuf,
}

impl PostgresBinaries {
    /// Finds the programs: in `only` when given, else on `PATH`, else Debian's newest; those of version
    /// `wanted`, which existing data need, come first.
    pub(super) fn find(only: Option<&Path>, wanted: Option<u32>) -> Result<Self, PostgresError> {
        if let Some(only) = only {
            return Self::among(vec![only.to_owned()], wanted);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut directories: Vec<PathBuf> =
            std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect();
        directories.extend(debian_directories(Path::new(DEBIAN)));
        Self::among(directories, wanted)
    }

    fn among(directories: Vec<PathBuf>, wanted: Option<u32>) -> Result<Self, PostgresError> {
        let complete = |directory: &&PathBuf| {
            ["postgres", "initdb"].iter().all(|program| is_program(&directory.join(program)))
        };
        let found: Vec<Self> = directories
            .iter()
            .filter(complete)
            .map(|directory| Self { directory: directory.clone() })
            .collect();
        let fitting = wanted.and_then(|wanted| found.iter().find(|each| each.major() == Some(wanted)));
        fitting
            .or(found.first())
            .cloned()
            .ok_or_else(|| PostgresError::BinariesMissing { searched: searched(&directories) })
    }

    /// Path of `program`.
    pub fn program(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }

    /// What `postgres --version` says, as `postgres (PostgreSQL) 15.14 (Debian …)`.
    pub fn version(&self) -> Option<String> {
        let output = Command::new(self.program("postgres"))
            .arg("--version")
            .env_clear()
            .process_group(0)
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn major(&self) -> Option<u32> {
        let version = self.version()?;
        let number =
            version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Data can only be opened by programs of their own major version.
    pub(super) fn check_version(&self, data: Option<u32>) -> Result<(), PostgresError> {
        match data {
            Some(data) if self.major() != Some(data) => Err(PostgresError::VersionMismatch {
                path: self.directory.clone(),
                data,
                programs: self.version().unwrap_or_else(|| "of unknown version".into()),
            }),
            _ => Ok(()),
        }
    }
}

/// The searched places as told to a person: `PATH` instead of each of its parts.
fn searched(directories: &[PathBuf]) -> Vec<String> {
    match directories {
        [only] => vec![format!("`{}`", only.display())],
        _ => vec!["`PATH`".into(), format!("`{DEBIAN}/*/bin`")],
    }
}

/// `<root>/<major>/bin`, newest first by number, since 9 comes before 16.
fn debian_directories(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, directory)| directory).collect()
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_version_comes_first_by_number() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "16", "15", "common"] {
            std::fs::create_dir_all(root.path().join(name).join("bin")).unwrap();
        }
        let found = debian_directories(root.path());
        let expected: Vec<PathBuf> =
            ["16", "15", "9"].iter().map(|v| root.path().join(v).join("bin")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn directory_without_initdb_does_not_count_and_the_package_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("postgres"), "").unwrap();
        let error = PostgresBinaries::find(Some(root.path()), None).unwrap_err();
        assert!(matches!(error, PostgresError::BinariesMissing { .. }));
        assert!(error.hint().unwrap().contains("`postgresql`"));
    }
}
