//! `releases/<id>/`: the server, its migrations and `release.json`. Written whole or not at all.

mod file;

use std::path::{Path, PathBuf};

use phases::release::{Release, ReleaseId};
use sha2::{Digest, Sha256};

pub use file::{MigrationEntry, ReleaseFile};

/// How the name of a half-written release begins; its id and the number of the process that writes it follow.
const FRESH: &str = ".new-";

/// Reads `release.json` of a release, if its directory is whole.
pub fn read(releases: &Path, id: &ReleaseId) -> Option<ReleaseFile> {
    let directory = releases.join(id.as_str());
    let text = std::fs::read_to_string(directory.join("release.json")).ok()?;
    let file: ReleaseFile = serde_json::from_str(&text).ok()?;
    let has_bytes = file.image.is_some() || directory.join("crm-server").is_file();
    (file.schema == 1 && file.id == id.as_str() && has_bytes).then_some(file)
}

/// Which image a release was packed as, once it was.
pub fn packed_as(releases: &Path, id: &ReleaseId) -> Option<String> {
    read(releases, id)?.image
}

/// Remembers which image a release was packed as.
///
/// # Errors
/// Whatever the file system says.
pub fn pack_as(releases: &Path, id: &ReleaseId, image: &str) -> std::io::Result<()> {
    let path = releases.join(id.as_str()).join("release.json");
    let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, format!("release {id} is not built"));
    let file = ReleaseFile { image: Some(image.to_owned()), ..read(releases, id).ok_or_else(missing)? };
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&beside, serde_json::to_vec(&file).map_err(std::io::Error::other)?)?;
    std::fs::File::open(&beside)?.sync_all()?;
    std::fs::rename(&beside, &path).map_err(|error| place(error, &path))
}

/// Takes over a release that was built elsewhere and lies in a registry: its file, and the migrations of this checkout, which are the
/// same because its id is. One that is here already stays.
///
/// # Errors
/// Whatever the file system says, with the path.
pub fn import(releases: &Path, id: &ReleaseId, file: &ReleaseFile, migrations: &Path) -> std::io::Result<()> {
    if read(releases, id).is_some_and(|known| known.image.is_some()) {
        return Ok(());
    }
    let directory = releases.join(format!("{FRESH}{id}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    copy_tree(migrations, &directory.join("migrations"))?;
    std::fs::write(directory.join("release.json"), serde_json::to_vec(file).map_err(std::io::Error::other)?)?;
    std::fs::File::open(directory.join("release.json"))?.sync_all()?;
    let target = releases.join(id.as_str());
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    std::fs::rename(&directory, &target)
}

/// A server that was built from the same inputs, in whatever release.
pub fn find_by_inputs(releases: &Path, inputs: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(releases).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| {
        let id: ReleaseId = entry.file_name().to_str()?.parse().ok()?;
        let file = read(releases, &id)?;
        let server = entry.path().join("crm-server");
        (file.inputs == inputs && digest(&server, &file.migrations).ok()? == file.digest).then_some(server)
    })
}

/// A release's directory written beside its place: nobody takes it for the release yet. Dropping it removes it.
#[derive(Debug)]
pub struct Fresh {
    directory: PathBuf,
    target: PathBuf,
    file: ReleaseFile,
}

impl Fresh {
    /// Writes it from a server and the migration files.
    ///
    /// # Errors
    /// Whatever the file system says, with the path.
    pub fn fill(
        releases: &Path,
        release: &Release,
        server: &Path,
        migrations: &Path,
    ) -> std::io::Result<Self> {
        let directory = releases.join(format!("{FRESH}{}-{}", release.id, std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        match fill(&directory, release, server, migrations) {
            Ok(file) => Ok(Self { directory, target: releases.join(release.id.as_str()), file }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&directory);
                Err(error)
            }
        }
    }

    /// Makes it the release.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn put_in_place(self) -> std::io::Result<ReleaseFile> {
        if self.target.exists() {
            std::fs::remove_dir_all(&self.target)?;
        }
        std::fs::rename(&self.directory, &self.target)?;
        if let Some(releases) = self.target.parent() {
            std::fs::File::open(releases)?.sync_all()?;
        }
        Ok(self.file.clone())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Removes what killed builds left half written. Call it under the lease: nobody else writes here then.
pub fn remove_abandoned(releases: &Path) {
    for entry in std::fs::read_dir(releases).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer =
            name.to_str().and_then(|name| name.strip_prefix(FRESH)?.rsplit_once('-')?.1.parse().ok());
        let writer = writer.and_then(rustix::process::Pid::from_raw);
        if writer.is_some_and(|writer| rustix::process::test_kill_process(writer).is_err()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn fill(
    directory: &Path,
    release: &Release,
    server: &Path,
    migrations: &Path,
) -> std::io::Result<ReleaseFile> {
    std::fs::create_dir_all(directory)?;
    let program = directory.join("crm-server");
    std::fs::copy(server, &program).map_err(|error| place(error, server))?;
    std::fs::File::open(&program)?.sync_all()?;
    copy_tree(migrations, &directory.join("migrations"))?;
    let entries: Vec<MigrationEntry> = release.migrations.iter().map(MigrationEntry::from).collect();
    let file = ReleaseFile {
        schema: 1,
        id: release.id.to_string(),
        commit: release.commit.clone(),
        dirty: release.dirty,
        inputs: release.inputs.clone(),
        digest: digest(&program, &entries)?,
        needs_schema: release.needs_schema,
        migrations: entries,
        image: None,
    };
    let text = serde_json::to_vec(&file).map_err(std::io::Error::other)?;
    std::fs::write(directory.join("release.json"), text)?;
    std::fs::File::open(directory.join("release.json"))?.sync_all()?;
    std::fs::File::open(directory)?.sync_all()?;
    Ok(file)
}

/// `sha256:…` over the server's bytes and the checksums of its migrations.
fn digest(server: &Path, migrations: &[MigrationEntry]) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(std::fs::read(server)?));
    for entry in migrations {
        hash.update(format!("{}\0{}\0{}\0{}\n", entry.version, entry.checksum, entry.down, entry.verify));
    }
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).map_err(|error| place(error, from))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(|error| place(error, &entry.path()))?;
        }
    }
    Ok(())
}

