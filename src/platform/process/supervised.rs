//! The way to the supervisor: finds it, starts it when an effect needs it, asks again when it went away while
//! being asked (every effect is idempotent and carries its token).

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use phases::engine::effects::EffectOutcome;
use phases::engine::failure::{Failure, FailureClass};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::ProcessOptions;
use crate::state_directory::StateDirectoryError;
use crate::supervisor::client::{CallError, call};
use crate::supervisor::protocol::{Answer, Refusal, RefusalKind, Request, version};
use crate::supervisor::spawn::spawn_detached;
use crate::supervisor::state::{StateFileError, StoredState};
use crate::supervisor::{Failure as LeftFailure, SuperviseOptions, logs};

/// Reading waits for no effect.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Beyond the time that what runs may take to leave, the longest effect: an end by request, by force, and a proof.
const EFFECT_PATIENCE: Duration = Duration::from_secs(45);
/// How long a supervisor may take to come up.
const START_DEADLINE: Duration = Duration::from_secs(15);
/// How often an effect is asked for again.
const TRIES: u32 = 4;
/// A log of the supervisor beyond this many bytes is set aside at its start.
const LARGEST_LOG: u64 = 1024 * 1024;

/// How a supervisor is started: a program and what comes before the arguments of `supervise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorProgram {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments, as `["supervise"]`.
    pub arguments: Vec<OsString>,
}

impl SupervisorProgram {
    /// This very program with the verb `supervise`.
    ///
    /// # Errors
    /// When the path of the running program cannot be told.
    pub fn own() -> Result<Self, std::io::Error> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec!["supervise".into()] })
    }
}

/// Why the supervisor did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{}", .0.message)]
    Refused(Refusal),
    #[error("{message}")]
    NoSupervisor { message: String, hint: Option<String>, log: Vec<String> },
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
}

impl Unanswered {
    /// The same as the outcome of an effect.
    pub(super) fn into_outcome(self) -> EffectOutcome {
        let message = match std::error::Error::source(&self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        };
        let failure = |class| Failure::new(class, message.clone());
        match self {
            Self::Refused(refusal) => refused(refusal),
            // It may have acted, and asking again did not help.
            Self::Call(CallError::Lost | CallError::Late(_) | CallError::Garbled(_)) => {
                EffectOutcome::Unknown(failure(FailureClass::Failed))
            }
            Self::Call(CallError::Version { .. }) => {
                let hint = "use the crmctl that deployed last, or a newer one";
                EffectOutcome::NotDone(failure(FailureClass::Refused).hint(hint))
            }
            Self::Call(_) => EffectOutcome::NotDone(failure(FailureClass::Failed)),
            Self::StateFile(StateFileError::LowerToken { .. }) => {
                EffectOutcome::NotDone(failure(FailureClass::LeaseLost))
            }
            Self::StateFile(error) => {
                let hint = error.hint().map(str::to_owned);
                EffectOutcome::NotDone(Failure { hint, ..failure(FailureClass::Failed) })
            }
            Self::NoSupervisor { hint, log, .. } => {
                EffectOutcome::NotDone(Failure { hint, ..failure(FailureClass::Refused).detail(log) })
            }
            Self::StateDirectory(error) => {
                EffectOutcome::NotDone(Failure { hint: error.hint(), ..failure(FailureClass::Refused) })
            }
        }
    }
}

fn refused(refusal: Refusal) -> EffectOutcome {
    let class = match refusal.kind {
        RefusalKind::LowerToken => FailureClass::LeaseLost,
        RefusalKind::Serves | RefusalKind::OtherAddress => FailureClass::Refused,
        RefusalKind::ReleaseFailed => FailureClass::ReleaseFailed,
        RefusalKind::NotRunning | RefusalKind::Failed | RefusalKind::Unknown => FailureClass::Failed,
    };
    let failure = Failure::new(class, refusal.message).detail(refusal.detail);
    let failure = Failure { hint: refusal.hint, ..failure };
    if refusal.kind == RefusalKind::Unknown {
        EffectOutcome::Unknown(failure)
    } else {
        EffectOutcome::NotDone(failure)
    }
}

/// The supervisor of one environment, up or not.
pub(super) struct Supervised<'a> {
    options: &'a ProcessOptions,
}

impl<'a> Supervised<'a> {
    pub(super) fn new(options: &'a ProcessOptions) -> Self {
        Self { options }
    }

    fn socket(&self) -> Result<PathBuf, StateDirectoryError> {
        Ok(self.options.directory.sockets()?.supervisor())
    }

    /// What runs, as the supervisor says or, without one, as it was left. Starts nothing.
    pub(super) async fn read(&self) -> Result<StoredState, Unanswered> {
        match call(&self.socket()?, &Request::State, READ_PATIENCE).await {
            Ok(Answer::State(state)) => Ok(*state),
            _ => self.stored(),
        }
    }

