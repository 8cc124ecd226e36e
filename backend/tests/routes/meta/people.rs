//! Whose a form is, and what a lead is born with.

use crm_backend::simulator::Manner;

use super::MetaApp;
use crate::harness::{Person, eventually};

const PAGE: &str = "100000000000001";

/// A form as if it had been fetched a moment ago.
async fn sends(meta: &MetaApp, leadgen_id: &str, fields: serde_json::Value) {
    let answer = serde_json::json!({
        "id": leadgen_id, "form_id": "55", "created_time": "2024-05-20T14:00:00+0000", "field_data": fields,
        "campaign_id": "9", "campaign_name": "Otoño",
    });
    sqlx::query(
        "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, form_id, change, state, answer)
         VALUES (1, $1, $2, '55', '{}', 'fetched', $3)",
    )
    .bind(leadgen_id)
    .bind(PAGE)
    .bind(answer)
    .execute(&meta.app.database.migrator)
    .await
    .unwrap();
    meta.run("meta_intake").await;
    let done =
        sqlx::query_scalar::<_, bool>("SELECT state = 'assigned' FROM meta_lead_inbox WHERE leadgen_id = $1");
    assert!(done.bind(leadgen_id).fetch_one(&meta.app.database.migrator).await.unwrap(), "{leadgen_id}");
}

fn field(name: &str, value: &str) -> serde_json::Value {
    serde_json::json!({ "name": name, "values": [value] })
}

#[tokio::test]
async fn a_number_is_a_person_and_an_address_where_no_number_speaks_against_it() {
    let meta = MetaApp::working(1).await;
    let people = "SELECT count(*) FROM leads";
    let (ana, bea) = (field("phone_number", "+54 9 11 5555-0101"), field("phone_number", "011 5555 0102"));
    let (mail, shout) = (field("email", "ana@example.com"), field("email", " ANA@Example.com "));
    // An address first, then the same with a number: one person, who has both.
    sends(&meta, "1", serde_json::json!([mail])).await;
    sends(&meta, "2", serde_json::json!([ana, shout])).await;
    assert_eq!(meta.count(people).await, 1);
    let both = "SELECT count(*) FROM leads WHERE phone = '+5491155550101' AND email = 'ana@example.com' AND meta_lead_id = '1'";
    assert_eq!(meta.count(both).await, 1);
    // The number alone, the address alone: the same.
    sends(&meta, "3", serde_json::json!([field("phone_number", "54 11 15 5555 0101")])).await;
    sends(&meta, "4", serde_json::json!([shout, field("full_name", "Ana Gil")])).await;
    assert_eq!(meta.count(people).await, 1);
    assert_eq!(
        meta.count("SELECT count(*) FROM leads WHERE first_name = 'Ana' AND last_name = 'Gil'").await,
        1
    );
    // Another number under the same address is somebody else.
    sends(&meta, "5", serde_json::json!([bea, mail])).await;
    assert_eq!(meta.count(people).await, 2);
    // Who gives neither is nobody we know.
    sends(&meta, "6", serde_json::json!([field("full_name", "Nadie")])).await;
    sends(&meta, "7", serde_json::json!([])).await;
    assert_eq!(meta.count(people).await, 4);
    assert_eq!(meta.count("SELECT count(*) FROM lead_submissions").await, 7);
}

