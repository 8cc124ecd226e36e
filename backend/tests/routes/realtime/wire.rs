//! What the stock client never sends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::Place;
use super::client::Client;
use crate::harness::Person;
use crate::serve::process::PATIENCE;

/// A bare WebSocket.
async fn open(place: &Place) -> (WebSocketStream<MaybeTlsStream<TcpStream>>, Response<Option<Vec<u8>>>) {
    connect_async(format!("ws://{}/socket.io/?EIO=4&transport=websocket", place.stage.address()))
        .await
        .unwrap()
}

/// Sends `frames` over a socket of its own, and reads what comes until nothing does.
async fn say(place: &Place, frames: Vec<Message>) -> Vec<String> {
    let (mut socket, _) = open(place).await;
    for frame in frames {
        // The server may have had enough in the middle.
        if socket.send(frame).await.is_err() {
            break;
        }
    }
    let mut heard = Vec::new();
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(Duration::from_millis(300), socket.next()).await {
        heard.push(frame.to_string());
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_harms_nobody_else() {
    let place = Place::new().await;
    let token = place.app.token(Person::Setter).await;
    let good = Client::connect(&place.url(), &token);
    good.ready();
    let connect = format!("40{}", json!({ "token": token }));
    let text = |text: &str| Message::text(text.to_owned());
    let stories: Vec<Vec<Message>> = vec![
        vec![text("")],
        vec![text("9")],
        vec![text("4")],
        vec![text("40{")],
        vec![text("40[]")],
        vec![text("40/admin,{}")],
        vec![text("42[\"join\",\"user:1\"]")],
        vec![text("44{\"message\":\"no\"}")],
        vec![text(&connect), text("44{\"message\":\"no\"}")],
        vec![text(&connect), text("40{}"), text(&connect)],
        vec![text(&connect), text("41"), text("42[\"join\",1]")],
        vec![
            text(&connect),
            text("451-[\"x\",{\"_placeholder\":true,\"num\":0}]"),
            Message::binary(vec![0; 64]),
        ],
        vec![text(&connect), text("43999[]"), text("4399999999999999999999[]")],
        vec![text(&connect), text("42[]"), text("42{}"), text("42[null]"), text("42[\"\\ud800\"]")],
        vec![Message::binary(vec![0; 1024])],
        vec![text(&"4".repeat(20_000))],
        vec![text(&connect), text(&format!("42[\"{}\"]", "x".repeat(20_000)))],
    ];
    for story in stories {
        say(&place, story).await;
    }
    place.publish(Person::Setter, 7).await;
    assert_eq!(good.until("NEW_MESSAGE")["data"]["number"], 7);
    assert!(!place.server.log().contains("panicked"), "{}", place.server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_changes_who_it_is_is_refused() {
    let place = Place::new().await;
    let (mut socket, _) = open(&place).await;
    for (person, answer) in [(Person::Setter, "40{\"sid\""), (Person::Ceo, "44")] {
        let connect = format!("40{}", json!({ "token": place.app.token(person).await }));
        socket.send(Message::text(connect)).await.unwrap();
        loop {
            let frame =
                tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap().to_string();
            if frame.starts_with('4') && !frame.starts_with("42") {
                assert!(frame.starts_with(answer), "{frame}");
                break;
            }
        }
        if person == Person::Setter {
            socket.send(Message::text("41")).await.unwrap();
        }
    }
}
