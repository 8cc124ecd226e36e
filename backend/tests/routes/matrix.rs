//! Who sees and changes what: every operation of the API document, called by everybody with what is their own, a
//! colleague's, another tenant's and nobody's. An operation that names something these tables do not know fails here.

mod document;
mod lists;
mod rows;
mod world;

use axum::http::{Method, StatusCode};

use crate::harness::{Answer, MACHINE, Person, TestApp};
use document::{Operation, operations};
use world::World;

/// Everybody who has an account that works.
const PEOPLE: [Person; 5] =
    [Person::Ceo, Person::Setter, Person::Closer, Person::Secretary, Person::OtherCeo];

async fn everything() -> (World, Vec<Operation>) {
    let world = World::new(TestApp::with_channel().await).await;
    let document = world.app.get("/openapi.json").await.json();
    (world, operations(&document))
}

/// An answer without what differs each time: its request's id, moments, and the id that was asked for.
fn told(answer: &Answer, ids: &[&str]) -> String {
    let mut text = match serde_json::from_slice(&answer.body) {
        Ok(value) => lists::without_moments(value).to_string(),
        Err(_) => lists::csv_without_moments(&String::from_utf8_lossy(&answer.body)),
    };
    for id in ids {
        text = text.replace(id, "ID");
    }
    format!("{} {text}", answer.status)
}

/// Everybody's word about a strange tenant, and every way of being nobody.
#[tokio::test]
async fn no_operation_answers_a_stranger_or_for_a_claimed_tenant() {
    let (world, operations) = everything().await;
    let mut cells = 0;
    for operation in &operations {
        let path =
            operation.path_with(&operation.path_ids.iter().map(|kind| kind.missing()).collect::<Vec<_>>());
        let send = async |token: &str, query: &str| {
            world.app.send_as(token, operation.method.clone(), &format!("{path}{query}")).await.status
        };
        if !operation.is_guarded() {
            continue;
        }
        let token = world.token(Person::Ceo);
        for nobody in ["", "x", "null", &token[..token.len() - 2], &format!("{token}x")] {
            assert_eq!(send(nobody, "").await, StatusCode::UNAUTHORIZED, "{operation} with `{nobody}`");
            cells += 1;
        }
        if operation.policy != "machine" {
            assert_eq!(send(MACHINE, "").await, StatusCode::FORBIDDEN, "{operation} as the machine");
            cells += 1;
        }
        for person in PEOPLE {
            let (own, other) = if person.tenant() == 1 { (1, 2) } else { (2, 1) };
            for claim in [other.to_string(), "0".into(), "-1".into(), "999".into(), "4294967297".into()] {
                let status = send(world.token(person), &format!("?tenant_id={claim}")).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{operation} as {person:?} for tenant {claim}");
                cells += 1;
            }
            if operation.admits(person) {
                let twice = send(world.token(person), &format!("?tenant_id={own}&tenant_id={other}")).await;
                assert_eq!(twice, StatusCode::BAD_REQUEST, "{operation} as {person:?} for both tenants");
                cells += 1;
            }
        }
    }
    println!("{} operations, {cells} cells", operations.len());
}

/// The document's own words about who may call: what it says is what happens.
#[tokio::test]
async fn every_operation_admits_whom_its_document_names() {
    let (world, operations) = everything().await;
    let mut cells = 0;
    // These end the session that calls.
    let ends = ["/auth/logout"];
    for operation in &operations {
        let path =
            operation.path_with(&operation.path_ids.iter().map(|kind| kind.missing()).collect::<Vec<_>>());
        for person in PEOPLE {
            let again;
            let token = if ends.contains(&operation.path.as_str()) {
                again = world.app.token(person).await;
                &again
            } else {
                world.token(person)
            };
            let status = world.app.send_as(token, operation.method.clone(), &path).await.status;
            let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let admits = !operation.is_guarded() || operation.admits(person);
            // The webhook has a door of its own: a signature.
            let admits = admits && !operation.path.starts_with("/webhooks/");
            assert!(
                refused != admits || operation.path.starts_with("/webhooks/"),
                "{operation} as {person:?}: {status}"
            );
            assert!(
                !status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE,
                "{operation}: {status}"
            );
            cells += 1;
        }
    }
    assert!(operations.iter().any(|operation| operation.method == Method::DELETE));
    println!("{} operations, {cells} cells", operations.len());
}
