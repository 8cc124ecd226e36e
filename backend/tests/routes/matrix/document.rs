//! The API document as the matrix reads it: each operation with whom it admits and which things it names.

use std::fmt::{self, Display, Formatter};

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::Person;

/// Something that belongs to a tenant and has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lead,
    Conversation,
    Notification,
    Session,
    Rule,
    Seller,
    /// Somebody with a second factor.
    Factor,
    Page,
    Intake,
    /// A word of the program, nobody's: the name of a job.
    Word,
}

impl Kind {
    /// An id that nothing has.
    pub(super) fn missing(self) -> String {
        match self {
            Self::Notification | Self::Intake => "987654321".to_owned(),
            Self::Page => "100000000000009".to_owned(),
            Self::Word => "no_such_job".to_owned(),
            _ => "019b0000-0000-7000-8000-00000000dead".to_owned(),
        }
    }

    /// What `{name}` of a path stands for.
    fn of_path(path: &str, name: &str) -> Self {
        let below = |prefix: &str| path.starts_with(prefix);
        match name {
            "task" => Self::Word,
            "page_id" => Self::Page,
            "id" if below("/notifications/") || below("/admin/core/notifications/") => Self::Notification,
            "id" if below("/auth/sessions/") || below("/admin/core/sessions/") => Self::Session,
            "id" if below("/admin/core/sellers/conversations/") => Self::Conversation,
            "id" if below("/admin/core/sellers/rules/") => Self::Rule,
            "id" if below("/admin/core/sellers/{id}/") => Self::Seller,
            "id" if path == "/admin/core/users/{id}/second-factor" => Self::Factor,
            "id" if below("/crm/meta/intake/") => Self::Intake,
            "id" if below("/crm/leads/") || below("/crm/meta/leads/") => Self::Lead,
            "id" if below("/crm/conversations/") => Self::Conversation,
            _ => panic!("{path}: say here what kind of thing {{{name}}} is, and make one in `world`"),
        }
    }

    /// What a parameter of the query stands for, when it names a thing.
    fn of_query(path: &str, name: &str, schema: &Value) -> Option<Self> {
        match name {
            "seller" | "seller_id" | "user_id" => Some(Self::Seller),
            "lead" => Some(Self::Lead),
            "tenant_id" => None,
            _ => {
                let names = schema["format"] == "uuid" || name.ends_with("_id");
                assert!(!names, "{path}: say here what kind of thing `?{name}=` names");
                None
            }
        }
    }
}

/// A method of a path.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) policy: String,
    roles: Vec<String>,
    /// What the path names, in its order.
    pub(super) path_ids: Vec<Kind>,
    /// What the query may name.
    pub(super) query_ids: Vec<(String, Kind)>,
    /// Parameters without which there is no answer, filled in.
    pub(super) required: String,
    /// Whether it is given a page at a time.
    pub(super) is_paged: bool,
    /// Bodies it takes, with `<lead>`, `<seller>` for ids and `<new>` for a word of its own.
    pub(super) bodies: Vec<Value>,
}

impl Display for Operation {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

impl Operation {
    /// Whether it asks for a token.
    pub(super) fn is_guarded(&self) -> bool {
        matches!(self.policy.as_str(), "any" | "roles" | "machine")
    }

    /// Whether this person is let in.
    pub(super) fn admits(&self, person: Person) -> bool {
        match self.policy.as_str() {
            "machine" => false,
            "roles" => self.roles.iter().any(|role| role == person.role().name()),
            _ => true,
        }
    }

