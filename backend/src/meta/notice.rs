//! What a webhook says: each change of the field `leadgen` names a lead, a form and a page. Ids come as numbers or as
//! text; everything else in a change is kept as it came and never asked for. Holds no SQL.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest id.
const LONGEST_ID: usize = 64;

/// A lead that Meta tells of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Notice {
    pub(crate) leadgen_id: String,
    pub(crate) page_id: String,
    pub(crate) form_id: Option<String>,
    /// When the form was sent.
    pub(crate) submitted_at: Option<DateTime<Utc>>,
    /// The change as it came.
    pub(crate) change: Value,
}

/// What one webhook says.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Leads to be fetched.
    pub(crate) leads: Vec<Notice>,
    /// Changes of the field `leadgen` that name no lead or no page.
    pub(crate) unusable: usize,
}

#[derive(Deserialize)]
struct Webhook {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    field: Value,
    #[serde(default)]
    value: Value,
}

/// Reads the body of a webhook.
///
/// # Errors
/// When it is no JSON, or not of the shape `{"entry": [{"changes": […]}]}`.
pub(crate) fn read(body: &[u8]) -> Result<Notices, serde_json::Error> {
    let webhook: Webhook = serde_json::from_slice(body)?;
    let mut notices = Notices::default();
    for Entry { id, changes } in webhook.entry {
        for Change { value, .. } in changes.into_iter().filter(|change| change.field == "leadgen") {
            match notice(&id, value) {
                Some(notice) => notices.leads.push(notice),
                None => notices.unusable += 1,
            }
        }
    }
    Ok(notices)
}

/// The page of a change is its own `page_id`, else the one of its entry.
fn notice(entry: &Value, value: Value) -> Option<Notice> {
    let page_id = value.get("page_id").and_then(id).or_else(|| id(entry))?;
    Some(Notice {
        leadgen_id: value.get("leadgen_id").and_then(id)?,
        page_id,
        form_id: value.get("form_id").and_then(id),
        submitted_at: value.get("created_time").and_then(moment),
        change: storable(value),
    })
}

/// An id, number or text.
pub(super) fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    ((1..=LONGEST_ID).contains(&text.len()) && plain).then_some(text)
}

/// A time: seconds since 1970 (number or text), or `2026-11-24T15:00:00+0000`. Never in the future, which would keep a
/// watermark from ever moving.
pub(super) fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => match text.parse::<i64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z")
                .or_else(|_| DateTime::parse_from_rfc3339(text))
                .ok()
                .map(|moment| moment.timestamp()),
        },
        _ => None,
    }?;
    let moment = DateTime::from_timestamp(seconds, 0)?;
    // Facebook is of 2004; what lies before is no time at all.
    (moment.timestamp() > 1_000_000_000).then(|| moment.min(Utc::now()))
}

/// The same without U+0000, which the database takes in no text.
pub(super) fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name.replace('\0', ""), storable(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_numbers_or_text_and_strange_fields_do_no_harm() {
        let body = json!({"object": "page", "later": 1, "entry": [
            {"id": 100_200_300_400_500_u64, "time": 1, "changes": [
                {"field": "leadgen", "value": {"leadgen_id": 444, "form_id": "55", "created_time": 1_790_000_000}},
                {"field": "feed", "value": {"leadgen_id": 445}},
                {"field": "leadgen", "value": {"leadgen_id": "446", "page_id": "777", "ad_id": null, "x\0": "\0y"}},
            ]},
            {"changes": []},
        ]});
        let notices = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(notices.unusable, 0);
        let ids: Vec<_> = notices.leads.iter().map(|n| (n.leadgen_id.as_str(), n.page_id.as_str())).collect();
        assert_eq!(ids, [("444", "100200300400500"), ("446", "777")]);
        assert_eq!(notices.leads[1].change["x"], "y");
    }

    #[test]
    fn a_change_without_a_usable_id_is_counted() {
        for bad in
            [json!(null), json!(1.5), json!(-1), json!(""), json!("a b"), json!({}), json!("9".repeat(65))]
        {
            let value = json!({"leadgen_id": bad, "page_id": "1"});
            let body = json!({"entry": [{"id": "1", "changes": [{"field": "leadgen", "value": value}]}]});
            let notices = read(body.to_string().as_bytes()).unwrap();
            assert_eq!((notices.leads.len(), notices.unusable), (0, 1), "{bad}");
        }
        for bad in ["", "null", "[]x", "{\"entry\":1}", "{\"entry\":[{\"changes\":{}}]}"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(b"{}").unwrap().leads.is_empty());
    }

    #[test]
    fn times_come_in_both_shapes() {
        let known = DateTime::from_timestamp(1_700_000_000, 0);
        for value in [json!(1_700_000_000), json!("1700000000"), json!("2023-11-14T22:13:20+0000")] {
            assert_eq!(moment(&value), known, "{value}");
        }
        assert_eq!(moment(&json!("yesterday")), None);
        assert_eq!(moment(&json!(0)), None);
        assert!(moment(&json!(99_000_000_000_i64)).unwrap() <= Utc::now());
    }
}
