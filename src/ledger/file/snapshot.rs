//! `releases.json`: known releases for people and scripts. A copy of what the journal says, never read back.

use std::fs::{File, OpenOptions, rename};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use phases::engine::history::known_releases;
use phases::engine::ledger::LedgerError;
use phases::observed::KnownRelease;
use serde::Serialize;

use super::{journal, storage, sync_directory};

#[derive(Serialize)]
struct Snapshot {
    schema: u32,
    releases: Vec<KnownRelease>,
}

/// Writes it anew. The record it follows is durable already, so a failure here is only logged.
pub(super) fn write(directory: &Path) {
    if let Err(error) = replace(directory) {
        tracing::warn!(%error, "the list of releases could not be written");
    }
}

fn replace(directory: &Path) -> Result<(), LedgerError> {
    let releases = known_releases(&journal::read(directory)?.records);
    let text = serde_json::to_string(&Snapshot { schema: 1, releases }).expect("plain data always has JSON");
    let (path, new) = (directory.join("releases.json"), directory.join("releases.json.new"));
    let opened: std::io::Result<File> =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    opened
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()))
        .and_then(|()| rename(&new, &path))
        .map_err(|error| storage(&path, &error))?;
    sync_directory(directory)
}
