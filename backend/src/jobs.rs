//! What the server does by itself, on whichever replica claims it first. One file per job; a new job is
//! one file and one line in [`all`]. When and where it runs is `engine`'s business.

mod assignment_sweep;
mod cleanup;
mod daily_report;
pub mod engine;
mod meta_intake;
mod meta_reconciliation;
mod metrics_refresh;
mod notification_checks;
pub(crate) mod scheduler;

use std::sync::Arc;

use engine::Job;

use crate::meta::Meta;
use crate::settings::Settings;

/// Every job of this release that needs no setting.
#[must_use]
pub fn all() -> Vec<Arc<dyn Job>> {
    vec![
        Arc::new(cleanup::Cleanup),
        Arc::new(notification_checks::NotificationChecks),
        Arc::new(metrics_refresh::MetricsRefresh),
        Arc::new(assignment_sweep::AssignmentSweep),
        Arc::new(daily_report::DailyReport),
    ]
}

/// Every job of a server with these settings.
#[must_use]
pub fn of(settings: &Settings) -> Vec<Arc<dyn Job>> {
    let meta = settings.meta.as_ref().map(|settings| of_meta(&Meta::new(settings)));
    all().into_iter().chain(meta.unwrap_or_default()).collect()
}

/// The jobs of Meta's lead forms.
pub(crate) fn of_meta(meta: &Meta) -> Vec<Arc<dyn Job>> {
    vec![
        Arc::new(meta_intake::MetaIntake(meta.clone())),
        Arc::new(meta_reconciliation::MetaReconciliation(meta.clone())),
    ]
}
