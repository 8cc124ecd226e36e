//! Raising the fence: nothing that an older run has asked for happens from then on, and nothing is started for it.

use std::io::ErrorKind;
use std::time::Duration;

use phases::engine::effects::EffectOutcome;

use super::supervised::Unanswered;
use super::{ProcessPlatform, done};
use crate::supervisor::protocol::Request;
use crate::supervisor::state::{StateFileError, StoredState};

/// For one answer, below the time for which a lease is safe. A supervisor that is at work for an older run answers
/// when that is over; whoever raises the fence asks again.
const PATIENCE: Duration = Duration::from_secs(10);

impl ProcessPlatform {
    pub(super) async fn raise_fence(&self, token: u64) -> EffectOutcome {
        let (supervised, directory) = (self.supervised(), &self.options.directory);
        if let Err(error) = directory.ensure() {
            return Unanswered::from(error).into_outcome();
        }
        // Where no supervisor runs the token goes into what the next one begins with, whatever else lives.
        if !supervised.is_up().await {
            match StoredState::fence_offline(directory, token).await {
                Ok(()) => return done("no supervisor runs".to_owned()),
                // One has just come up, or cannot be reached any more.
                Err(StateFileError::Io { source, .. }) if source.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Unanswered::from(error).into_outcome(),
            }
        }
        match supervised.ask_within(&Request::Fence { token }, PATIENCE).await {
            Ok(summary) => done(summary),
            Err(unanswered) => unanswered.into_outcome(),
        }
    }
}
