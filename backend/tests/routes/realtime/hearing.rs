//! Who hears what, in order and once: also after a gap, over two servers, and while releases take turns.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::Place;
use super::client::Client;
use crate::harness::{Person, eventually};

/// The numbers that `client` hears: `count` of them, however long they take, and what comes after.
fn hear(client: &Client, count: usize) -> Vec<i64> {
    let mut heard: Vec<i64> =
        (0..count).map(|_| client.until("NEW_MESSAGE")["data"]["number"].as_i64().unwrap()).collect();
    heard.extend(numbers(&client.rest()));
    heard
}

/// The numbers of the events among `lines`, in the order they were heard.
fn numbers(lines: &[Value]) -> Vec<i64> {
    let mine = lines.iter().filter(|line| line["event"] == "NEW_MESSAGE");
    mine.map(|line| line["data"]["number"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_heard_by_its_own_user_and_by_nobody_else() {
    let place = Place::new().await;
    let client = async |person: Person| {
        let client = Client::connect(&place.url(), &place.app.token(person).await);
        client.ready();
        client
    };
    let (setter, mut closer) = (client(Person::Setter).await, client(Person::Closer).await);
    let mut stranger = client(Person::OtherCeo).await;
    // The server alone puts sockets into rooms: words of a client are not listened to.
    let room = format!("user:1:{}", Person::Setter.id());
    for forger in [&mut closer, &mut stranger] {
        for word in ["join", "subscribe", "join_room", "room"] {
            forger.order(&json!({ "emit": [word, room] }));
            forger.order(&json!({ "emit": [word, { "room": room, "tenant_id": 1 }] }));
        }
    }
    place.assign_new_lead("+5491155550101", Person::Setter).await;
    let told = setter.until("new_notification");
    assert_eq!(told["data"]["type"], "assignment", "{told}");
    assert!(told["data"]["event_id"].is_string(), "{told}");
    let count = setter.until("notification_count_update");
    assert_eq!((&count["data"]["unread"], &count["data"]["high"]), (&json!(1), &json!(1)), "{count}");
    // What lies in the queue concerns everybody of the tenant; what was given to somebody does not.
    let heard = closer.events();
    assert!(!heard.contains(&"new_notification".to_owned()), "{heard:?}");
    assert_eq!(stranger.rest(), Vec::<Value>::new());
    assert!(!setter.events().contains(&"disconnect".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_told_once_and_in_order() {
    let place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let mut client = Client::connect(&place.url(), &token);
    client.ready();
    place.publish(Person::Setter, 1).await;
    assert_eq!(client.until("NEW_MESSAGE")["data"]["number"], 1);
    client.order(&json!({ "disconnect": true }));
    client.until("disconnect");
    for number in 2..=40 {
        place.publish(Person::Setter, number).await;
        place.publish(Person::Closer, -number).await;
    }
    client.order(&json!({ "connect": true }));
    place.publish(Person::Setter, 41).await;
    place.publish(Person::Setter, 42).await;
    assert_eq!(hear(&client, 41), (2..=42).collect::<Vec<_>>());
    // Without having been away nothing is told again.
    let second = Client::connect(&place.url(), &token);
    let ready = second.ready();
    assert_eq!((&ready["missed"], &ready["complete"]), (&json!(0), &json!(true)), "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_too_much_or_says_nonsense_is_told_to_ask_for_everything() {
    let place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let first = Client::connect(&place.url(), &token).ready()["event_id"].as_str().unwrap().to_owned();
    let many = "INSERT INTO outbox (tenant_id, event, recipient_id, payload)
                SELECT 1, 'NEW_MESSAGE', $1, jsonb_build_object('number', n) FROM generate_series(1, $2) n";
    let many = async |count: i32| {
        sqlx::query(many)
            .bind(Person::Setter.id())
            .bind(count)
            .execute(&place.app.database.migrator)
            .await
            .unwrap();
    };
    many(500).await;
    let back = |after: &str| {
        let client = Client::with(&json!({ "url": place.url(), "auth": { "token": token, "after": after } }));
        let (lines, ready) = client.up_to("ready");
        (ready["data"]["complete"].as_bool().unwrap(), numbers(&lines).len())
    };
    eventually("the server has told all", async || back(&first) == (true, 500)).await;
    many(1).await;
    eventually("501 are too many", async || back(&first) == (false, 0)).await;
    let future = format!("{}-0-{}", i64::MAX, 2_000_000_000);
    for wrong in ["nonsense", "1-1-1", &future, ""] {
        assert_eq!(back(wrong), (false, 0), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_tells_its_own_sockets() {
    let place = Place::new().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = place.stage.command("bbb", 1);
    command.env("ENABLE_SCHEDULED_TASKS", "false");
    let other = place.stage.release_on(&socket, "bbb", command);
    other.command("serve");
    let token = place.app.token(Person::Setter).await;
    let here = Client::connect(&place.url(), &token);
    let there = Client::connect(&format!("http://{}", socket.local_addr().unwrap()), &token);
    here.ready();
    there.ready();
    for number in 1..=20 {
        place.publish(Person::Setter, number).await;
    }
    for client in [&here, &there] {
        assert_eq!(hear(client, 20), (1..=20).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_is_followed_from_where_it_was() {
    let place = Place::new().await;
    let client = Client::connect(&place.url(), &place.app.token(Person::Setter).await);
    client.ready();
    place.publish(Person::Setter, 1).await;
    client.until("NEW_MESSAGE");
    for number in 2..=6 {
        place.app.database.cut_connections().await;
        place.publish(Person::Setter, number).await;
    }
    let mut heard = Vec::new();
    eventually("all are heard", async || {
        heard.extend(numbers(&client.rest()));
        heard.len() >= 5
    })
    .await;
    assert_eq!(heard, [2, 3, 4, 5, 6]);
}

/// Two switches with less between them than a crowd of clients takes to come back.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_while_the_next_switch_begins_is_refused_by_nobody() {
    let mut place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let client = Client::with(&json!({ "url": place.url(), "auth": { "token": token }, "sockets": 15 }));
    client.ready();
    for name in ["bbb", "ccc", "ddd", "eee"] {
        let next = Place::release(&place.stage, name);
        next.command("serve");
        place.server.command("drain");
        // The herd is on its way when this one ends.
        assert!(place.server.ending().success(), "{}", place.server.log());
        place.server = next;
    }
    place.publish(Person::Setter, 7).await;
    let mut lines = Vec::new();
    eventually("every socket has heard the last", async || {
        lines.extend(client.rest());
        lines.iter().filter(|line: &&Value| line["data"]["number"] == 7).count() >= 15
    })
    .await;
    let refused: Vec<&Value> = lines.iter().filter(|line| line["event"] == "connect_error").collect();
    assert!(refused.is_empty(), "{refused:?}");
    let cut = |line: &&Value| line["event"] == "disconnect" && line["code"] != 1012;
    assert_eq!(lines.iter().find(cut), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_releases_sends_sockets_over_and_nothing_is_missed() {
    let mut place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let client = Client::with(&json!({ "url": place.url(), "auth": { "token": token }, "sockets": 15 }));
    client.ready();
    let (mut published, mut lines) = (0, Vec::new());
    for (moves, name) in [(1, "bbb"), (2, "ccc")] {
        let next = Place::release(&place.stage, name);
        next.command("serve");
        place.server.command("drain");
        while place.server.is_running() {
            published += 1;
            place.publish(Person::Setter, published).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(place.server.ending().success(), "{}", place.server.log());
        place.server = next;
        eventually("every socket is back", async || {
            lines.extend(client.rest());
            lines.iter().filter(|line: &&Value| line["event"] == "ready").count() >= 15 * moves
        })
        .await;
    }
    eventually("every socket has heard the last", async || {
        lines.extend(client.rest());
        let last = |line: &&Value| line["data"]["number"] == published;
        lines.iter().filter(last).count() >= 15
    })
    .await;
    let goodbyes: Vec<&Value> = lines.iter().filter(|line| line["event"] == "disconnect").collect();
    assert_eq!(goodbyes.len(), 30, "each socket moved twice");
    for goodbye in goodbyes {
        // A transport that closes is one that the client opens again by itself.
        assert_eq!(
            (&goodbye["reason"], &goodbye["code"]),
            (&json!("transport close"), &json!(1012)),
            "{goodbye}"
        );
    }
    let all: Vec<i64> = (1..=published).collect();
    for socket in 0..15 {
        let own: Vec<Value> = lines.iter().filter(|line| line["socket"] == socket).cloned().collect();
        assert_eq!(numbers(&own), all, "socket {socket}");
    }
}
