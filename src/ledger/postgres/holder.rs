//! The process that holds a lease, as others can judge it: on the same machine, in the same process namespace, a dead
//! one is known to be dead. Of any other machine nothing is known.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::supervisor::process::ProcessIdentity;

/// A process and where its number means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct HolderProcess {
    pub(super) identity: ProcessIdentity,
    /// Containers of one machine share its boot and not its process numbers.
    pub(super) pid_namespace: String,
}

impl HolderProcess {
    /// This one.
    pub(super) fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// A living process of this machine; none where the kernel does not tell which boot this is.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let identity = ProcessIdentity::of(i32::try_from(pid).ok()?)?;
        if identity.boot.is_empty() {
            return None;
        }
        Some(Self { identity, pid_namespace: namespace()? })
    }

    /// It is over, for certain.
    pub(super) fn is_dead(&self) -> bool {
        if !self.identity.is_of_this_boot() || namespace().as_ref() != Some(&self.pid_namespace) {
            return false;
        }
        let Some(pid) = Pid::from_raw(self.identity.pid) else { return false };
        // Signals tell of processes that a mount of `/proc` with `hidepid` does not show.
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        match ProcessIdentity::of(self.identity.pid) {
            Some(now) => now.started != self.identity.started,
            None => Path::new(&format!("/proc/{}/stat", self.identity.pid)).exists(),
        }
    }
}

fn namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn process_is_dead_once_it_is_killed_and_before_it_is_buried() {
        let mut child = sleeper();
        let holder = HolderProcess::of(child.id()).unwrap();
        assert!(!holder.is_dead());
        child.kill().unwrap();
        let begun = std::time::Instant::now();
        while !holder.is_dead() {
            assert!(begun.elapsed().as_secs() < 10, "a killed process that nobody buried counts as alive");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.wait().unwrap();
        assert!(holder.is_dead());
    }

    #[test]
    fn number_that_another_process_got_is_no_life() {
        let mut holder = HolderProcess::current().unwrap();
        assert!(!holder.is_dead());
        holder.identity.started += 1;
        assert!(holder.is_dead());
    }

    #[test]
    fn nothing_is_known_of_other_machines_and_of_other_namespaces() {
        let mut child = sleeper();
        let here = HolderProcess::of(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let mut elsewhere = here.clone();
        elsewhere.identity.boot = "another".to_owned();
        let container = HolderProcess { pid_namespace: "pid:[1]".to_owned(), ..here.clone() };
        assert!(here.is_dead() && !elsewhere.is_dead() && !container.is_dead());
    }
}
