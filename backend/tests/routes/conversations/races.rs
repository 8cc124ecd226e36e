//! Messages that come in beside each other, and beside an assignment.

use super::SOFIA;
use crate::harness::{Person, TestApp, eventually};

#[tokio::test]
async fn twenty_first_messages_at_once_are_one_lead_and_one_thread() {
    let app = TestApp::with_crowd().await;
    let ids: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let writing = ids.iter().map(|id| app.write_from(SOFIA, id, "Hola"));
    futures_util::future::join_all(writing).await;
    assert_eq!(app.count("SELECT count(*) FROM leads").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM conversations").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM messages").await, 20);
    // The order they were stored in is the order of the clock.
    let disorder =
        "SELECT count(*) FROM messages a JOIN messages b ON a.id < b.id AND a.created_at > b.created_at";
    assert_eq!(app.count(disorder).await, 0);
}

#[tokio::test]
async fn one_id_from_two_senders_at_once_is_one_message() {
    let app = TestApp::with_channel().await;
    let (a, b) =
        tokio::join!(app.write_from(SOFIA, "m1", "Hola"), app.write_from("+5491155550102", "m1", "Hola"),);
    assert_eq!(a["message_id"], b["message_id"]);
    assert_ne!(a["repeated"], b["repeated"]);
    assert_eq!(app.count("SELECT count(*) FROM leads").await, 1);
}

/// Whoever gets the lead while a message comes in owns the thread that the message opens.
#[tokio::test]
async fn a_thread_that_opens_beside_an_assignment_has_the_new_owner() {
    let app = TestApp::with_channel().await;
    app.sql("INSERT INTO leads (tenant_id, phone) VALUES (1, '+5491155550101')").await;
    let mut giving = app.database.migrator.begin().await.unwrap();
    sqlx::query("UPDATE leads SET assigned_seller_id = $1, assigned_at = now()")
        .bind(Person::Closer.id())
        .execute(&mut *giving)
        .await
        .unwrap();
    let writing = app.write_from(SOFIA, "m1", "Hola");
    let committing = async {
        eventually("the message waits for the lead", async || {
            let waits = "SELECT count(*) FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
            app.count(waits).await == 1
        })
        .await;
        giving.commit().await.unwrap();
    };
    tokio::join!(writing, committing);
    let owned = "SELECT count(*) FROM conversations c JOIN leads l ON l.id = c.lead_id
                 WHERE c.assigned_seller_id = l.assigned_seller_id";
    assert_eq!(app.count(owned).await, 1);
}