    /// The path with ids in it.
    pub(super) fn path_with(&self, ids: &[String]) -> String {
        let mut ids = ids.iter();
        let part = |part: &'_ str| match part.starts_with('{') {
            true => ids.next().unwrap().clone(),
            false => part.to_owned(),
        };
        self.path.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// Every operation of the document.
pub(super) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| -> Vec<Operation> {
        let item = item.as_object().unwrap();
        item.iter().map(|(method, operation)| read(document, path, method, operation)).collect()
    };
    let operations: Vec<Operation> = paths.iter().flat_map(of).collect();
    assert!(operations.len() > 80, "the document lost most of its operations");
    operations
}

fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let policy = operation["x-policy"].as_str();
    let policy = policy.unwrap_or_else(|| panic!("{method} {path} has no policy")).to_owned();
    let roles: Vec<String> = serde_json::from_value(operation["x-roles"].clone()).unwrap_or_default();
    assert!(policy != "roles" || !roles.is_empty(), "{method} {path} names no role");
    let braces = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path_ids = braces.map(|name| Kind::of_path(path, name)).collect();
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let query_ids = in_query
        .clone()
        .filter_map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            Some((name.to_owned(), Kind::of_query(path, name, &parameter["schema"])?))
        })
        .collect();
    let is_paged = in_query.clone().any(|parameter| parameter["name"] == "limit");
    let required = in_query
        .filter(|parameter| parameter["required"] == true && policy != "public")
        .map(|parameter| match parameter["name"].as_str().unwrap() {
            "metric" => "&metric=lead",
            other => panic!("{method} {path}: say here what `{other}` may be"),
        })
        .collect();
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
    let bodies = schema.and_then(Value::as_str).map_or_else(Vec::new, |schema| {
        let name = schema.rsplit('/').next().unwrap();
        let bodies = bodies_of(name);
        let mut ids = Vec::new();
        ids_of(document, &document["components"]["schemas"][name], "", &mut ids);
        for id in ids {
            let filled = bodies.iter().any(|body| body.to_string().contains(&format!("\"{id}\":")));
            assert!(filled, "{method} {path}: `{id}` of {name} names something; give it in `bodies_of`");
        }
        bodies
    });
    let method = method.to_uppercase().parse().unwrap();
    Operation {
        method,
        path: path.to_owned(),
        policy,
        roles,
        path_ids,
        query_ids,
        required,
        is_paged,
        bodies,
    }
}

/// Names of the fields that hold ids, however deep.
fn ids_of(document: &Value, schema: &Value, name: &str, ids: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        return ids_of(document, document.pointer(&reference[1..]).unwrap(), name, ids);
    }
    if schema["format"] == "uuid" {
        ids.push(name.to_owned());
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        ids_of(document, schema, name, ids);
    }
    for part in ["oneOf", "anyOf", "allOf"] {
        for schema in schema[part].as_array().into_iter().flatten() {
            ids_of(document, schema, name, ids);
        }
    }
    if schema["items"].is_object() {
        ids_of(document, &schema["items"], name, ids);
    }
}

/// Bodies that are right, by the name of their schema.
fn bodies_of(schema: &str) -> Vec<Value> {
    match schema {
        "AssignTo" | "ReassignTo" => vec![json!({"seller_id": "<seller>"})],
        "AssignLeads" => vec![
            json!({"lead_ids": ["<lead>"], "seller_id": "<seller>"}),
            json!({"filter": {"seller": "<seller>"}, "seller_id": "<seller>"}),
        ],
        "Bulk" => vec![
            json!({"lead_ids": ["<lead>"], "assign": {"seller_id": "<seller>"}}),
            json!({"lead_ids": ["<lead>"], "status": {"status": "contacted"}}),
            json!({"lead_ids": ["<lead>"], "tag": {"add": ["vip"]}}),
            json!({"filter": {"seller": "<seller>"}, "tag": {"add": ["vip"]}}),
        ],
        "CreateLead" => vec![json!({"first_name": "Ana", "assigned_seller_id": "<seller>"})],
        "EditLead" => vec![json!({"first_name": "Otra"})],
        "MergeInto" => vec![json!({"into": "<lead>"})],
        "NewMessage" => vec![json!({"body": "Hola"})],
        "NewStatus" => vec![json!({"status": "contacted"})],
        "NotificationSettings" => vec![json!({"muted_types": [], "critical_pierces": true})],
        "ReadAll" | "ReadUpTo" => vec![json!({"up_to": 1})],
        "RuleInput" => {
            vec![json!({"name": "<new>", "priority": 7, "strategy": "round_robin", "active": false})]
        }
        "Shift" => vec![json!({"shift": null})],
        "TenantSettings" => vec![json!({
            "time_zone": "America/Argentina/Buenos_Aires", "currency": "USD", "working_hours": null, "response_target": null,
            "unanswered_seconds": null, "followup": null, "hot_lead": null, "performance_alert": null, "metric_alert": null,
            "second_factor": null, "phone_country": null
        })],
        // They name nothing of a tenant, and are told in other places: sessions, pages of Meta, the channel.
        "ChatMessage" | "Code" | "ConnectPage" | "LoginRequest" | "NewPassword" | "Present"
        | "RefreshRequest" => vec![],
        _ => panic!("`{schema}`: give a body that is right, with <lead> and <seller> where it names them"),
    }
}
