//! Where this server is in its life, known to everybody who must act on it. Moves forward only.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

/// A stage of a server's life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Nothing is served yet.
    Starting,
    /// Answers on the private socket only; jobs are off.
    Standby,
    /// Answers everybody; jobs run.
    Serving,
    /// Answers the last requests; jobs are off.
    Draining,
}

impl Stage {
    /// The name on the control socket and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

/// The present stage; cheap to clone, all clones are one.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    stage: watch::Sender<Stage>,
    born: Instant,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Starting), born: Instant::now() }
    }
}

impl Lifecycle {
    /// The stage now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Moves on to `next`; false when this server is past it already.
    pub fn advance(&self, next: Stage) -> bool {
        self.stage.send_if_modified(|stage| {
            let moves = next > *stage;
            if moves {
                *stage = next;
            }
            moves
        })
    }

    /// Waits until the stage is `at` or a later one.
    pub async fn reached(&self, at: Stage) {
        let mut stage = self.stage.subscribe();
        // The sender lives in `self`, so this ends only with the stage.
        let _ = stage.wait_for(|stage| *stage >= at).await;
    }

    /// Whether a balancer may send requests here: also in standby, where only the gate can ask.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.stage(), Stage::Standby | Stage::Serving)
    }

    /// How long this server exists.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.born.elapsed()
    }
}
