//! `crm-server openapi`: the API document on stdout. Needs no settings and connects to nothing.

use super::{Failure, block_on, print};
use crate::settings::{Settings, Source};
use crate::state::AppState;

/// Prints the document.
pub(super) fn run() -> Result<(), Failure> {
    // Never connected and never used to sign: the document only needs the list of routes.
    let key: String = ('!'..='~').collect();
    let pairs = [("POSTGRES_DSN", "postgresql://nobody@127.0.0.1:1/nothing"), ("JWT_SECRET", key.as_str())];
    let settings = Settings::read(Source::from_pairs(pairs));
    let settings = settings.map_err(|error| Failure::of(&error, error.hint()))?;
    let document = block_on(async { crate::app::document(&AppState::new(settings)) })?;
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::of(&error, None))?;
    print(&text)
}
