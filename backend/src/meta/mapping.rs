//! What the Graph API answers about a lead becomes what we know of a person. Pure: JSON in, a submission out. What has
//! no column of its own stays in `fields`, what Meta sent stays whole in `raw`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::notice::{id, moment, storable};
use crate::phone::Phone;

/// Longest name or address that is kept, in characters.
const LONGEST: usize = 200;
/// How Meta's tools begin each value of a lead that they make up.
const DUMMY: &str = "<test lead: dummy data for";
/// The addresses of those leads.
const DUMMY_ADDRESSES: [&str; 2] = ["test@fb.com", "test@meta.com"];

/// Field names by what they hold, best first: Meta's own, then what forms in Spanish are often given.
const FULL_NAME: [&str; 3] = ["full_name", "nombre_completo", "nombre_y_apellido"];
const FIRST_NAME: [&str; 2] = ["first_name", "nombre"];
const LAST_NAME: [&str; 3] = ["last_name", "apellido", "apellidos"];
const PHONE: [&str; 7] = [
    "phone_number",
    "phone",
    "whatsapp_number",
    "work_phone_number",
    "teléfono",
    "telefono",
    "número_de_teléfono",
];
const EMAIL: [&str; 4] = ["email", "work_email", "correo_electrónico", "correo_electronico"];

/// A form that somebody sent.
#[derive(Debug, Clone)]
pub(super) struct Submission {
    pub(super) leadgen_id: String,
    pub(super) form_id: Option<String>,
    pub(super) submitted_at: DateTime<Utc>,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) phone: Option<Phone>,
    /// Lower case.
    pub(super) email: Option<String>,
    pub(super) is_test: bool,
    /// Answers by field name; values are lists.
    pub(super) fields: Value,
    /// As Meta sent it.
    pub(super) raw: Value,
    pub(super) campaign: Origin,
    pub(super) adset: Origin,
    pub(super) ad: Origin,
}

/// Id and name of an advertisement, its set or its campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

/// Reads an answer. `country` is the calling code of numbers that have none of their own.
pub(super) fn submission(answer: Value, now: DateTime<Utc>, country: Option<&str>) -> Option<Submission> {
    let raw = storable(answer);
    let fields = fields(&raw);
    let first = |names: &[&str]| names.iter().find_map(|name| value(&fields, name));
    let full = first(&FULL_NAME);
    let (first_name, last_name) = match (first(&FIRST_NAME), first(&LAST_NAME), full) {
        (None, None, Some(full)) => split(&full),
        (None, Some(last), Some(full)) => {
            let given = full.strip_suffix(last.as_str()).unwrap_or(&full).trim().to_owned();
            (given, last)
        }
        (first, last, _) => (first.unwrap_or_default(), last.unwrap_or_default()),
    };
    let origin = |kind: &str| Origin {
        id: raw.get(format!("{kind}_id")).and_then(id),
        name: raw
            .get(format!("{kind}_name"))
            .and_then(Value::as_str)
            .map(line)
            .filter(|name| !name.is_empty()),
    };
    let phone = PHONE.iter().filter_map(|name| value(&fields, name)).find_map(|text| number(&text, country));
    let email = EMAIL.iter().filter_map(|name| value(&fields, name)).find_map(|text| address(&text));
    Some(Submission {
        leadgen_id: raw.get("id").and_then(id)?,
        form_id: raw.get("form_id").and_then(id),
        submitted_at: raw.get("created_time").and_then(moment).unwrap_or(now),
        is_test: is_test(&raw, &fields),
        first_name: line(&first_name),
        last_name: line(&last_name),
        phone,
        email,
        campaign: origin("campaign"),
        adset: origin("adset"),
        ad: origin("ad"),
        fields: Value::Object(fields),
        raw,
    })
}

/// `field_data` by name. Values are a list, one value, or nothing; a name that comes twice has the values of both.
fn fields(raw: &Value) -> Map<String, Value> {
    let mut fields: Map<String, Value> = Map::new();
    for field in raw.get("field_data").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = field.get("name").and_then(Value::as_str) else { continue };
        let values = match field.get("values") {
            Some(Value::Array(values)) => values.clone(),
            Some(Value::Null) | None => vec![],
            Some(single) => vec![single.clone()],
        };
        let kept = fields.entry(name.to_owned()).or_insert_with(|| Value::Array(vec![]));
        if let Value::Array(kept) = kept {
            kept.extend(values);
        }
    }
    fields
}

/// The first value of a field that says something.
fn value(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name)?.as_array()?.iter().find_map(|value| {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    })
}

