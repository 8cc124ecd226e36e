//! Starts the real binary as the supervisor does: with listening sockets as descriptors 3, 4 and 5.
//! What was started is ended when the test is over.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{KEY, TestDatabase};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_crm-server");
/// Longest wait for anything a healthy server does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The same server, able to break on purpose.
pub(crate) fn faulty() -> PathBuf {
    let file = Path::new(BINARY).parent().unwrap().join("../artifacts/crm-server-faults");
    assert!(file.is_file(), "`{}` is missing; run `make test`, or `scripts/build-artifacts`", file.display());
    file
}

/// A socket that releases take turns on, and a directory for theirs.
pub(crate) struct Stage {
    pub(crate) public: TcpListener,
    directory: tempfile::TempDir,
    dsn: String,
}

/// A running server.
pub(crate) struct Release {
    child: Child,
    pub(crate) private: PathBuf,
    pub(crate) control: PathBuf,
    log: PathBuf,
}

impl Stage {
    /// With the database of a test, or none at all.
    pub(crate) fn new(database: Option<&TestDatabase>) -> Self {
        let nothing = || "postgresql://crm_app@127.0.0.1:1/crm".to_owned();
        Self {
            public: TcpListener::bind("127.0.0.1:0").unwrap(),
            directory: tempfile::Builder::new().prefix("crm").tempdir().unwrap(),
            dsn: database.map_or_else(nothing, TestDatabase::app_dsn),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.public.local_addr().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `crm-server` with settings and an empty environment.
    pub(crate) fn command(&self, release: &str, drain: u32) -> Command {
        self.command_of(Path::new(BINARY), release, drain)
    }

    /// The same, of another program.
    pub(crate) fn command_of(&self, program: &Path, release: &str, drain: u32) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("POSTGRES_DSN", &self.dsn).env("JWT_SECRET", KEY).env("CRM_RELEASE", release);
        command.env("DRAIN_SECONDS", drain.to_string()).env("LOGIN_FAILURES_PER_ADDRESS", "1000000");
        command
    }

    /// A release in standby on the shared socket.
    pub(crate) fn release(&self, name: &str, drain: u32) -> Release {
        self.release_on(self.public.as_fd(), name, self.command(name, drain))
    }

    /// The same on a given copy of the public socket.
    pub(crate) fn release_on(&self, public: impl AsFd, name: &str, command: Command) -> Release {
        let release = self.begun_on(public, name, command);
        until("it has begun", || (release.command("status")["state"] != "starting").then_some(()));
        release
    }

    /// The same, not waited for: it may end before it stands by.
    pub(crate) fn begun_on(&self, public: impl AsFd, name: &str, mut command: Command) -> Release {
        let (private, control) =
            (self.path(&format!("{name}.private")), self.path(&format!("{name}.control")));
        let listeners = [UnixListener::bind(&private).unwrap(), UnixListener::bind(&control).unwrap()];
        command.arg("serve").env("LISTEN_FDS", "3").env("LISTEN_FDNAMES", "public:private:control");
        hand_over(&mut command, &[public.as_fd(), listeners[0].as_fd(), listeners[1].as_fd()]);
        self.spawn(name, command, private, control)
    }

    /// A server without a control socket.
    pub(crate) fn plain(&self, name: &str, command: Command) -> Release {
        let nowhere = self.path("nowhere");
        self.spawn(name, command, nowhere.clone(), nowhere)
    }

    fn spawn(&self, name: &str, mut command: Command, private: PathBuf, control: PathBuf) -> Release {
        let log = self.path(&format!("{name}.log"));
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Release { child: command.spawn().unwrap(), private, control, log }
    }
}

/// Makes `fds` the descriptors 3, 4, … of the child.
pub(crate) fn hand_over(command: &mut Command, fds: &[impl AsFd]) {
    // Out of the way of their targets, and closed in every other child.
    let high = |fd: &_| rustix::io::fcntl_dupfd_cloexec(fd, 50).unwrap();
    let sources: Vec<OwnedFd> = fds.iter().map(high).collect();
    let place = move || {
        for (target, source) in (3..).zip(&sources) {
            place(source.as_raw_fd(), target)?;
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "descriptors can only be placed between fork and exec")]
    // SAFETY: the closure only makes system calls; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(place);
    }
}

fn place(source: RawFd, target: RawFd) -> std::io::Result<()> {
    #[expect(unsafe_code, reason = "a target is a bare number")]
    // SAFETY: `source` is owned by the closure that calls this, and whatever `target` was in this child,
    // nobody uses it between fork and exec.
    let (source, mut target) =
        unsafe { (std::os::fd::BorrowedFd::borrow_raw(source), OwnedFd::from_raw_fd(target)) };
    let placed = rustix::io::dup2(source, &mut target);
    std::mem::forget(target);
    Ok(placed?)
}

impl Release {
    /// Sends one line to the control socket; the answer as JSON.
    pub(crate) fn say(&self, line: &str) -> Value {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}\n{}", self.log()))
    }

    pub(crate) fn command(&self, command: &str) -> Value {
        let answer = self.say(&json!({"v": 1, "cmd": command}).to_string());
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn ending(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it never ended\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Release {
    #[expect(clippy::print_stderr, reason = "the log of a server is what explains a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of {}:\n{}", self.log.display(), self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
