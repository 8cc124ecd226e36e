//! Raising the fence: nothing that an older run has asked for happens from then on, and nothing is started for it.

use std::time::Duration;

use phases::engine::effects::EffectOutcome;

use super::{ProcessPlatform, done};
use crate::supervisor::protocol::Request;
use crate::supervisor::state::{StateFileError, StoredState};

/// For one answer, below the time for which a lease is safe. A supervisor that is at work for an older run answers
/// when that is over; whoever raises the fence asks again.
const PATIENCE: Duration = Duration::from_secs(10);

impl ProcessPlatform {
    pub(super) async fn raise_fence(&self, token: u64) -> EffectOutcome {
        let supervised = self.supervised();
        // Where no supervisor runs the token goes into what the next one begins with, whatever else lives.
        if !supervised.is_up().await {
            match StoredState::fence_offline(&self.options.directory, token).await {
                Ok(()) => return done("no supervisor runs".to_owned()),
                // One has just come up, or cannot be reached any more.
                Err(StateFileError::Io { what: "lock", .. }) => {}
                Err(error) => return super::Unanswered::from(error).into_outcome(),
            }
        }
        match supervised.ask_within(&Request::Fence { token }, PATIENCE).await {
            Ok(summary) => done(summary),
            Err(unanswered) => unanswered.into_outcome(),
        }
    }
}
