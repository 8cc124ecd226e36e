//! A program that an effect starts and waits for: in a process group of its own, so that Ctrl-C reaches crmctl
//! alone, and ended with everything it started when nobody waits for it any more.

use std::io;
use std::process::{ExitStatus, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// How waiting for a program came to its end.
#[derive(Debug)]
pub enum Finish {
    /// It ended by itself.
    Ended(Output),
    /// It was ended at the deadline.
    TooLate,
    /// It was ended because the operator asked to stop.
    Stopped,
}

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

    /// Waits for its end and what it said, until the deadline or until the operator asks to stop; then it is ended.
    ///
    /// # Errors
    /// What it says cannot be read.
    pub async fn finish(mut self, deadline: Duration, stop: impl Future<Output = ()>) -> io::Result<Finish> {
        let (out, err) = (self.stdout(), self.stderr());
        let said = async {
            let (stdout, stderr) = tokio::try_join!(read(out), read(err))?;
            let status = self.child.wait().await?;
            Ok(Finish::Ended(Output { status, stdout, stderr }))
        };
        tokio::select! {
            ended = said => ended,
            () = tokio::time::sleep(deadline) => Ok(Finish::TooLate),
            () = stop => Ok(Finish::Stopped),
        }
    }

    /// Its input, when that was piped; once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its output, when that was piped; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its complaints, when those were piped; once.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// It has ended, as far as the system can say.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
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

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut said).await?;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    /// A shell that has started another program, whose number it tells.
    async fn family() -> (OwnGroup, Pid) {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut group = OwnGroup::start(&mut command).unwrap();
        let line = BufReader::new(group.stdout().unwrap()).lines().next_line().await.unwrap().unwrap();
        (group, Pid::from_raw(line.parse().unwrap()).unwrap())
    }

    async fn is_gone(pid: Pid) {
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let (group, other) = family().await;
        assert!(matches!(group.finish(Duration::ZERO, pending()).await.unwrap(), Finish::TooLate));
        is_gone(other).await;
        let (group, other) = family().await;
        let long = Duration::from_secs(600);
        assert!(matches!(group.finish(long, ready(())).await.unwrap(), Finish::Stopped));
        is_gone(other).await;
        let (group, other) = family().await;
        drop(group);
        is_gone(other).await;
    }

    #[tokio::test]
    async fn what_a_program_says_is_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let group = OwnGroup::start(&mut command).unwrap();
        let Finish::Ended(output) = group.finish(Duration::from_secs(600), pending()).await.unwrap() else {
            panic!("it was ended");
        };
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    }
}
