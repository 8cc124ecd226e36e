//! From the webhook to a person: bad days of Meta, many workers, leads that are put aside.

use axum::http::StatusCode;
use crm_backend::simulator::{Manner, Mode, Options};
use serde_json::json;

use super::{MetaApp, SECRET};
use crate::harness::{Person, eventually};

/// Forms that people send: `META_LEADS`; `make test-full` has 10,000.
fn forms() -> usize {
    std::env::var("META_LEADS").map_or(400, |text| text.parse().expect("META_LEADS is a number"))
}

/// A month of a page: repeated, late and shuffled webhooks, a Graph API that fails now and then, and an hour in which it
/// is away.
#[tokio::test(flavor = "multi_thread")]
async fn people_and_forms_are_those_that_meta_handed_out() {
    let mut meta = MetaApp::with(Options { failing_percent: 5, ..Options::new(42, SECRET.into()) }).await;
    eventually("the page is connected", async || meta.connect().await.status == StatusCode::CREATED).await;
    meta.replica();
    let (before, during) = (forms() - forms() / 4, forms() / 4);
    let first = meta.simulator.send_forms(before);
    let told = meta.simulator.tell(&meta.webhook, &first, Manner::wild()).await;
    assert_eq!(told.given_up, 0, "{told:?}");
    meta.simulator.behave(Mode::Away);
    let second = meta.simulator.send_forms(during);
    let told = meta.simulator.tell(&meta.webhook, &second, Manner::wild()).await;
    assert_eq!(told.given_up, 0, "what Meta's outage keeps us from asking it can still tell: {told:?}");
    let stuck = "SELECT count(*) FROM meta_lead_inbox WHERE state = 'received' AND reason LIKE 'graph_away%'";
    eventually("leads wait for the end of the outage", async || meta.count(stuck).await > 0).await;
    for _ in 0..12 {
        // Five minutes go by, and whatever waits is tried again.
        meta.app.sql("UPDATE meta_lead_inbox SET received_at = received_at - interval '5 minutes' WHERE state = 'received'").await;
        meta.hasten().await;
        meta.run("meta_intake").await;
    }
    assert_eq!(
        meta.count("SELECT count(*) FROM meta_lead_inbox WHERE state = 'failed'").await,
        0,
        "an hour loses nobody"
    );
    assert!(meta.count(stuck).await > 0, "the outage is over before it ends");
    meta.simulator.behave(Mode::Well);
    meta.all_is_stored().await;
    assert_eq!(meta.count("SELECT count(*) FROM meta_lead_inbox").await, i64::try_from(forms()).unwrap());
    let people = meta.simulator.ledger().people;
    assert!(
        people.len() < forms() && people.iter().any(|person| person.is_test),
        "the seed tries everything"
    );
    let ceo = meta.app.token(Person::Ceo).await;
    let shown = meta.app.get_as(&ceo, "/crm/meta/leads?limit=1").await.json();
    let real = people.iter().filter(|person| !person.is_test).count();
    assert_eq!(shown["stats"]["total"], json!(real), "test leads count nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_store_each_lead_once() {
    let mut meta = MetaApp::working(3).await;
    meta.replica();
    meta.replica();
    let leads = meta.simulator.send_forms(120);
    let told = meta.simulator.tell(&meta.webhook, &leads, Manner { beside: 8, ..Manner::wild() }).await;
    assert_eq!(told.given_up, 0);
    let done = "SELECT count(*) FROM meta_lead_inbox WHERE state = 'assigned'";
    eventually("all is stored", async || meta.count(done).await == 120).await;
    meta.compare().await;
    assert!(meta.simulator.ledger().submissions.iter().all(|form| form.fetched == 1), "asked for once");
    let events =
        "SELECT count(DISTINCT payload->>'leadgen_id') FROM outbox WHERE event = 'META_LEAD_RECEIVED'";
    assert_eq!(meta.count(events).await, 120);
    assert_eq!(meta.count("SELECT count(*) FROM outbox WHERE event = 'META_LEAD_RECEIVED'").await, 120);
    assert_eq!(meta.count("SELECT count(*) FROM meta_lead_inbox WHERE answer IS NOT NULL").await, 0);
}

/// Slow, wrong, mixed up, busy or away: a lead waits with the reason, and is stored when Meta is well again.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_graph_api_answers_no_lead_is_lost() {
    for (mode, reason) in [
        (Mode::Slow, "graph_away"),
        (Mode::Away, "graph_away"),
        (Mode::Wrong, "answer_unreadable"),
        (Mode::Mixed, "answer_unreadable"),
        (Mode::Busy, "graph_busy"),
        (Mode::TokenExpired, "token_expired"),
        (Mode::AccessRevoked, "access_revoked"),
    ] {
        let meta = MetaApp::working(9).await;
        meta.run("meta_reconciliation").await;
        meta.simulator.behave(mode);
        let leads = meta.simulator.send_forms(4);
        meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
        let waits: String = format!("{mode:?} keeps every lead waiting");
        eventually(&waits, async || {
            let reasons: Vec<Option<String>> = sqlx::query_scalar(
                "SELECT reason FROM meta_lead_inbox WHERE state = 'received' AND not_before > now()",
            )
            .fetch_all(&meta.app.database.migrator)
            .await
            .unwrap();
            reasons.len() == 4 && reasons.iter().flatten().any(|told| told.starts_with(reason))
        })
        .await;
        assert_eq!(meta.count("SELECT count(*) FROM leads").await, 0);
        meta.simulator.behave(Mode::Well);
        meta.all_is_stored().await;
    }
}

