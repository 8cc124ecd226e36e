//! What each type is judged by: the usual figures, and what a tenant sets over them by the name of the type in
//! `tenants.settings`. What is not said, or cannot be read, stays usual.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The thresholds under `name`, each over its default.
pub(super) fn of<T: DeserializeOwned + Default>(settings: &Value, name: &str) -> T {
    let given = settings.get(name).cloned();
    given.and_then(|given| serde_json::from_value(given).ok()).unwrap_or_default()
}
