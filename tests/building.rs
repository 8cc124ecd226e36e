//! Builds in a world that does not hold still: files saved meanwhile, other places of cargo's, Ctrl-C, a full disk.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::client::Load;
use crate::harness::machine::{Machine, Said, eventually};

/// A server that says a word. Its build script puts files in place late, as a person does who saves one while
/// cargo compiles, and waits as long as a file `wait` is there.
const BUILD_SCRIPT: &str = r#"
fn main() {
    let _ = std::fs::rename("../late.txt", "src/word.txt");
    let _ = std::fs::rename("../late.sql", "migrations/009_meta_ads.up.sql");
    let _ = std::fs::write("../compiling.pid", std::process::id().to_string());
    while std::path::Path::new("../wait").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
"#;

/// A machine whose checkout is compiled, and says `old`.
fn compiled() -> Machine {
    let machine = Machine::new();
    let root = machine.checkout();
    let write = |file: &str, text: &str| {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nmembers = [\"backend\"]\nresolver = \"3\"\n");
    write(
        "backend/Cargo.toml",
        "[package]\nname = \"crm-backend\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[[bin]]\nname = \"crm-server\"\npath = \"src/main.rs\"\n",
    );
    write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"crm-backend\"\nversion = \"0.1.0\"\n");
    write("backend/build.rs", BUILD_SCRIPT);
    write("backend/src/main.rs", "fn main() {\n    print!(\"{}\", include_str!(\"word.txt\"));\n}\n");
    write("backend/src/word.txt", "old");
    write(".gitignore", ".env*\ntarget\nelsewhere\nlate.*\nwait\ncompiling.pid\n");
    let file = root.join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let artifact = text.lines().find(|line| line.starts_with("artifact")).unwrap().to_owned();
    std::fs::write(&file, text.replace(&artifact, "profile = \"dev\"")).unwrap();
    machine.commit("something to compile");
    machine
}

/// `crmctl build local`, with cargo left to itself.
fn build(machine: &Machine) -> Command {
    let mut command = machine.command(&["build", "local"]);
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    command
}

fn said(mut command: Command) -> Said {
    command.output().unwrap().into()
}

/// Everything that lies among the releases.
fn releases(machine: &Machine) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(machine.state().join("local/releases")).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.map(|entry| entry.path()).collect();
    all.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    all
}

/// What the newest release says.
fn word(machine: &Machine) -> String {
    let newest = releases(machine).pop().unwrap();
    String::from_utf8(Command::new(newest.join("crm-server")).output().unwrap().stdout).unwrap()
}

#[test]
fn a_file_saved_while_cargo_compiles_gets_into_no_release_with_the_old_id() {
    let machine = compiled();
    let root = machine.checkout();
    std::fs::write(root.join("late.txt"), "new").unwrap();
    let refused = said(build(&machine)).exits(10);
    refused.says(&["the checkout changed during the build", "crmctl deploy local"]);
    assert_eq!(releases(&machine), [] as [PathBuf; 0]);
    said(build(&machine)).exits(0);
    assert_eq!(word(&machine), "new");
    std::fs::write(root.join("backend/src/word.txt"), "old").unwrap();
    said(build(&machine)).exits(0);
    assert_eq!(word(&machine), "old", "the id of the first try stands for what its files said");
}

#[test]
fn a_migration_saved_while_cargo_compiles_gets_into_no_release_with_the_old_id() {
    let machine = compiled();
    std::fs::write(machine.checkout().join("late.sql"), "-- crmctl:stage expand\nSELECT 1;\n").unwrap();
    said(build(&machine)).exits(10).says(&["the checkout changed during the build"]);
    assert_eq!(releases(&machine), [] as [PathBuf; 0]);
}

