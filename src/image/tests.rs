//! Images put together from a directory as releases have it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

/// A release's directory with a program that is certainly here: the one that runs this test.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/true", directory.path().join("crm-server")).unwrap();
    let migrations = directory.path().join("migrations");
    std::fs::create_dir_all(migrations.join("verify")).unwrap();
    for name in ["001_base.up.sql", "001_base.down.sql", "verify/001_base.sql"] {
        std::fs::write(migrations.join(name), format!("-- {name}\n")).unwrap();
    }
    directory
}

fn image(directory: &TempDir) -> Image {
    assemble(directory.path(), "crm:one").unwrap()
}

fn entries(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn the_same_content_gives_the_same_bytes_whenever_and_wherever_it_was_written() {
    let (one, other) = (directory(), directory());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let server = File::options().write(true).open(other.path().join("crm-server")).unwrap();
    server.set_modified(old).unwrap();
    let (one, other) = (image(&one), image(&other));
    assert_eq!(one.id, other.id);
    assert!(one.archive == other.archive, "the archives differ");
}

#[test]
fn a_changed_migration_changes_the_image_and_only_its_layer() {
    let directory = directory();
    let before = entries(&image(&directory).archive);
    std::fs::write(directory.path().join("migrations/001_base.up.sql"), "-- other\n").unwrap();
    let after = image(&directory);
    let kept = entries(&after.archive).into_keys().filter(|name| before.contains_key(name)).count();
    // Of three layers, a configuration and a manifest: two layers and the manifest have the names they had.
    assert_eq!(kept, 3);
    assert!(!before.contains_key(&format!("{}.json", after.id.trim_start_matches("sha256:"))));
}

#[test]
fn every_part_is_what_its_name_says() {
    let image = image(&directory());
    let parts = entries(&image.archive);
    let manifest: Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"][0], "crm:one");
    let configuration = &parts[manifest[0]["Config"].as_str().unwrap()];
    assert_eq!(image.id, format!("sha256:{}", hex::encode(Sha256::digest(configuration))));
    let configuration: Value = serde_json::from_slice(configuration).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    let mut files = Vec::new();
    for (layer, digest) in layers.iter().zip(configuration["rootfs"]["diff_ids"].as_array().unwrap()) {
        let bytes = &parts[layer.as_str().unwrap()];
        assert_eq!(digest.as_str().unwrap(), format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
        files.extend(entries(bytes).into_keys());
    }
    for wanted in ["etc/ssl/certs/ca-certificates.crt", "migrations/verify/001_base.sql", "crm-server"] {
        assert!(files.iter().any(|file| file == wanted), "no {wanted}: {files:?}");
    }
    assert_eq!(configuration["config"]["User"], USER);
}

#[test]
fn a_program_with_libraries_takes_them_along() {
    let image = image(&directory());
    let parts = entries(&image.archive);
    let libraries = parts.iter().filter(|(name, _)| name.ends_with("layer.tar"));
    let files: Vec<String> = libraries.flat_map(|(_, layer)| entries(layer).into_keys()).collect();
    assert!(files.iter().any(|file| file.contains("libc.so")), "{files:?}");
}

#[test]
fn a_server_that_is_none_is_refused_with_what_to_do() {
    let directory = directory();
    std::fs::write(directory.path().join("crm-server"), "#!/bin/sh\n").unwrap();
    let error = assemble(directory.path(), "crm:one").unwrap_err();
    assert!(error.to_string().contains("is no Linux program"), "{error}");
    assert!(error.hint().contains("profile = \"release\""));
    std::fs::remove_file(directory.path().join("crm-server")).unwrap();
    let error = assemble(directory.path(), "crm:one").unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
}

#[test]
fn any_program_of_this_machine_can_be_one() {
    let image = of_program(Path::new("/bin/true"), &["--version"], "edge:one").unwrap();
    let parts = entries(&image.archive);
    let configuration =
        parts.iter().find(|(name, _)| name.ends_with(".json") && *name != "manifest.json").unwrap();
    let configuration: Value = serde_json::from_slice(configuration.1).unwrap();
    assert_eq!(configuration["config"]["Entrypoint"][0], "/true");
    assert_eq!(configuration["config"]["Cmd"][0], "--version");
}