    /// What was left on disk, less what does not live any more.
    pub(super) fn stored(&self) -> Result<StoredState, Unanswered> {
        let mut state = StoredState::read(&self.options.directory)?;
        state.instances.retain(|instance| instance.process.is_alive());
        Ok(state)
    }

    /// Whether a supervisor answers.
    pub(super) async fn is_up(&self) -> bool {
        match self.socket() {
            Ok(socket) => !matches!(
                call(&socket, &Request::State, READ_PATIENCE).await,
                Err(CallError::Absent | CallError::Lost)
            ),
            Err(_) => false,
        }
    }

    /// Asks for an effect, of a supervisor that is started when there is none.
    pub(super) async fn ask(&self, request: &Request) -> Result<String, Unanswered> {
        self.ask_within(request, EFFECT_PATIENCE + self.longest_drain()).await
    }

    /// As [`Self::ask`], with a patience of its own for each try.
    pub(super) async fn ask_within(
        &self,
        request: &Request,
        patience: Duration,
    ) -> Result<String, Unanswered> {
        let mut tries = 0;
        loop {
            tries += 1;
            match call(&self.socket()?, request, patience).await {
                Ok(Answer::Done { summary }) => return Ok(summary),
                Ok(Answer::Refused(refusal)) => return Err(Unanswered::Refused(refusal)),
                Ok(_) => return Err(CallError::Garbled("not the answer to this request".into()).into()),
                Err(error) if tries >= TRIES => return Err(error.into()),
                Err(CallError::Absent | CallError::Lost) => self.start().await?,
                Err(CallError::Version { speaks }) if speaks < version() => self.replace().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The longest that anything which runs may take to leave.
    fn longest_drain(&self) -> Duration {
        let instances = StoredState::read(&self.options.directory).map(|state| state.instances);
        let drains = instances.unwrap_or_default().into_iter().map(|instance| instance.drain.longest());
        drains.max().unwrap_or_default()
    }

    /// Ends a supervisor of an older version; its releases live on, serve on and are taken over.
    async fn replace(&self) -> Result<(), Unanswered> {
        if let Some(supervisor) = StoredState::read(&self.options.directory)?.supervisor {
            supervisor.signal(Signal::TERM);
            supervisor.is_over_within(START_DEADLINE).await;
        }
        self.start().await
    }

    /// Starts a supervisor and waits until it answers; fine when somebody else was faster.
    async fn start(&self) -> Result<(), Unanswered> {
        let directory = &self.options.directory;
        directory.ensure()?;
        let sockets = directory.sockets()?;
        sockets.ensure()?;
        let mut child = self.spawn().map_err(|error| Unanswered::NoSupervisor {
            message: format!("cannot start `{}`: {error}", self.options.supervisor.program.display()),
            hint: None,
            log: Vec::new(),
        })?;
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if !matches!(
                call(&sockets.supervisor(), &Request::State, READ_PATIENCE).await,
                Err(CallError::Absent | CallError::Lost)
            ) {
                bury_later(child);
                return Ok(());
            }
            if let Ok(Some(_)) = child.try_wait() {
                match LeftFailure::left_by(child.id(), directory) {
                    Some(left) if left.already_running => {}
                    left => return Err(self.did_not_start(left)),
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err(self.did_not_start(None))
    }

    fn did_not_start(&self, left: Option<LeftFailure>) -> Unanswered {
        match left {
            Some(left) => {
                Unanswered::NoSupervisor { message: left.message, hint: left.hint, log: Vec::new() }
            }
            None => Unanswered::NoSupervisor {
                message: "the supervisor did not come up".into(),
                hint: Some(format!("read `{}`", self.log().display())),
                log: logs::last_lines(&self.log(), 0, 10),
            },
        }
    }

    fn log(&self) -> PathBuf {
        self.options.directory.logs().join("supervisor.log")
    }

    fn spawn(&self) -> Result<Child, std::io::Error> {
        let path = self.log();
        logs::set_aside_when_large(&path, LARGEST_LOG)?;
        let log = File::options().append(true).create(true).mode(0o600).open(&path)?;
        let how = &self.options.supervisor;
        let options = SuperviseOptions {
            environment: self.options.directory.environment().to_owned(),
            state_root: self.options.directory.root().to_owned(),
            address: self.options.address,
        };
        let mut command = Command::new(&how.program);
        command
            .args(&how.arguments)
            .args(options.to_arguments())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        spawn_detached(&mut command, &[]).map(|spawned| spawned.child)
    }
}

/// While this process lives it is the supervisor's parent, and has to bury it.
fn bury_later(mut child: Child) {
    std::thread::spawn(move || child.wait());
}
