//! A program that an effect starts and waits for: in a process group of its own, so that Ctrl-C reaches crmctl
//! alone, and ended with everything it started when nobody waits for it any more.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// A program under way. Dropping it ends its whole group.
#[derive(Debug)]
pub struct OwnGroup {
    child: Child,
}

impl OwnGroup {
    /// Starts `command` as the leader of a group of its own.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        Ok(Self { child })
    }

    /// Its output, when that was piped; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its complaints, when those were piped; once.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system cannot say how it ended.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        // The number is ours until the leader has been waited for; after that there is none.
        let leader = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(leader) = leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
