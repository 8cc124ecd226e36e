//! Signals as a wish to stop: the first asks the run to unwind, the second leaves at once (resumable). A closed
//! terminal stops nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use phases::engine::cancel::Cancel;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::error::{Error, Exit};
use crate::terminal::Terminal;

/// The one of this process: signals are sent to processes.
static LISTENING: OnceLock<Interrupt> = OnceLock::new();

/// Returns when the operator asks to stop, and never where nobody listens: for effects that wait for a program of
/// their own and end it then.
pub async fn asked() {
    match LISTENING.get() {
        Some(interrupt) => interrupt.wait().await,
        None => std::future::pending().await,
    }
}

/// Becomes true at the first INT or TERM.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Interrupt {
    /// Starts listening; must be called inside the runtime. `last_words` are said when the run is left at once.
    ///
    /// # Errors
    /// The signals cannot be caught.
    pub fn listen(
        terminal: Arc<Terminal>,
        environment: &str,
        last_words: impl Fn(&Error) + Send + 'static,
    ) -> std::io::Result<Self> {
        let interrupt = LISTENING.get_or_init(Self::default).clone();
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (this, environment) = (interrupt.clone(), environment.to_owned());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                    _ = hangup.recv() => continue,
                }
                if this.asked.swap(true, Ordering::SeqCst) {
                    let hint =
                        format!("run `crmctl resume {environment}` or `crmctl rollback {environment}`");
                    let left =
                        Error::new(Exit::Interrupted, "left at once; the run is unfinished").hint(hint);
                    last_words(&left);
                    terminal.talk(&left.message);
                    left.hint.iter().for_each(|hint| terminal.talk(&format!("hint: {hint}")));
                    std::process::exit(i32::from(left.exit.code()));
                }
                terminal.talk("stopping at the next safe point and taking back what was done; once more to leave at once");
                this.notify.notify_waiters();
            }
        });
        Ok(interrupt)
    }
}

#[async_trait]
impl Cancel for Interrupt {
    fn requested(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if self.requested() {
                return;
            }
            notified.await;
        }
    }
}