#[tokio::test]
async fn who_wrote_on_whatsapp_before_stays_the_same_person_with_the_same_owner() {
    let meta = MetaApp::working(1).await;
    meta.app
        .sql(
            "INSERT INTO leads (tenant_id, phone, first_name, source, assigned_seller_id, assigned_at)
             VALUES (1, '+5491155550101', 'Ana', 'whatsapp', '01900000-0000-7000-8000-000000000001', now()),
                    (2, '+5491155550102', 'Eva', 'whatsapp', NULL, NULL)",
        )
        .await;
    sends(
        &meta,
        "1",
        serde_json::json!([field("phone_number", "+5491155550101"), field("full_name", "Otra Cosa")]),
    )
    .await;
    let same = "SELECT count(*) FROM leads WHERE tenant_id = 1 AND first_name = 'Ana' AND source = 'whatsapp'
                AND assigned_seller_id IS NOT NULL AND meta_campaign_name = 'Otoño'";
    assert_eq!(meta.count(same).await, 1);
    // The owner and the CEO hear of it, and nobody else.
    let heard = "SELECT count(DISTINCT recipient_id) FROM outbox WHERE event = 'META_LEAD_RECEIVED'
                 AND recipient_id IS NOT NULL AND (payload->>'repeated')::boolean";
    assert_eq!(meta.count(heard).await, 2);
    assert_eq!(Person::Setter.id().to_string(), "01900000-0000-7000-8000-000000000001");
    // The number of another tenant's lead is no number here.
    sends(&meta, "2", serde_json::json!([field("phone_number", "+5491155550102")])).await;
    assert_eq!(meta.count("SELECT count(*) FROM leads WHERE tenant_id = 1").await, 2);
}

#[tokio::test]
async fn a_lead_is_born_with_its_clock_its_history_and_its_campaign() {
    let meta = MetaApp::working(2).await;
    let leads = meta.simulator.send_forms(1);
    // A test lead would be a poor example.
    assert!(!meta.simulator.ledger().people[0].is_test);
    meta.run("meta_reconciliation").await;
    meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    let born = "SELECT count(*) FROM leads WHERE lead_source = 'META_ADS' AND source = 'meta_lead_form' AND status = 'new'
                AND response_due_at > created_at AND response_warn_at < response_due_at AND meta_lead_id IS NOT NULL
                AND meta_campaign_name LIKE 'Campaña%' AND meta_form_name LIKE 'Formulario%' AND meta_ad_id IS NOT NULL";
    eventually("it is born", async || meta.count(born).await == 1).await;
    let history = "SELECT count(*) FROM lead_status_history WHERE to_status = 'new' AND from_status IS NULL";
    assert_eq!(meta.count(history).await, 1);
    let raw = "SELECT count(*) FROM lead_submissions WHERE raw ? 'field_data' AND fields ? '¿en_qué_ciudad?'";
    assert_eq!(meta.count(raw).await, 1);
}

#[tokio::test]
async fn a_made_up_lead_is_marked_and_never_mixed_with_real_people() {
    let meta = MetaApp::working(1).await;
    let dummy = serde_json::json!([
        field("full_name", "<test lead: dummy data for full_name>"),
        field("email", "ana@example.com"),
    ]);
    sends(&meta, "1", serde_json::json!([field("email", "ana@example.com")])).await;
    sends(&meta, "2", dummy).await;
    assert_eq!(meta.count("SELECT count(*) FROM leads WHERE is_test").await, 1);
    assert_eq!(meta.count("SELECT count(*) FROM leads WHERE NOT is_test").await, 1);
    let ceo = meta.app.token(Person::Ceo).await;
    assert_eq!(meta.app.get_as(&ceo, "/crm/meta/leads").await.json()["stats"]["total"], 1);
}

#[tokio::test]
async fn a_form_that_the_database_never_takes_is_put_aside_and_holds_nobody_up() {
    let meta = MetaApp::working(1).await;
    meta.app.sql("ALTER TABLE leads ADD CONSTRAINT no_poison CHECK (first_name <> 'Veneno')").await;
    let poison = serde_json::json!({
        "id": "1", "created_time": "2024-05-20T14:00:00+0000", "field_data": [field("full_name", "Veneno")],
    });
    sqlx::query(
        "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, change, state, answer) VALUES (1, '1', $1, '{}', 'fetched', $2)",
    )
    .bind(PAGE)
    .bind(poison)
    .execute(&meta.app.database.migrator)
    .await
    .unwrap();
    sends(&meta, "2", serde_json::json!([field("full_name", "Ana")])).await;
    let aside =
        "SELECT count(*) FROM meta_lead_inbox WHERE state = 'failed' AND reason = 'not_storable: 23514'";
    eventually("it is put aside", async || meta.count(aside).await == 1).await;
    assert_eq!(meta.count("SELECT count(*) FROM scheduled_run WHERE error IS NOT NULL").await, 0);
}
