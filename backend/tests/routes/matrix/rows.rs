//! Things with an id: one's own is served, another tenant's looks exactly like nobody's, a colleague's as the house
//! says, and what is refused changes nothing.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::{Kind, Operation};
use super::world::{Whose, World};
use super::{PEOPLE, everything, told};
use crate::harness::{Answer, Person};

/// Whether a colleague's thing is hidden from this person.
fn hides(operation: &Operation, kind: Kind, person: Person) -> bool {
    match kind {
        Kind::Lead | Kind::Conversation | Kind::Seller => person.role().is_seller(),
        Kind::Notification => true,
        Kind::Session => operation.path.starts_with("/auth/"),
        // The tenant's, nobody's in it.
        Kind::Rule | Kind::Page | Kind::Intake | Kind::Factor | Kind::Word => false,
    }
}

/// Body number `number` of an operation, its ids given by `id`.
fn filled(body: &Value, id: &mut impl FnMut(&str) -> String) -> Value {
    match body {
        Value::String(text) if text == "<new>" => json!(format!("new {}", Uuid::new_v4())),
        Value::String(text) if text.starts_with('<') => json!(id(text)),
        Value::Array(items) => items.iter().map(|item| filled(item, id)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), filled(value, id)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn kind_of(placeholder: &str) -> Kind {
    match placeholder {
        "<lead>" => Kind::Lead,
        "<seller>" => Kind::Seller,
        _ => panic!("{placeholder}"),
    }
}

/// The placeholders of a body.
fn named(body: &Value) -> Vec<Kind> {
    let mut kinds = Vec::new();
    filled(body, &mut |placeholder| {
        kinds.push(kind_of(placeholder));
        String::new()
    });
    kinds
}

/// A body whose ids are one's own.
async fn own_body(world: &World, body: &Value, person: Person) -> Value {
    let mut ids = Vec::new();
    for kind in named(body) {
        ids.push(world.make(kind, Whose::Own, person).await);
    }
    let mut ids = ids.into_iter();
    filled(body, &mut |_| ids.next().unwrap())
}

async fn send(
    world: &World,
    operation: &Operation,
    person: Person,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let token = world.token(person);
    match body {
        Some(body) => world.app.json_as(token, operation.method.clone(), path, body).await,
        None => world.app.send_as(token, operation.method.clone(), path).await,
    }
}

/// Each body of an operation, or none once.
fn bodies(operation: &Operation) -> Vec<Option<&Value>> {
    if operation.bodies.is_empty() { vec![None] } else { operation.bodies.iter().map(Some).collect() }
}

#[tokio::test]
async fn another_tenants_things_look_exactly_like_nobodys() {
    let (world, operations) = everything().await;
    let (mut cells, mut breaches, mut with_ids) = (0, Vec::new(), 0);
    for operation in operations.iter().filter(|operation| !operation.path_ids.is_empty()) {
        let &[kind] = operation.path_ids.as_slice() else {
            panic!("{operation}: several ids: say here which is whose")
        };
        if kind == Kind::Word {
            continue;
        }
        with_ids += 1;
        for person in PEOPLE.into_iter().filter(|person| operation.admits(*person)) {
            for body in bodies(operation) {
                let body = match body {
                    Some(body) => Some(own_body(&world, body, person).await),
                    None => None,
                };
                let mut strange = vec![(Whose::Other, world.make(kind, Whose::Other, person).await)];
                if hides(operation, kind, person) {
                    strange.push((Whose::Sibling, world.make(kind, Whose::Sibling, person).await));
                }
                let missing = kind.missing();
                let before = world.rows().await;
                let of_nobody = send(
                    &world,
                    operation,
                    person,
                    &operation.path_with(std::slice::from_ref(&missing)),
                    body.as_ref(),
                )
                .await;
                if of_nobody.status != StatusCode::NOT_FOUND {
                    breaches.push(format!("{operation} as {person:?}, nobody's: {}", told(&of_nobody, &[])));
                }
                for (whose, id) in strange {
                    let answer = send(
                        &world,
                        operation,
                        person,
                        &operation.path_with(std::slice::from_ref(&id)),
                        body.as_ref(),
                    )
                    .await;
                    cells += 1;
                    if let Some(known) = known(operation, whose) {
                        assert_eq!(
                            (answer.status, answer.code().as_str()),
                            known,
                            "{operation} as {person:?}"
                        );
                    } else if told(&answer, &[&id]) != told(&of_nobody, &[&missing]) {
                        breaches
                            .push(format!("{operation} as {person:?}, {whose:?}: {}", told(&answer, &[&id])));
                    }
                }
                let after = world.rows().await;
                if before != after {
                    breaches.push(format!("{operation} as {person:?} changed rows:\n{before}\n{after}"));
                }
            }
        }
    }
    assert!(with_ids >= 30, "the document names things in {with_ids} paths only");
    assert_eq!(breaches, Vec::<String>::new(), "{cells} cells");
    println!("{with_ids} operations, {cells} cells");
}

/// What a colleague's thing answers where it is not hidden: who comes second hears who was first, and everybody sees the
/// people of the lead forms, whoever works on them.
fn known(operation: &Operation, whose: Whose) -> Option<(StatusCode, &'static str)> {
    match operation.path.as_str() {
        _ if whose != Whose::Sibling => None,
        "/admin/core/sellers/conversations/{id}/assign" => Some((StatusCode::CONFLICT, "already_assigned")),
        "/crm/meta/leads/{id}/status" => Some((StatusCode::FORBIDDEN, "forbidden")),
        _ => None,
    }
}

/// What makes the test before this one worth something: the same calls, with one's own, get through.
#[tokio::test]
async fn ones_own_things_and_what_the_role_reaches_are_served() {
    let (world, operations) = everything().await;
    let (mut cells, mut breaches) = (0, Vec::new());
    for operation in operations.iter().filter(|operation| !operation.path_ids.is_empty()) {
        let kind = operation.path_ids[0];
        for person in PEOPLE.into_iter().filter(|person| operation.admits(*person)) {
            for body in bodies(operation) {
                let mut whose = vec![Whose::Own];
                if kind != Kind::Word && !hides(operation, kind, person) {
                    whose.push(Whose::Sibling);
                }
                for whose in whose {
                    let body = match body {
                        Some(body) => Some(own_body(&world, body, person).await),
                        None => None,
                    };
                    let id = world.make(kind, whose, person).await;
                    let answer =
                        send(&world, operation, person, &operation.path_with(&[id]), body.as_ref()).await;
                    cells += 1;
                    let served = answer.status.is_success() || answer.status == StatusCode::CONFLICT;
                    if !served {
                        breaches
                            .push(format!("{operation} as {person:?}, {whose:?}: {}", told(&answer, &[])));
                    }
                }
            }
        }
    }
    assert_eq!(breaches, Vec::<String>::new(), "{cells} cells");
    println!("{cells} cells");
}

#[tokio::test]
async fn ids_in_bodies_and_queries_reach_no_other_tenant() {
    let (world, operations) = everything().await;
    let (mut cells, mut breaches) = (0, Vec::new());
    for operation in &operations {
        for person in PEOPLE.into_iter().filter(|person| operation.is_guarded() && operation.admits(*person))
        {
            for body in &operation.bodies {
                for changed in 0..named(body).len() {
                    cells += 1;
                    breaches.extend(body_naming_a_stranger(&world, operation, person, body, changed).await);
                }
            }
            for (name, kind) in &operation.query_ids {
                let other = world.make(*kind, Whose::Other, person).await;
                let missing = kind.missing();
                let mut path_ids = Vec::new();
                for kind in &operation.path_ids {
                    path_ids.push(world.make(*kind, Whose::Own, person).await);
                }
                let path = operation.path_with(&path_ids);
                let ask = async |id: &str| {
                    let path = format!("{path}?{name}={id}{}", operation.required);
                    told(&send(&world, operation, person, &path, None).await, &[id])
                };
                let (of_other, of_nobody) = (ask(&other).await, ask(&missing).await);
                cells += 1;
                if of_other != of_nobody {
                    breaches.push(format!("{operation}?{name}= as {person:?}: {of_other}\n{of_nobody}"));
                }
            }
        }
    }
    assert!(cells > 50, "{cells} cells");
    assert_eq!(breaches, Vec::<String>::new(), "{cells} cells");
    println!("{cells} cells");
}

/// Sends a body whose id number `changed` is another tenant's, and then nobody's: both are told the same, and no row of
/// the other tenant changes.
async fn body_naming_a_stranger(
    world: &World,
    operation: &Operation,
    person: Person,
    body: &Value,
    changed: usize,
) -> Option<String> {
    let kinds = named(body);
    let other = world.make(kinds[changed], Whose::Other, person).await;
    let missing = kinds[changed].missing();
    let mut answers = Vec::new();
    for strange in [&other, &missing] {
        let mut ids = Vec::new();
        for (place, kind) in kinds.iter().enumerate() {
            // In the queue, or it is refused for having an owner.
            let whose = if *kind == Kind::Seller { Whose::Own } else { Whose::Queue };
            ids.push(if place == changed { strange.clone() } else { world.make(*kind, whose, person).await });
        }
        let mut given = ids.clone().into_iter();
        let body = filled(body, &mut |_| given.next().unwrap());
        let mut path_ids = Vec::new();
        for kind in &operation.path_ids {
            path_ids.push(world.make(*kind, Whose::Queue, person).await);
        }
        let before = world.rows().await;
        let answer = send(world, operation, person, &operation.path_with(&path_ids), Some(&body)).await;
        let after = world.rows().await;
        let theirs = |rows: &str| -> Vec<String> {
            let tenant = format!(" {} ", 3 - person.tenant());
            rows.lines().filter(|line| line.contains(&tenant)).map(str::to_owned).collect()
        };
        if theirs(&before) != theirs(&after) {
            return Some(format!("{operation} as {person:?}: rows of the other tenant changed"));
        }
        let all: Vec<&str> = ids.iter().chain(&path_ids).map(String::as_str).collect();
        answers.push(told(&answer, &all));
        // That it was tried may be noted.
        let changed = |rows: &str| -> Vec<String> {
            rows.lines().filter(|line| !line.starts_with("audit_log ")).map(str::to_owned).collect()
        };
        if kinds.len() == 1 && answer.status.is_success() && changed(&before) != changed(&after) {
            return Some(format!("{operation} as {person:?}: took a stranger: {}", told(&answer, &all)));
        }
    }
    (answers[0] != answers[1]).then(|| format!("{operation} as {person:?}: {}\n{}", answers[0], answers[1]))
}
