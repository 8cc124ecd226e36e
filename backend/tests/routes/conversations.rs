//! `/chat` and `/crm/conversations…`

mod races;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{MACHINE, Person, TestApp};

const SOFIA: &str = "+54 9 11 5555-0101";
const SAME_SOFIA: &str = "+54 11 5555-0101";

fn thread(receipt: &Value) -> String {
    format!("/crm/conversations/{}", receipt["conversation_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_repeated_delivery_is_one_message() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let again = app.write_from(SOFIA, "m1", "Hola").await;
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
    assert_eq!(first["message_id"], again["message_id"]);
    assert_eq!(app.count("SELECT count(*) FROM messages").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM outbox WHERE event = 'NEW_MESSAGE'").await, 1);
}

#[tokio::test]
async fn one_person_is_one_lead_and_one_open_thread_however_the_number_is_written() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let second = app.write_from(SAME_SOFIA, "m2", "¿Están?").await;
    assert_eq!(first["conversation_id"], second["conversation_id"]);
    assert_eq!(first["lead_id"], second["lead_id"]);
    assert_eq!(app.count("SELECT count(*) FROM leads").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM lead_status_history WHERE to_status = 'new'").await, 1);
}

#[tokio::test]
async fn who_has_no_number_is_a_thread_without_a_lead() {
    let app = TestApp::with_channel().await;
    let message = json!({
        "tenant_id": 1, "channel": "instagram", "provider": "meta", "provider_message_id": "i1",
        "contact": "sofi.paz", "body": "¿Precio?",
    });
    let answer = app.json_as(MACHINE, Method::POST, "/chat", &message).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert!(answer.json()["lead_id"].is_null());
    let ceo = app.token(Person::Ceo).await;
    let listed = app.get_as(&ceo, "/crm/conversations?waiting=true").await.json();
    assert_eq!(listed["conversations"][0]["name"], "sofi.paz");
    assert_eq!(listed["conversations"][0]["unread"], 1);
}

#[tokio::test]
async fn bad_messages_are_refused_field_by_field() {
    let app = TestApp::with_channel().await;
    let message = json!({
        "tenant_id": 1, "channel": "fax", "provider": " ", "provider_message_id": "x\u{0}", "contact": "", "body": "  ",
    });
    let answer = app.json_as(MACHINE, Method::POST, "/chat", &message).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let json = answer.json();
    let fields: Vec<&str> = json["error"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["channel", "provider", "provider_message_id", "contact", "body"]);
    let nobody = json!({
        "tenant_id": 77, "channel": "web", "provider": "p", "provider_message_id": "1", "contact": "c", "body": "b",
    });
    assert_eq!(app.json_as(MACHINE, Method::POST, "/chat", &nobody).await.status, StatusCode::NOT_FOUND);
    let number = json!({
        "tenant_id": 1, "channel": "whatsapp", "provider": "p", "provider_message_id": "1", "contact": "Sofía", "body": "b",
    });
    assert_eq!(app.json_as(MACHINE, Method::POST, "/chat", &number).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nobody_answers_blind() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let newest = app.write_from(SOFIA, "m2", "¿Están?").await;
    let ceo = app.token(Person::Ceo).await;
    let path = format!("{}/messages", thread(&first));
    for seen in [Value::Null, first["message_id"].clone()] {
        let answer =
            app.json_as(&ceo, Method::POST, &path, &json!({ "body": "Sí", "seen_up_to": seen })).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "newer_message"));
        assert_eq!(answer.json()["error"]["details"]["message_id"], newest["message_id"]);
    }
    let answer = app
        .json_as(&ceo, Method::POST, &path, &json!({ "body": "Sí", "seen_up_to": newest["message_id"] }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let one = app.get_as(&ceo, &thread(&first)).await.json();
    assert!(one["waiting_since"].is_null() && one["due_at"].is_null() && one["response_state"].is_null());
    assert_eq!(one["unread"], 0);
    assert_eq!(app.count("SELECT count(*) FROM leads WHERE first_response_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_wait_starts_with_its_first_message_and_says_when_an_answer_is_due() {
    let app = TestApp::with_channel().await;
    app.sql(
        "UPDATE tenants SET settings = jsonb_build_object('working_hours',
           (SELECT jsonb_object_agg(day, '[[\"00:00\", \"24:00\"]]'::jsonb)
            FROM unnest(ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']) day)) WHERE id = 1",
    )
    .await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let ceo = app.token(Person::Ceo).await;
    let before = app.get_as(&ceo, &thread(&first)).await.json();
    app.write_from(SOFIA, "m2", "¿Hola?").await;
    let after = app.get_as(&ceo, &thread(&first)).await.json();
    assert_eq!(before["waiting_since"], after["waiting_since"]);
    assert_eq!(after["response_state"], "on_time");
    let five =
        "SELECT count(*) FROM conversations WHERE response_due_at = waiting_since + interval '5 minutes'
                AND response_warn_at = waiting_since + interval '4 minutes'";
    assert_eq!(app.count(five).await, 1);
    app.sql("UPDATE conversations SET response_warn_at = now() - interval '1 s'").await;
    assert_eq!(app.get_as(&ceo, &thread(&first)).await.json()["response_state"], "warning");
    app.sql("UPDATE conversations SET response_due_at = now() - interval '1 s'").await;
    assert_eq!(app.get_as(&ceo, &thread(&first)).await.json()["response_state"], "late");
}

#[tokio::test]
async fn closing_ends_the_wait_and_a_reopened_thread_starts_with_a_still_clock() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let ceo = app.token(Person::Ceo).await;
    let thread = thread(&first);
    for _ in 0..2 {
        assert_eq!(app.post_as(&ceo, &format!("{thread}/close")).await.status, StatusCode::NO_CONTENT);
    }
    let closed = app.get_as(&ceo, &thread).await.json();
    assert!(closed["closed_at"].is_string() && closed["waiting_since"].is_null());
    let answer = app
        .json_as(
            &ceo,
            Method::POST,
            &format!("{thread}/messages"),
            &json!({ "body": "Sí", "seen_up_to": first["message_id"] }),
        )
        .await;
    assert_eq!(answer.code(), "conversation_closed");
    for _ in 0..2 {
        assert_eq!(app.post_as(&ceo, &format!("{thread}/reopen")).await.status, StatusCode::NO_CONTENT);
    }
    let open = app.get_as(&ceo, &thread).await.json();
    assert!(open["closed_at"].is_null() && open["waiting_since"].is_null());
    assert_eq!(app.count("SELECT count(*) FROM conversation_history").await, 2);
    app.write_from(SOFIA, "m2", "¿Sigue abierto?").await;
    assert!(app.get_as(&ceo, &thread).await.json()["waiting_since"].is_string());
}

#[tokio::test]
async fn a_closed_thread_stays_closed_when_somebody_writes_anew() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let ceo = app.token(Person::Ceo).await;
    app.post_as(&ceo, &format!("{}/close", thread(&first))).await;
    let second = app.write_from(SOFIA, "m2", "Hola de nuevo").await;
    assert_ne!(first["conversation_id"], second["conversation_id"]);
    assert_eq!(first["lead_id"], second["lead_id"]);
    let answer = app.post_as(&ceo, &format!("{}/reopen", thread(&first))).await;
    assert_eq!(answer.code(), "conversation_open");
    assert_eq!(answer.json()["error"]["details"]["conversation_id"], second["conversation_id"]);
}

#[tokio::test]
async fn a_vendedor_sees_the_own_ones_and_the_queue_and_the_rest_looks_like_missing() {
    let app = TestApp::with_channel().await;
    let (ceo, setter, closer) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::Closer).await);
    let other = app.token(Person::OtherCeo).await;
    let taken = app.write_from(SOFIA, "m1", "Hola").await;
    let queued = app.write_from("+5491155550102", "m2", "Hola").await;
    let path = format!("{}/messages", thread(&taken));
    let reply = json!({ "body": "Soy yo", "seen_up_to": taken["message_id"] });
    assert_eq!(app.json_as(&setter, Method::POST, &path, &reply).await.status, StatusCode::CREATED);
    let seen = async |token: &str| {
        let json = app.get_as(token, "/crm/conversations").await.json();
        json["conversations"].as_array().unwrap().len()
    };
    assert_eq!(
        (seen(&ceo).await, seen(&setter).await, seen(&closer).await, seen(&other).await),
        (2, 2, 1, 0)
    );
    for (token, receipt, expected) in [
        (&closer, &taken, StatusCode::NOT_FOUND),
        (&closer, &queued, StatusCode::OK),
        (&other, &taken, StatusCode::NOT_FOUND),
        (&other, &queued, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(app.get_as(token, &thread(receipt)).await.status, expected);
        assert_eq!(app.get_as(token, &format!("{}/messages", thread(receipt))).await.status, expected);
    }
    for path in ["messages", "read", "close", "reopen"] {
        let body = match path {
            "messages" => json!({ "body": "x" }),
            _ => json!({ "up_to": 1 }),
        };
        for token in [&closer, &other] {
            let path = format!("{}/{path}", thread(&taken));
            let answer = app.json_as(token, Method::POST, &path, &body).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn reading_marks_move_forward_only() {
    let app = TestApp::with_channel().await;
    let first = app.write_from(SOFIA, "m1", "Hola").await;
    let second = app.write_from(SOFIA, "m2", "¿Están?").await;
    let ceo = app.token(Person::Ceo).await;
    let path = format!("{}/read", thread(&first));
    for (up_to, unread) in [(&first["message_id"], 1), (&second["message_id"], 0), (&first["message_id"], 0)]
    {
        let answer = app.json_as(&ceo, Method::POST, &path, &json!({ "up_to": up_to })).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(app.get_as(&ceo, &thread(&first)).await.json()["unread"], unread);
    }
    // Another person has read nothing.
    let setter = app.token(Person::Setter).await;
    assert_eq!(app.get_as(&setter, &thread(&first)).await.json()["unread"], 2);
}

#[tokio::test]
async fn pages_of_messages_and_threads_meet_without_a_gap() {
    let app = TestApp::with_channel().await;
    for number in 0..7 {
        app.write_from(SOFIA, &format!("m{number}"), &format!("mensaje {number}")).await;
        app.write_from(&format!("+549115555020{number}"), &format!("t{number}"), "Hola").await;
    }
    let ceo = app.token(Person::Ceo).await;
    let pages = async |path: &str, rows: &str| {
        let (mut ids, mut cursor) = (vec![], String::new());
        loop {
            let json = app.get_as(&ceo, &format!("{path}?limit=3{cursor}")).await.json();
            ids.extend(json[rows].as_array().unwrap().iter().map(|row| row["id"].to_string()));
            match json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    };
    let mut threads = pages("/crm/conversations", "conversations").await;
    assert_eq!(threads.len(), 8);
    threads.sort();
    threads.dedup();
    assert_eq!(threads.len(), 8);
    let known: String =
        sqlx::query_scalar("SELECT conversation_id::text FROM messages GROUP BY 1 HAVING count(*) = 7")
            .fetch_one(&app.database.migrator)
            .await
            .unwrap();
    let messages = pages(&format!("/crm/conversations/{known}/messages"), "messages").await;
    assert_eq!(messages.len(), 7);
}
