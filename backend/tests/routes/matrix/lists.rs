//! Lists, counts, sums and CSV: nothing of another tenant is in them, and nothing a colleague has is in a vendedor's.
//! Told by marks in every row, and by answers that stay as they were however much the others get.

use axum::http::Method;
use chrono::DateTime;
use serde_json::Value;

use super::document::{Kind, Operation};
use super::world::{FOREIGN, SIBLINGS, Whose, World};
use super::{PEOPLE, everything, told};
use crate::harness::Person;

const THINGS: [Kind; 7] =
    [Kind::Lead, Kind::Conversation, Kind::Notification, Kind::Session, Kind::Rule, Kind::Page, Kind::Intake];

/// About the server and not about a tenant.
const OF_THE_SERVER: [&str; 3] = ["/admin/health/", "/scheduled-tasks/", "/socket.io/"];

/// Everybody who works with leads sees the people of the lead forms: they are taken from one queue.
const SHARED: [&str; 2] = ["/crm/meta/leads", "/crm/meta/leads/export.csv"];

/// A JSON answer with every moment and every request's id replaced.
pub(super) fn without_moments(value: Value) -> Value {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(&text).is_ok() => "MOMENT".into(),
        Value::Array(items) => items.into_iter().map(without_moments).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| name != "request_id");
            Value::Object(kept.map(|(name, value)| (name, without_moments(value))).collect())
        }
        other => other,
    }
}

/// A CSV answer with every moment replaced.
pub(super) fn csv_without_moments(text: &str) -> String {
    let cell = |cell: &'_ str| match DateTime::parse_from_rfc3339(cell.trim_matches('"')) {
        Ok(_) => "MOMENT".to_owned(),
        Err(_) => cell.to_owned(),
    };
    let line = |line: &str| line.split(';').map(cell).collect::<Vec<_>>().join(";");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// One more of each kind.
async fn grow(world: &World, whose: Whose, caller: Person) {
    for kind in THINGS {
        world.make(kind, whose, caller).await;
    }
}

fn reads(operations: &[Operation]) -> Vec<&Operation> {
    let is_read = |operation: &&Operation| {
        operation.method == Method::GET
            && operation.is_guarded()
            && operation.path_ids.is_empty()
            && !OF_THE_SERVER.iter().any(|prefix| operation.path.starts_with(prefix))
    };
    operations.iter().filter(is_read).collect()
}

async fn ask(world: &World, operation: &Operation, person: Person) -> String {
    if operation.path.ends_with("/facts") {
        // They are made of the rows as they are now, and of the other tenant's too.
        for ceo in [Person::Ceo, Person::OtherCeo] {
            let made = world.app.post_as(world.token(ceo), "/admin/core/sellers/metrics/refresh").await;
            assert!(made.status.is_success(), "{made:?}");
        }
    }
    let answer = asked(world, operation, person).await;
    // Figures come from the rows again, and see what is put in behind the server's back.
    world.app.sql("DELETE FROM metrics_state").await;
    answer
}

async fn asked(world: &World, operation: &Operation, person: Person) -> String {
    let whole = if operation.is_paged && !operation.path.ends_with(".csv") { "&limit=200" } else { "" };
    let path = format!("{}?tenant_id={}{}{whole}", operation.path, person.tenant(), operation.required);
    let answer = world.app.get_as(world.token(person), &path).await;
    assert!(answer.status.is_success(), "{operation} as {person:?}: {answer:?}");
    told(&answer, &[])
}

#[tokio::test]
async fn lists_and_sums_tell_nothing_of_others_however_much_they_get() {
    let (world, operations) = everything().await;
    for person in [Person::Setter, Person::Closer, Person::OtherCeo, Person::Secretary, Person::Ceo] {
        grow(&world, Whose::Own, person).await;
    }
    let operations = reads(&operations);
    let (mut cells, mut shown) = (0, Vec::new());
    for operation in &operations {
        for person in PEOPLE.into_iter().filter(|person| operation.admits(*person)) {
            let before = ask(&world, operation, person).await;
            cells += 1;
            if person.tenant() == 1 {
                assert!(
                    !before.contains(FOREIGN),
                    "{operation} as {person:?} shows the other tenant: {before}"
                );
            }
            if person == Person::Setter && !SHARED.contains(&operation.path.as_str()) {
                assert!(!before.contains(SIBLINGS), "{operation} shows a colleague's: {before}");
            }
            if person == Person::Ceo && before.contains(SIBLINGS) {
                shown.push(operation.path.as_str());
            }
            grow(&world, Whose::Other, person).await;
            let after = ask(&world, operation, person).await;
            assert_eq!(before, after, "{operation} as {person:?} counts the other tenant");
        }
    }
    for path in ["/crm/leads", "/crm/leads/export.csv", "/crm/meta/leads", "/crm/meta/leads/export.csv"] {
        assert!(shown.contains(&path), "{path} shows a CEO nothing: {shown:?}");
    }
    println!("{} operations, {cells} cells", operations.len());
}

#[tokio::test]
async fn figures_of_a_vendedor_do_not_move_with_a_colleagues() {
    let (world, operations) = everything().await;
    for person in [Person::Setter, Person::Closer] {
        grow(&world, Whose::Own, person).await;
    }
    let mut moved = Vec::new();
    for operation in reads(&operations) {
        if !operation.admits(Person::Setter) || SHARED.contains(&operation.path.as_str()) {
            continue;
        }
        let (mine, all) =
            (ask(&world, operation, Person::Setter).await, ask(&world, operation, Person::Ceo).await);
        for kind in [Kind::Lead, Kind::Conversation, Kind::Notification, Kind::Session] {
            world.make(kind, Whose::Own, Person::Closer).await;
        }
        assert_eq!(
            mine,
            ask(&world, operation, Person::Setter).await,
            "{operation} shows a colleague's figures"
        );
        if all != ask(&world, operation, Person::Ceo).await {
            moved.push(operation.path.as_str());
        }
    }
    for path in [
        "/crm/leads",
        "/crm/conversations",
        "/admin/core/sellers/dashboard/overview",
        "/admin/core/sellers/team/metrics",
    ] {
        assert!(moved.contains(&path), "{path} does not move for a CEO either: {moved:?}");
    }
}
