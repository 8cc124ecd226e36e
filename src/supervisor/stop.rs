//! Ending instances on request: a candidate, what serves, everything.

use std::time::Duration;

use futures_util::future::join_all;
use phases::engine::platform::Role;
use phases::release::ReleaseId;

use super::core::Supervisor;
use super::protocol::{Refusal, RefusalKind};
use super::state::StoredInstance;

/// Nobody talks to a candidate but crmctl itself.
const CANDIDATE_GRACE: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Ends the candidates of `release`. What drains ends by itself; what serves is not touched.
    pub(super) async fn stop(&self, release: &ReleaseId) -> Result<String, Refusal> {
        let of_release: Vec<StoredInstance> =
            self.state().instances.into_iter().filter(|found| found.release == *release).collect();
        if of_release.iter().any(|found| found.role == Role::Serving) {
            return Err(Refusal::new(RefusalKind::Serves, format!("release {release} serves")));
        }
        let candidates: Vec<StoredInstance> =
            of_release.into_iter().filter(|found| found.role == Role::Candidate).collect();
        let count = candidates.len();
        self.end_all(candidates, |_| CANDIDATE_GRACE).await?;
        Ok(if count == 0 { format!("{release} did not run") } else { format!("{release} stopped") })
    }

    /// Ends everything of `release`, also when it serves; then nothing serves.
    pub(super) async fn withdraw(&self, release: &ReleaseId) -> Result<String, Refusal> {
        let state = self.state();
        if let Some(serving) = state.serving.as_ref().filter(|serving| *serving != release) {
            return Err(Refusal::new(
                RefusalKind::Serves,
                format!("release {serving} serves, not {release}"),
            ));
        }
        self.record(|state| (state.serving, state.previous) = (None, None));
        let all = state.instances.into_iter().filter(|found| found.release == *release).collect();
        self.end_all(all, |instance| instance.drain.longest()).await?;
        Ok(format!("{release} stopped; nothing serves"))
    }

    /// Ends everything.
    pub(super) async fn shut_down(&self) -> Result<String, Refusal> {
        self.record(|state| (state.serving, state.previous, state.switching) = (None, None, None));
        let all = self.state().instances;
        let count = all.len();
        self.end_all(all, |instance| instance.drain.longest()).await?;
        Ok(format!("{count} stopped"))
    }

    async fn end_all(
        &self,
        instances: Vec<StoredInstance>,
        grace: impl Fn(&StoredInstance) -> Duration,
    ) -> Result<(), Refusal> {
        for instance in &instances {
            self.expect_end(instance.number);
        }
        let ends = instances.iter().map(|instance| instance.process.end(grace(instance)));
        let results = join_all(ends).await;
        for (instance, result) in instances.iter().zip(results) {
            result.map_err(|error| Refusal::new(RefusalKind::Unknown, error.to_string()))?;
            self.forget(instance.number);
        }
        Ok(())
    }
}
