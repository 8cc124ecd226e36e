//! What each type is judged by: the usual figures, and what a tenant sets over them by the name of the type in
//! `tenants.settings`. What is not said, or cannot be read, stays usual.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Kind, followup, hot_lead, metric_alert, performance_alert, unanswered};

/// Largest number: as hours it is eleven years, as days a date that the database knows.
const MOST: f64 = 100_000.0;

/// The thresholds under `name`, each over its default.
pub(super) fn of<T: DeserializeOwned + Default>(settings: &Value, name: &str) -> T {
    let fits = |given: &&Value| given.as_object().is_none_or(|fields| fields.values().all(is_in_bounds));
    let given = settings.get(name).filter(fits).cloned();
    given.and_then(|given| serde_json::from_value(given).ok()).unwrap_or_default()
}

/// All the usual ones, by the names a tenant sets them by.
pub(crate) fn usual() -> Map<String, Value> {
    [
        (unanswered::SETTING, json!(unanswered::USUAL)),
        (Kind::Followup.name(), json!(followup::Thresholds::default())),
        (Kind::HotLead.name(), json!(hot_lead::Thresholds::default())),
        (Kind::PerformanceAlert.name(), json!(performance_alert::Thresholds::default())),
        (Kind::MetricAlert.name(), json!(metric_alert::Thresholds::default())),
    ]
    .map(|(name, usual)| (name.to_owned(), usual))
    .into_iter()
    .collect()
}

/// The first thing that is wrong with what a tenant gives under `name`.
pub(crate) fn mistake(name: &str, given: &Value) -> Option<String> {
    match Kind::from_name(name) {
        Some(Kind::Followup) => figures::<followup::Thresholds>(given),
        Some(Kind::HotLead) => figures::<hot_lead::Thresholds>(given),
        Some(Kind::PerformanceAlert) => figures::<performance_alert::Thresholds>(given),
        Some(Kind::MetricAlert) => {
            figures::<metric_alert::Thresholds>(given).or_else(|| metric_alert::mistake(given))
        }
        _ if name == unanswered::SETTING => unanswered::mistake(given),
        _ => Some("has no thresholds".to_owned()),
    }
}

fn is_in_bounds(value: &Value) -> bool {
    value.as_f64().is_none_or(|number| (0.0..=MOST).contains(&number))
}

/// An object of some of the names of `T`, each of its type and no number out of bounds.
fn figures<T: DeserializeOwned + Serialize + Default>(given: &Value) -> Option<String> {
    let Some(fields) = given.as_object() else { return Some("must be an object of thresholds".to_owned()) };
    let usual = json!(T::default());
    let names = usual.as_object()?;
    for (name, value) in fields {
        let Some(known) = names.get(name) else {
            let all = names.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!("`{name}` is no threshold: they are {all}"));
        };
        let is_usable = serde_json::from_value::<T>(json!({ name: value })).is_ok();
        if !is_usable || !is_in_bounds(value) {
            let kind =
                if known.is_number() { format!("a number from 0 to {MOST}") } else { "a text".to_owned() };
            return Some(format!("`{name}` must be {kind}, as {known}"));
        }
    }
    None
}
