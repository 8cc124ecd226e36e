//! A process that cannot be mistaken for another: its number, when it started and in which boot. Waits for
//! its end and ends it; does not care who its parent is.

use std::io::Error as IoError;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal, waitid,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep, timeout};

/// How often a process is looked at where the kernel has no pidfd.
const POLL: Duration = Duration::from_millis(50);

/// Name of a process, good across its death, the reuse of its number and a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessIdentity {
    /// Its number.
    pub(crate) pid: i32,
    /// Clock ticks from boot to its start (`/proc/<pid>/stat`, field 22).
    pub(crate) started: u64,
    /// Boot that those ticks count from (`/proc/sys/kernel/random/boot_id`).
    pub(crate) boot: String,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It was not our child: only that it is over is known.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

impl ProcessIdentity {
    /// The living process that has number `pid` now; a dead or only unburied one has no identity.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: start_of_living(pid)?, boot: boot_id() })
    }

    /// A child that nobody has buried yet, alive or over.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn of_child(child: &Child) -> Result<Self, IoError> {
        let pid = i32::try_from(child.id()).expect("the kernel's numbers fit");
        let (started, _) = start_of(pid).ok_or_else(|| IoError::other("`/proc` cannot be read"))?;
        Ok(Self { pid, started, boot: boot_id() })
    }

    /// Whether exactly this process lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == boot_id() && start_of_living(self.pid) == Some(self.started)
    }

    /// Whether it ran since this machine was started.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot == boot_id()
    }

    /// Waits until it is over and, when it was our child, buries it.
    pub(crate) async fn ended(&self) -> Exit {
        if let Some(handle) = self.handle().and_then(watched) {
            let _ = handle.readable().await;
            return bury(&handle);
        }
        while self.is_alive() {
            sleep(POLL).await;
        }
        Exit::Unknown
    }

    /// Sends a signal to it alone; a process that is over takes no harm.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(handle) = self.handle() {
            let _ = pidfd_send_signal(handle, signal);
        } else if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Asks it to end, and after `grace` ends it with everything it started. Back when it is over.
    ///
    /// # Errors
    /// When it lives on although it was killed (stuck in the kernel).
    pub(crate) async fn end(&self, grace: Duration) -> Result<(), IoError> {
        self.signal(Signal::TERM);
        if self.is_over_within(grace).await {
            return Ok(());
        }
        self.kill_group();
        if self.is_over_within(Duration::from_secs(5)).await {
            return Ok(());
        }
        Err(IoError::other(format!("process {} does not end", self.pid)))
    }

    /// Kills it and its group (releases and servers lead their own).
    pub(crate) fn kill_group(&self) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
            && rustix::process::getpgid(Some(pid)) == Ok(pid)
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.signal(Signal::KILL);
    }

    /// Whether it ends in time. Leaves burying to whoever is its parent.
    pub(crate) async fn is_over_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let wait = async {
            if let Some(handle) = self.handle().and_then(watched) {
                let _ = handle.readable().await;
            }
            while self.is_alive() && Instant::now() < deadline {
                sleep(POLL).await;
            }
        };
        let _ = timeout(time, wait).await;
        !self.is_alive()
    }

    /// Its pidfd, when the kernel has them and it is still there (also unburied).
    fn handle(&self) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::NONBLOCK).ok()?;
        // Read after opening: the handle cannot change its process any more.
        (self.boot == boot_id() && start_of(self.pid)?.0 == self.started).then_some(handle)
    }
}

/// The kernel makes a pidfd readable once, when the process is over.
fn watched(handle: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "tokio asks for a descriptor that stays the same while registered")]
    // SAFETY: an `OwnedFd` gives the same descriptor until it is dropped, here after its registration.
    unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) }.ok()
}

fn bury(handle: &AsyncFd<OwnedFd>) -> Exit {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(handle.get_ref().as_fd()), options) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        },
        _ => Exit::Unknown,
    }
}

fn start_of_living(pid: i32) -> Option<u64> {
    let (started, state) = start_of(pid)?;
    (!matches!(state, 'Z' | 'X')).then_some(started)
}

/// Start in ticks and state letter. Source: proc(5), `/proc/pid/stat`.
fn start_of(pid: i32) -> Option<(u64, char)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything, also parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((started, state))
}

fn boot_id() -> String {
    static BOOT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
    .clone()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    #[expect(clippy::zombie_processes, reason = "`ended` is what waits for them")]
    async fn exit_code_and_signal_are_told_and_the_child_is_buried() {
        let child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let identity = ProcessIdentity::of_child(&child).unwrap();
        assert_eq!(identity.ended().await, Exit::Code(3));
        assert!(!identity.is_alive());
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of_child(&child).unwrap();
        identity.signal(Signal::KILL);
        assert_eq!(identity.ended().await, Exit::Signal(9));
    }

    #[tokio::test]
    async fn process_deaf_to_the_request_is_killed_after_the_grace() {
        let mut child =
            Command::new("sh").args(["-c", "trap '' TERM; sleep 60 & wait; wait"]).spawn().unwrap();
        let identity = ProcessIdentity::of_child(&child).unwrap();
        identity.end(Duration::from_millis(100)).await.unwrap();
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn reused_number_and_other_boot_are_not_the_same_process() {
        let own = ProcessIdentity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(!ProcessIdentity { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!ProcessIdentity { boot: "another".into(), ..own }.is_alive());
    }

    #[test]
    fn unburied_process_counts_as_dead() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = ProcessIdentity::of_child(&child).unwrap();
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while identity.is_alive() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