#[test]
fn what_cargo_made_is_released_wherever_cargo_puts_it() {
    let machine = compiled();
    let root = machine.checkout();
    std::fs::create_dir_all(root.join("target/debug")).unwrap();
    let stale = root.join("target/debug/crm-server");
    std::fs::write(&stale, "#!/bin/sh\nprintf stale\n").unwrap();
    std::fs::set_permissions(&stale, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(root.join(".cargo")).unwrap();
    std::fs::write(root.join(".cargo/config.toml"), "[build]\ntarget-dir = \"elsewhere\"\n").unwrap();
    said(build(&machine)).exits(0);
    assert_eq!(word(&machine), "old");

    std::fs::write(root.join("backend/src/word.txt"), "newer").unwrap();
    let mut command = build(&machine);
    command.env("CARGO_BUILD_TARGET_DIR", root.join("elsewhere/again"));
    said(command).exits(0);
    assert_eq!(word(&machine), "newer");
}

#[test]
fn ctrl_c_in_a_terminal_interrupts_a_build_and_leaves_no_compiler_behind() {
    let machine = compiled();
    let root = machine.checkout();
    std::fs::write(root.join("wait"), "").unwrap();
    // As a shell does: crmctl leads the group that the terminal's INT is sent to.
    let mut command = build(&machine);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    let pid_file = root.join("compiling.pid");
    eventually("the build script runs", || {
        std::fs::read_to_string(&pid_file).is_ok_and(|pid| !pid.is_empty())
    });
    let pid = std::fs::read_to_string(pid_file).unwrap();
    assert_ne!(group_of(&pid), run.id().to_string(), "the terminal's INT would end the compiler first");
    let status = Command::new("kill").args(["-INT", "--", &format!("-{}", run.id())]).status().unwrap();
    assert!(status.success());
    Said::from(run.wait_with_output().unwrap()).exits(50);
    eventually("the build script ends", || is_over(&pid));
    assert_eq!(machine.status()["last_run"]["ending"], "interrupted");
    std::fs::remove_file(root.join("wait")).unwrap();
    said(build(&machine)).exits(0);
}

#[test]
fn a_build_that_is_not_done_in_time_is_ended_with_its_compilers() {
    let machine = compiled();
    let root = machine.checkout();
    std::fs::write(root.join("wait"), "").unwrap();
    let file = root.join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with = |seconds: u32| {
        let lines = format!("profile = \"dev\"\ndeadline_seconds = {seconds}");
        std::fs::write(&file, text.replace("profile = \"dev\"", &lines)).unwrap();
    };
    with(0);
    said(build(&machine)).exits(10).says(&["local.toml:", "`deadline_seconds` must be 1 to 86400"]);
    with(8);
    let words = ["was not done after 8 s and was ended", "`[build] deadline_seconds`", "local.toml"];
    said(build(&machine)).exits(20).says(&words);
    if let Ok(pid) = std::fs::read_to_string(root.join("compiling.pid")) {
        eventually("the build script ends", || is_over(&pid));
    }
    assert!(releases(&machine).is_empty());
    assert_eq!(machine.status()["last_run"]["ending"], "failed");
    std::fs::remove_file(root.join("wait")).unwrap();
    with(600);
    said(build(&machine)).exits(0);
    assert_eq!(word(&machine), "old");
}

#[test]
fn what_a_killed_build_left_half_written_is_removed_by_the_next_one() {
    let machine = compiled();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let left = machine.state().join(format!("local/releases/.new-0123456789ab.01234567-{}", dead.id()));
    std::fs::create_dir_all(left.join("migrations")).unwrap();
    said(build(&machine)).exits(0);
    assert!(!left.exists());
}

#[test]
fn a_full_disk_fails_the_build_and_what_served_still_serves() {
    let disk = SmallDisk::mount(600);
    let machine = Machine::new();
    symlink(disk.path(), machine.state()).unwrap();
    let unproved = ["deploy", "local", "--skip", "preflight,perf", "--reason", "not this story"];
    machine.crmctl(&unproved).exits(0);
    let good = machine.serving();
    machine.commit("change");

    let filler = disk.fill_but(20);
    let failed = machine.crmctl(&unproved).exits(20);
    failed.says(&["the release cannot be written", "No space left", "make room", "build.backend"]);
    let left: Vec<_> =
        releases(&machine).into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(left, [good.as_str()], "something half written is left");
    assert_eq!(machine.serving(), good);
    assert_eq!(machine.status()["last_run"]["ending"], "failed");

    let rest = disk.fill_but(0);
    machine.crmctl(&unproved).exits(10).says(&["No space left", "free space"]);
    assert_eq!(machine.serving(), good);
    machine.crmctl(&["history", "local"]).exits(0);
    // Neither what serves nor its supervisor minds that not one line can be logged any more.
    let load = Load::start(machine.port, 50);
    std::thread::sleep(Duration::from_secs(1));
    let seen = load.stop();
    assert!(seen.total() > 0 && seen.failures.is_empty(), "{:#?}", seen.failures.first());
    assert!(seen.releases.contains_key(&good));

    std::fs::remove_file(rest).unwrap();
    std::fs::remove_file(filler).unwrap();
    machine.crmctl(&unproved).exits(0);
    assert_ne!(machine.serving(), good);
}

/// A file system of its own with a given size. Outlives the machine that is put on it.
pub(crate) struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    pub(crate) fn mount(megabytes: u32) -> Self {
        let place = tempfile::Builder::new().prefix("crmctl-disk-").tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0755");
        let arguments = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(place.path()).status().unwrap();
        assert!(mounted.success(), "a small disk is mounted as root; run the tests as root");
        std::fs::create_dir(place.path().join("state")).unwrap();
        Self { place }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("state")
    }

    /// Takes all room but so many megabytes; gives the file that takes it.
    pub(crate) fn fill_but(&self, megabytes: u64) -> PathBuf {
        let free = free(self.place.path());
        let file = self.place.path().join(format!("filler-{megabytes}"));
        let size = free.saturating_sub(megabytes << 20).to_string();
        let taken = Command::new("fallocate").args(["-l", &size]).arg(&file).status().unwrap();
        assert!(taken.success());
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.place.path()).status();
    }
}

fn free(place: &Path) -> u64 {
    let system = rustix::fs::statvfs(place).unwrap();
    system.f_bavail * system.f_frsize
}

/// The process group of a process.
fn group_of(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(2).unwrap().to_owned()
}

/// No such process, or one that only waits to be buried.
fn is_over(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
        || !Path::new(&format!("/proc/{pid}")).exists()
}