/// First word, and the rest.
fn split(full: &str) -> (String, String) {
    match full.trim().split_once(char::is_whitespace) {
        Some((first, rest)) => (first.to_owned(), rest.trim().to_owned()),
        None => (full.trim().to_owned(), String::new()),
    }
}

/// One line of text, not too long.
fn line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(LONGEST).collect()
}

/// Meta puts `p:` before numbers in some exports.
fn number(text: &str, country: Option<&str>) -> Option<Phone> {
    let text = text.trim();
    Phone::parse(text.strip_prefix("p:").unwrap_or(text), country)
}

/// A mail address, lower case; none when it is none.
fn address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.split_once('@')?;
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let shaped =
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.');
    (plain && shaped && text.chars().count() <= LONGEST).then_some(text)
}

/// Whether Meta's own tools made it up.
fn is_test(raw: &Value, fields: &Map<String, Value>) -> bool {
    let flagged = ["is_test", "test_lead"].iter().any(|name| raw.get(name) == Some(&Value::Bool(true)));
    let values = fields.values().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let made_up = |text: &str| {
        text.starts_with(DUMMY) || DUMMY_ADDRESSES.iter().any(|address| text.eq_ignore_ascii_case(address))
    };
    flagged || values.map(str::trim).any(made_up)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(fields: Value) -> Submission {
        let answer = json!({
            "id": "444", "created_time": "2023-11-14T22:13:20+0000", "form_id": 55, "field_data": fields,
            "campaign_id": "9", "campaign_name": "Otoño\u{0}\n 2026", "ad_id": null,
        });
        submission(answer, Utc::now(), Some("54")).unwrap()
    }

    #[test]
    fn known_fields_become_columns_and_others_stay() {
        let sent = of(json!([
            {"name": "full_name", "values": ["  Sofía  Paz Díaz"]},
            {"name": "phone_number", "values": ["", "p:+54 9 11 5555-0101"]},
            {"name": "email", "values": ["Sofia@Example.com "]},
            {"name": "¿qué_busca?", "values": ["uno", "dos"]},
            {"name": "empty", "values": []},
        ]));
        assert_eq!((sent.first_name.as_str(), sent.last_name.as_str()), ("Sofía", "Paz Díaz"));
        assert_eq!(sent.phone.unwrap().as_str(), "+5491155550101");
        assert_eq!(sent.email.as_deref(), Some("sofia@example.com"));
        assert_eq!(sent.fields["¿qué_busca?"], json!(["uno", "dos"]));
        assert_eq!(sent.fields["empty"], json!([]));
        assert_eq!(
            (sent.form_id.as_deref(), sent.campaign.name.as_deref()),
            (Some("55"), Some("Otoño 2026"))
        );
        assert_eq!((sent.ad, sent.is_test), (Origin::default(), false));
    }

    #[test]
    fn what_cannot_be_used_is_absent_and_nothing_is_refused() {
        for fields in [
            json!([]),
            json!([{"name": "phone_number", "values": ["no tengo"]}, {"name": "email", "values": ["no@tengo"]}]),
            json!([{"name": "email"}, {"values": ["x"]}, 7, {"name": "full_name", "values": [null, {}, true]}]),
        ] {
            let sent = of(fields);
            assert!(sent.phone.is_none() && sent.email.is_none() && sent.first_name.is_empty());
        }
        assert!(submission(json!({"field_data": []}), Utc::now(), None).is_none());
    }

    #[test]
    fn names_come_whole_or_in_parts() {
        let parts =
            of(json!([{"name": "first_name", "values": ["Ana"]}, {"name": "last_name", "values": ["Gil"]}]));
        assert_eq!((parts.first_name.as_str(), parts.last_name.as_str()), ("Ana", "Gil"));
        let both = of(
            json!([{"name": "full_name", "values": ["Ana Gil"]}, {"name": "last_name", "values": ["Gil"]}]),
        );
        assert_eq!((both.first_name.as_str(), both.last_name.as_str()), ("Ana", "Gil"));
        let long = of(json!([{"name": "full_name", "values": ["x".repeat(900)]}]));
        assert_eq!(long.first_name.len(), LONGEST);
    }

    #[test]
    fn leads_that_metas_tools_make_up_are_tests() {
        let dummy = "<test lead: dummy data for full_name>";
        assert!(of(json!([{"name": "full_name", "values": [dummy]}])).is_test);
        assert!(of(json!([{"name": "email", "values": ["test@fb.com"]}])).is_test);
        assert!(!of(json!([{"name": "email", "values": ["test@fb.com.ar"]}])).is_test);
    }
}
