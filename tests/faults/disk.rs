//! Disks that are full or may not be written. The state directory's own full disk is a story of `building`.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use super::watch::Watch;
use super::{DEPLOY, journal};
use crate::building::SmallDisk;
use crate::database::{as_ordinary_user, ordinary_users};
use crate::harness::machine::{Machine, Said};

/// A migration that needs so many megabytes.
fn large_migration(machine: &Machine, number: u32, megabytes: u32) {
    let directory = machine.checkout().join("backend/migrations");
    let name = format!("{number}_large");
    // Not to be made small by compression.
    let up = format!(
        "CREATE TABLE large_{number} (id bigint, words text);\n\
         INSERT INTO large_{number} SELECT n, (SELECT string_agg(md5(random()::text || n || m), '') \
         FROM generate_series(1, 32) m) FROM generate_series(1, {megabytes} * 1024) n;\n"
    );
    std::fs::write(directory.join(format!("{name}.up.sql")), up).unwrap();
    std::fs::write(directory.join(format!("{name}.down.sql")), format!("DROP TABLE large_{number};\n"))
        .unwrap();
    std::fs::write(directory.join(format!("verify/{name}.sql")), "SELECT 1 = 1;\n").unwrap();
    machine.commit(&name);
}

fn deny(directory: &Path, mode: u32) {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_full_disk_under_postgres_fails_the_migration_and_what_served_still_serves() {
    let disk = SmallDisk::mount(400);
    let unproved = ["deploy", "local", "--skip", "preflight,perf", "--reason", "not this story"];
    let machine = Machine::new();
    for directory in [machine.state(), machine.state().join("local")] {
        std::fs::DirBuilder::new().mode(0o711).create(directory).unwrap();
    }
    symlink(disk.path(), machine.state().join("local/postgres")).unwrap();
    machine.crmctl(&unproved).exits(0);
    let good = machine.serving();
    let small = machine.crmctl(&["preflight", "local"]).exits(10);
    small.says(&["preflight/disk-database", "MiB free for", "make room"]);
    large_migration(&machine, 901, 30);
    let filler = disk.fill_but(16);
    let watch = Watch::start(machine.port);
    let failed = machine.crmctl(&unproved).exits(20);
    failed.says(&["migrate.apply", "next: crmctl "]);
    // It either refuses the migration or, when its log finds no room, goes down; what serves stays up all the same.
    assert_eq!(machine.serving(), good);
    let seen = watch.stop();
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    assert!(seen.releases.iter().eq([&good]), "{seen:?}");
    let log = std::fs::read_to_string(machine.state().join("local/logs/postgres.log")).unwrap();
    assert!(log.contains("No space left on device"), "the disk was never full");
    std::fs::remove_file(filler).unwrap();
    machine.crmctl(&unproved).exits(0);
    assert_ne!(machine.serving(), good);
    machine.crmctl(&["smoke", "local"]).exits(0);
}

#[test]
fn a_full_temporary_directory_stops_nothing() {
    let disk = SmallDisk::mount(2);
    disk.fill_but(0);
    let machine = Machine::new();
    let mut command = machine.command(&DEPLOY);
    let said: Said = command.env("TMPDIR", disk.path()).output().unwrap().into();
    said.exits(0).says(&["deployed"]);
}

#[test]
fn a_state_directory_that_may_not_be_written_is_refused_by_its_name() {
    let machine = Machine::new();
    ordinary_users(&machine);
    // Somebody else's: one's own directory is put right without a word.
    let owner = std::fs::metadata(machine.state()).unwrap();
    chown(machine.state(), Some(0), Some(0)).expect("files are given away as root; run the tests as root");
    deny(&machine.state(), 0o755);
    let place = machine.state().join("local").display().to_string();
    let refused = as_ordinary_user(&machine, &DEPLOY).exits(10);
    refused.says(&[&place, "ermission denied", "hint:"]);
    as_ordinary_user(&machine, &["status", "local"]).exits(0);
    chown(machine.state(), Some(owner.uid()), Some(owner.gid())).unwrap();
    deny(&machine.state(), 0o700);
    as_ordinary_user(&machine, &DEPLOY).exits(0);
    let before = std::fs::read(journal(&machine)).unwrap();

    let ledger = machine.state().join("local/ledger");
    for file in ["lease", "journal.ndjson"] {
        deny(&ledger.join(file), 0o400);
        let refused = as_ordinary_user(&machine, &DEPLOY).exits(10);
        refused.says(&[&ledger.join(file).display().to_string(), "ermission denied", "hint:"]);
        as_ordinary_user(&machine, &["status", "local"]).exits(0).says(&["last run"]);
        deny(&ledger.join(file), 0o600);
    }
    assert_eq!(std::fs::read(journal(&machine)).unwrap(), before, "a refused run wrote something");
    as_ordinary_user(&machine, &DEPLOY).exits(0);
    as_ordinary_user(&machine, &["down", "local", "--purge", "--yes"]).exits(0);
}
