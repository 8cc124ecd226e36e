//! Who is at fault: whether what stopped a run tells of the release that it brings in, and the verdict on it.

use crate::engine::failure::{Failure, FailureClass};
use crate::engine::history::decision::{Verdict, draft_values};
use crate::engine::journal::Kind;
use crate::engine::run::active::{Active, Halt};
use crate::plan::{Plan, Target};

impl Active<'_> {
    /// What stopped the run tells of the release that it brings in, not of the world or of another release.
    pub(super) fn blames_target(&self, plan: &Plan) -> bool {
        let Some(failed) = self.progress.fatal() else { return false };
        let about_another = plan
            .step(&failed.step)
            .and_then(|step| step.action.asks())
            .is_some_and(|asked| plan.target.as_ref().is_none_or(|target| &target.id != asked));
        plan.introduces() && blames(failed.failure.class) && !about_another
    }

    pub(super) async fn block(&mut self, plan: &Plan, failure: &mut Failure) -> Result<(), Halt> {
        if !self.progress.judged {
            let step = self.progress.fatal().map(|failed| failed.step.clone()).unwrap_or_default();
            self.judge(Verdict::Blocked(&format!("{step}: {}", failure.message))).await?;
        }
        if let Some(target) = &plan.target {
            let unblock = format!("crmctl release unblock {} {}", plan.environment, target.id);
            failure.detail.push(format!("release {} is blocked now; `{unblock}` frees it", target.id));
        }
        Ok(())
    }

    pub(super) async fn judge(&mut self, verdict: Verdict<'_>) -> Result<(), Halt> {
        let Some(target) = self.target() else { return Ok(()) };
        let values = draft_values(&target, verdict);
        self.record(Kind::Verdict, None, values).await
    }

    /// The release the run is about, with the digest its build has shown.
    pub(super) fn target(&self) -> Option<Target> {
        let mut target = self.plan.target.clone()?;
        let built = self.progress.evidence.get("build.backend");
        let digest = built.and_then(|evidence| evidence["facts"]["digest"].as_str());
        target.digest = digest.map(str::to_owned).or(target.digest);
        Some(target)
    }
}

/// The release is at fault, not the world around it.
const fn blames(class: FailureClass) -> bool {
    matches!(class, FailureClass::CheckFailed | FailureClass::ReleaseFailed)
}
