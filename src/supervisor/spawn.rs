//! Starting programs that live on by themselves: own session, and exactly the file descriptors meant for
//! them. The one place with `unsafe`: what runs between fork and exec.

use std::fs::File;
use std::io::Error as IoError;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use super::process::ProcessIdentity;
use rustix::io::{FdFlags, dup2, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

/// First descriptor after standard input, output and error.
const FIRST_PASSED: RawFd = 3;

/// A program just started, not buried yet even when it is over already.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) child: Child,
    pub(crate) identity: ProcessIdentity,
}

/// Starts `command` as the leader of its own session, deaf to the terminal of its starter, with `passed` as
/// its descriptors 3, 4, … and nothing else that the starter happened to have open.
///
/// # Errors
/// When the program cannot be started.
pub(crate) fn spawn_detached(command: &mut Command, passed: &[BorrowedFd<'_>]) -> Result<Spawned, IoError> {
    let end = FIRST_PASSED + RawFd::try_from(passed.len()).expect("a handful of descriptors");
    // What std opens for the child (its error pipe) must not land on a number that is overwritten below.
    let _reserved = occupy_below(end)?;
    let sources =
        passed.iter().map(|fd| fcntl_dupfd_cloexec(fd, end)).collect::<Result<Vec<OwnedFd>, _>>()?;
    let inherited = open_descriptors()?;
    let prepare = move || prepare_child(&sources, &inherited);
    #[expect(unsafe_code, reason = "the closure only makes system calls on memory prepared before the fork")]
    // SAFETY: `prepare_child` is async-signal-safe: no allocation, no lock, system calls only.
    unsafe {
        command.pre_exec(prepare);
    }
    let child = command.spawn()?;
    let identity = ProcessIdentity::of_child(&child)?;
    Ok(Spawned { child, identity })
}

/// Runs in the child, after fork and before exec.
fn prepare_child(sources: &[OwnedFd], inherited: &[RawFd]) -> Result<(), IoError> {
    rustix::process::setsid()?;
    for &fd in inherited {
        close_on_exec(fd);
    }
    for (target, source) in (FIRST_PASSED..).zip(sources) {
        duplicate_onto(source, target)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "a descriptor number taken from the kernel's own list")]
fn close_on_exec(fd: RawFd) {
    // SAFETY: used for two system calls only; a number closed in the meantime gives EBADF, which is ignored.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    if let Ok(flags) = fcntl_getfd(fd) {
        let _ = fcntl_setfd(fd, flags | FdFlags::CLOEXEC);
    }
}

#[expect(unsafe_code, reason = "the child owns every descriptor number after the fork")]
fn duplicate_onto(source: &OwnedFd, target: RawFd) -> Result<(), IoError> {
    // SAFETY: `occupy_below` made the number one that nothing else in the child relies on; never dropped.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(target) });
    Ok(dup2(source, &mut target)?)
}

/// Opens files until every number below `end` is taken.
fn occupy_below(end: RawFd) -> Result<Vec<File>, IoError> {
    let mut taken = Vec::new();
    loop {
        let file = File::open("/dev/null")?;
        if file.as_raw_fd() >= end {
            return Ok(taken);
        }
        taken.push(file);
    }
}

/// Numbers above standard error that are open now.
fn open_descriptors() -> Result<Vec<RawFd>, IoError> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) {
            numbers.push(number);
        }
    }
    numbers.retain(|&number| number >= FIRST_PASSED);
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn child_gets_its_descriptors_in_order_and_no_others() {
        let (mut first_out, first_in) = std::io::pipe().unwrap();
        let (mut second_out, second_in) = std::io::pipe().unwrap();
        let leaked = File::open("/dev/null").unwrap();
        fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&3; echo two >&4; ls /proc/$$/fd"]).stdout(Stdio::piped());
        // Handed over in this order, whatever their own numbers are.
        let child = spawn_detached(&mut command, &[first_in.as_fd(), second_in.as_fd()]).unwrap();
        drop((first_in, second_in));
        let output = child.child.wait_with_output().unwrap();
        let read = |out: &mut dyn Read| {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        };
        drop(command);
        assert_eq!(read(&mut first_out), "one\n");
        assert_eq!(read(&mut second_out), "two\n");
        let listed = String::from_utf8(output.stdout).unwrap();
        let listed: Vec<&str> = listed.split_whitespace().filter(|fd| *fd != "10").collect();
        assert_eq!(listed, ["0", "1", "2", "3", "4"]);
    }

    #[test]
    fn child_leads_its_own_session() {
        let mut command = Command::new("sh");
        command.args(["-c", "cut -d' ' -f6 /proc/$$/stat; echo $$"]).stdout(Stdio::piped());
        let output = spawn_detached(&mut command, &[]).unwrap().child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], lines[1]);
    }

    #[test]
    fn missing_program_is_reported_although_low_descriptors_are_passed() {
        let (_out, input) = std::io::pipe().unwrap();
        let mut command = Command::new("/does/not/exist");
        let error = spawn_detached(&mut command, &[input.as_fd(), input.as_fd(), input.as_fd()]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
