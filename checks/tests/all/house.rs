//! The list of kinds is a macro, and rustfmt does not look behind macros: this test does.

use std::path::{Path, PathBuf};
use std::process::Command;

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn kinds_are_formatted() {
    let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kind");
    let mut files = Vec::new();
    rust_files(&kinds, &mut files);
    assert!(!files.is_empty());
    let checked =
        Command::new("rustfmt").args(["--edition", "2024", "--check"]).args(&files).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "run `rustfmt --edition 2024 {}`\n{said}",
        kinds.join("*.rs").display()
    );
}