fn place(error: std::io::Error, path: &Path) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_a_release_is_remembered_with_it() {
        let releases = tempfile::tempdir().unwrap();
        let id: ReleaseId = "0123456789ab.01234567".parse().unwrap();
        assert!(pack_as(releases.path(), &id, "crm@sha256:1").is_err(), "there is no such release");
        let directory = releases.path().join(id.as_str());
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("crm-server"), "").unwrap();
        std::fs::write(directory.join("release.json"), serde_json::to_vec(&file(&id)).unwrap()).unwrap();
        assert_eq!(packed_as(releases.path(), &id), None);
        for image in ["crm@sha256:1", "crm@sha256:2"] {
            pack_as(releases.path(), &id, image).unwrap();
            assert_eq!(packed_as(releases.path(), &id).as_deref(), Some(image));
        }
    }

    fn file(id: &ReleaseId) -> ReleaseFile {
        let text = |text: &str| text.to_owned();
        ReleaseFile {
            schema: 1,
            id: id.to_string(),
            commit: "01".repeat(20),
            dirty: false,
            inputs: text("sha256:0"),
            digest: text("sha256:0"),
            needs_schema: 1,
            migrations: Vec::new(),
            image: None,
        }
    }

    #[test]
    fn a_release_built_elsewhere_is_its_file_and_the_migrations_here() {
        let (releases, migrations) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(migrations.path().join("001_base.up.sql"), "SELECT 1;").unwrap();
        let id: ReleaseId = "0123456789ab.01234567".parse().unwrap();
        import(releases.path(), &id, &file(&id), migrations.path()).unwrap();
        assert_eq!(read(releases.path(), &id), None, "without image and server there is nothing to start");
        let packed = ReleaseFile { image: Some("crm@sha256:1".to_owned()), ..file(&id) };
        import(releases.path(), &id, &packed, migrations.path()).unwrap();
        assert_eq!(packed_as(releases.path(), &id).as_deref(), Some("crm@sha256:1"));
        assert!(releases.path().join(id.as_str()).join("migrations/001_base.up.sql").is_file());
        let other = ReleaseFile { image: Some("crm@sha256:2".to_owned()), ..file(&id) };
        import(releases.path(), &id, &other, migrations.path()).unwrap();
        assert_eq!(packed_as(releases.path(), &id).as_deref(), Some("crm@sha256:1"), "what is here stays");
    }

    #[test]
    fn only_what_dead_processes_left_is_removed() {
        let releases = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let name = |pid: u32| format!(".new-0123456789ab-dirty.01234567-{pid}");
        let (left, ours) = (name(dead.id()), name(std::process::id()));
        for name in [&left, &ours, "0123456789ab.01234567", ".new-nonsense"] {
            std::fs::create_dir_all(releases.path().join(name).join("migrations")).unwrap();
        }
        remove_abandoned(releases.path());
        assert!(!releases.path().join(left).exists());
        for kept in [&ours, "0123456789ab.01234567", ".new-nonsense"] {
            assert!(releases.path().join(kept).exists(), "{kept} is gone");
        }
    }
}
