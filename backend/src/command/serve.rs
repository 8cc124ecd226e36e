//! `crm-server serve`: settings, log, sockets, and then the server until it is drained.

use std::time::Duration;

use rustix::io::Result as SystemResult;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Failure;
use crate::serve::signals::Signals;
use crate::serve::sockets::{Handover, Sockets};
use crate::settings::{Settings, Source};
use crate::state::AppState;
use crate::telemetry::incidents::{self, Ear};

/// How long the last errors may take to be told to Sentry.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves; `hardened` says whether the process could give up new privileges.
pub(super) fn run(hardened: SystemResult<()>) -> Result<(), Failure> {
    let settings =
        Settings::read(Source::environment()).map_err(|error| Failure::of(&error, error.hint()))?;
    // Before anything else opens a descriptor, so that a handed-over number is what it was.
    let handover = Handover::read(|name| std::env::var(name).ok(), std::process::id());
    let inherited = handover.and_then(|handover| Sockets::adopt(&handover));
    let inherited = inherited.map_err(|error| Failure::of(&error, error.hint()))?;
    let (ear, mouth) = incidents::pair(&settings).unzip();
    log(&settings.log_level, ear);
    if let Err(error) = hardened {
        tracing::warn!(%error, "new privileges could not be given up");
    }
    #[cfg(feature = "faults")]
    crate::faults::announce();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(&error, None))?;
    let served = runtime.block_on(async {
        #[cfg(feature = "faults")]
        crate::faults::maybe_exit();
        let over = CancellationToken::new();
        let telling = mouth.map(|mouth| tokio::spawn(mouth.tell(over.clone().cancelled_owned())));
        let served = live(settings, inherited).await;
        over.cancel();
        if let Some(telling) = telling {
            // What was said last has a moment to be heard.
            let _ = tokio::time::timeout(LAST_WORDS, telling).await;
        }
        served
    });
    // Work that is stuck in the background keeps nobody alive.
    runtime.shutdown_background();
    served
}

/// Signals first: from the moment a socket listens, an end is a drain.
async fn live(settings: Settings, inherited: Option<Sockets>) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(|error| Failure::of(&error, None))?;
    let sockets = match inherited {
        Some(sockets) => sockets,
        None => Sockets::bind(settings.bind).map_err(|error| Failure::of(&error, error.hint()))?,
    };
    let served = crate::serve::serve(AppState::new(settings), sockets, signals).await;
    served.map_err(|error| Failure::of(&error, None))
}

/// One JSON object per line on stdout. Statements of the database library are not logged: they are
/// timed by the query layer, and could hold what does not belong in a log.
fn log(filter: &str, ear: Option<Ear>) {
    let filter: Targets = filter.parse().expect("checked when the settings were read");
    let filter = filter.with_target("sqlx", tracing::Level::WARN);
    let lines = tracing_subscriber::fmt::layer()
        // On a full disk a line is lost; complaining about it on the same stderr would panic in the request.
        .log_internal_errors(false)
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    tracing_subscriber::registry().with(filter).with(lines).with(ear).init();
}