#[tokio::test]
async fn a_lead_that_meta_does_not_know_is_put_aside_and_tried_again_when_asked() {
    let meta = MetaApp::working(5).await;
    let leads = meta.simulator.send_forms(1);
    meta.app
        .sql(
            "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, change, attempts)
             VALUES (1, '123456', '100000000000001', '{}', 7)",
        )
        .await;
    meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    let failed =
        "SELECT count(*) FROM meta_lead_inbox WHERE state = 'failed' AND reason LIKE 'lead_missing%'";
    eventually("it is put aside", async || meta.count(failed).await == 1).await;
    let stored = "SELECT count(*) FROM meta_lead_inbox WHERE state = 'assigned'";
    eventually("the other is stored", async || meta.count(stored).await == 1).await;

    let ceo = meta.app.token(Person::Ceo).await;
    let intake = meta.app.get_as(&ceo, "/crm/meta/intake").await.json();
    assert_eq!((&intake["counts"]["failed"], &intake["counts"]["assigned"]), (&json!(1), &json!(1)));
    let id = intake["troubles"][0]["id"].as_i64().unwrap();
    assert_eq!(intake["last_error"]["leadgen_id"], "123456");
    let path = format!("/crm/meta/intake/{id}/retry");
    let other = meta.app.token(Person::OtherCeo).await;
    assert_eq!(meta.app.post_as(&other, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(meta.app.post_as(&ceo, "/crm/meta/intake/999999/retry").await.status, StatusCode::NOT_FOUND);
    assert_eq!(meta.app.post_as(&ceo, "/crm/meta/intake/nothing/retry").await.status, StatusCode::NOT_FOUND);
    assert_eq!(meta.app.post_as(&ceo, &path).await.status, StatusCode::ACCEPTED);
    let tried = "SELECT count(*) FROM meta_lead_inbox WHERE leadgen_id = '123456' AND state = 'received' AND attempts = 1 AND reason IS NOT NULL";
    eventually("it is tried again", async || meta.count(tried).await == 1).await;
    let known: i64 = meta.count("SELECT id FROM meta_lead_inbox WHERE state = 'assigned'").await;
    let again = meta.app.post_as(&ceo, &format!("/crm/meta/intake/{known}/retry")).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "already_stored"));
}

/// Which of the steps was reached last is kept: a worker that died is followed by one that goes on there.
#[tokio::test]
async fn a_lead_whose_worker_died_is_gone_on_with() {
    let mut meta = MetaApp::start(6).await;
    meta.connect().await;
    let leads = meta.simulator.send_forms(1);
    meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    meta.app
        .sql(
            r#"UPDATE meta_lead_inbox SET state = 'fetched', attempts = 1, answer =
               jsonb_build_object('id', leadgen_id, 'created_time', '2024-05-20T10:00:00+0000', 'field_data',
                 '[{"name": "phone_number", "values": ["+5491155550101"]}]'::jsonb)"#,
        )
        .await;
    meta.replica();
    let stored =
        "SELECT count(*) FROM leads WHERE phone = '+5491155550101' AND created_at = '2024-05-20T10:00:00Z'";
    eventually("it is stored from what was fetched", async || meta.count(stored).await == 1).await;
    assert_eq!(meta.simulator.ledger().submissions[0].fetched, 0);
}
