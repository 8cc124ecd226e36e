//! One layer: a tar archive whose bytes depend on nothing but names and contents.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::ImageError;

/// Mode of a file that is read.
pub(super) const READABLE: u32 = 0o644;
/// Mode of a file that is run, and of a directory.
pub(super) const EXECUTABLE: u32 = 0o755;

/// Whom the program runs as.
const OWNER: u64 = 65_532;

/// A layer being written. Files come in the order they are given.
pub(super) struct Layer {
    tar: Builder<Vec<u8>>,
    directories: BTreeSet<PathBuf>,
}

impl Layer {
    pub(super) fn new() -> Self {
        Self { tar: Builder::new(Vec::new()), directories: BTreeSet::new() }
    }

    /// Adds a file at `inside` (no leading `/`), and the directories it is in.
    pub(super) fn file(&mut self, inside: &str, bytes: &[u8], mode: u32) -> Result<(), ImageError> {
        let inside = Path::new(inside);
        self.parents(inside)?;
        self.entry(inside, EntryType::Regular, bytes, mode)
    }

    /// Adds the files of a directory and of those in it, by name.
    pub(super) fn tree(&mut self, inside: &str, from: &Path) -> Result<(), ImageError> {
        for file in files(from)? {
            let mut bytes = Vec::new();
            std::fs::File::open(&file)
                .and_then(|mut open| open.read_to_end(&mut bytes))
                .map_err(|source| ImageError::Unreadable { path: file.clone(), source })?;
            let below = file.strip_prefix(from).expect("it was found below it");
            let place = Path::new(inside).join(below);
            self.parents(&place)?;
            self.entry(&place, EntryType::Regular, &bytes, READABLE)?;
        }
        Ok(())
    }

    /// Adds an empty directory that the program may write to: a volume begins as what the image has at its place.
    pub(super) fn own_directory(&mut self, inside: &str) -> Result<(), ImageError> {
        self.entry_of(Path::new(inside), EntryType::Directory, &[], EXECUTABLE, OWNER)
    }

    /// The bytes of the whole layer.
    pub(super) fn finish(self) -> Result<Vec<u8>, ImageError> {
        self.tar.into_inner().map_err(ImageError::Archive)
    }

    fn parents(&mut self, inside: &Path) -> Result<(), ImageError> {
        let mut above: Vec<_> =
            inside.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        above.reverse();
        for directory in above {
            if self.directories.insert(directory.to_owned()) {
                self.entry(directory, EntryType::Directory, &[], EXECUTABLE)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, inside: &Path, kind: EntryType, bytes: &[u8], mode: u32) -> Result<(), ImageError> {
        self.entry_of(inside, kind, bytes, mode, 0)
    }

    fn entry_of(
        &mut self,
        inside: &Path,
        kind: EntryType,
        bytes: &[u8],
        mode: u32,
        owner: u64,
    ) -> Result<(), ImageError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        self.tar.append_data(&mut header, inside, bytes).map_err(ImageError::Archive)
    }
}

/// All files below a directory, sorted by path.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let unreadable = |source| ImageError::Unreadable { path: directory.to_owned(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_dir() {
            all.extend(files(&entry.path())?);
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}
