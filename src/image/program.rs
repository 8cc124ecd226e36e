//! The server as a program: for which architecture it is, and the libraries it cannot run without. A static one, which is
//! what profile `release` makes, needs none.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::ImageError;

/// A program with all that it needs to run in an empty image.
pub(super) struct Program {
    /// As images name it: `amd64` or `arm64`.
    pub(super) architecture: &'static str,
    pub(super) bytes: Vec<u8>,
    /// By place.
    pub(super) libraries: Vec<Library>,
}

/// A shared library.
pub(super) struct Library {
    /// Its place in the image, no leading `/`: where the program looks for it.
    pub(super) inside: String,
    pub(super) bytes: Vec<u8>,
}

impl Program {
    pub(super) fn read(path: &Path) -> Result<Self, ImageError> {
        let bytes = read(path)?;
        let no_program = || ImageError::NoProgram { path: path.to_owned() };
        let header = ElfHeader::of(&bytes).ok_or_else(no_program)?;
        let libraries = if header.is_dynamic { libraries(path)? } else { Vec::new() };
        Ok(Self { architecture: header.architecture, bytes, libraries })
    }
}

/// What is asked of a program's ELF header. Source: `elf(5)`, 64-bit little-endian.
struct ElfHeader {
    architecture: &'static str,
    /// It names an interpreter, which loads libraries.
    is_dynamic: bool,
}

impl ElfHeader {
    fn of(bytes: &[u8]) -> Option<Self> {
        const PT_INTERP: u32 = 3;
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let architecture = match number(bytes, 18, 2)? {
            62 => "amd64",
            183 => "arm64",
            _ => return None,
        };
        let (start, size, count) = (number(bytes, 32, 8)?, number(bytes, 54, 2)?, number(bytes, 56, 2)?);
        let mut is_dynamic = false;
        for index in 0..count {
            let at = usize::try_from(start.checked_add(index.checked_mul(size)?)?).ok()?;
            is_dynamic |= number(bytes, at, 4)? == u64::from(PT_INTERP);
        }
        Some(Self { architecture, is_dynamic })
    }
}

/// A little-endian number of `length` bytes at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Asks the loader, which knows best what it would load.
fn libraries(program: &Path) -> Result<Vec<Library>, ImageError> {
    let asked = Command::new("ldd").arg(program).env_clear().env("PATH", "/usr/bin:/bin").output();
    let said = asked.map_err(|source| ImageError::Unreadable { path: PathBuf::from("ldd"), source })?;
    let mut libraries = Vec::new();
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        match Needed::parse(line) {
            None => {}
            Some(Needed::Missing(library)) => {
                return Err(ImageError::LibraryMissing { path: program.to_owned(), library });
            }
            Some(Needed::At(path)) => {
                let inside = path.to_string_lossy().trim_start_matches('/').to_owned();
                libraries.push(Library { inside, bytes: read(&path)? });
            }
        }
    }
    libraries.sort_by(|one, other| one.inside.cmp(&other.inside));
    Ok(libraries)
}

/// A line of `ldd`.
#[derive(Debug, PartialEq, Eq)]
enum Needed {
    At(PathBuf),
    Missing(String),
}

impl Needed {
    /// `libc.so.6 => /lib/…/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`, `libz.so => not found`; the kernel's own
    /// (`linux-vdso.so.1 (0x…)`) is in no file.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, found) = line.split_once(" => ").unwrap_or((line, line));
        if found == "not found" {
            return Some(Self::Missing(name.to_owned()));
        }
        let path = found.split_once(" (").map_or(found, |(path, _)| path);
        path.starts_with('/').then(|| Self::At(PathBuf::from(path)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(|source| ImageError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_loader_are_told_apart() {
        let at = |path: &str| Some(Needed::At(PathBuf::from(path)));
        assert_eq!(Needed::parse("\tlinux-vdso.so.1 (0x00007ffd0)"), None);
        assert_eq!(
            Needed::parse("\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)"),
            at("/lib/x86_64-linux-gnu/libm.so.6")
        );
        assert_eq!(
            Needed::parse("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"),
            at("/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(Needed::parse("\tlibz.so.9 => not found"), Some(Needed::Missing("libz.so.9".to_owned())));
        assert_eq!(Needed::parse("\tstatically linked"), None);
    }

    #[test]
    fn a_program_of_another_kind_is_none() {
        for bytes in [&b"#!/bin/sh\n"[..], b"\x7fELF\x01\x01", b"\x7fELF\x02\x01\x01", b"MZ", b""] {
            assert!(ElfHeader::of(bytes).is_none(), "{bytes:?}");
        }
    }
}
