//! `meta_silent`: the CEO is told why leads do not come, once per episode, in both languages.

use crm_backend::simulator::{Manner, Mode};
use serde_json::Value;

use super::MetaApp;
use crate::harness::{Person, eventually};

/// What the CEO has been told, newest first.
async fn told(meta: &MetaApp) -> Vec<Value> {
    let ceo = meta.app.token(Person::Ceo).await;
    assert!(meta.app.post_as(&ceo, "/notifications/run-checks").await.status.is_success());
    let list = meta.app.get_as(&ceo, "/notifications?type=meta_silent").await.json();
    list["notifications"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_is_named_with_what_to_do_and_told_once() {
    for (mode, spanish, english) in [
        (Mode::TokenExpired, "venció", "has expired"),
        (Mode::AccessRevoked, "no da acceso", "gives no access"),
        (Mode::AccessHidden, "no da acceso", "gives no access"),
        (Mode::Unsubscribed, "ya no avisa", "no longer tells"),
        (Mode::ShortToken, "vence", "ends"),
    ] {
        let meta = MetaApp::working(21).await;
        meta.run("meta_reconciliation").await;
        assert!(told(&meta).await.is_empty(), "all is well");
        meta.simulator.behave(mode);
        meta.run("meta_reconciliation").await;
        let list = told(&meta).await;
        assert_eq!(list.len(), 1, "{mode:?}: {list:?}");
        assert_eq!(
            (list[0]["type"].as_str(), list[0]["priority"].as_str()),
            (Some("meta_silent"), Some("critical"))
        );
        let text = list[0]["body"].as_str().unwrap();
        assert!(text.contains(spanish) && text.contains("Página simulada") && !text.contains('{'), "{text}");
        // Looking again says nothing new, and neither does somebody who has read it.
        meta.run("meta_reconciliation").await;
        let ceo = meta.app.token(Person::Ceo).await;
        let path = format!("/notifications/{}/read", list[0]["id"]);
        assert!(meta.app.post_as(&ceo, &path).await.status.is_success());
        assert_eq!(told(&meta).await.len(), 1, "{mode:?}");
        meta.app.sql("UPDATE users SET locale = 'en' WHERE email = 'ceo@example.com'").await;
        let text = told(&meta).await[0]["body"].as_str().unwrap().to_owned();
        assert!(text.contains(english), "{text}");
        // Mended and broken again is another episode.
        meta.simulator.behave(Mode::Well);
        meta.run("meta_reconciliation").await;
        if mode == Mode::TokenExpired {
            meta.simulator.behave(mode);
            meta.run("meta_reconciliation").await;
            assert_eq!(told(&meta).await.len(), 2);
        }
        let others = "SELECT count(*) FROM notifications n JOIN users u ON u.tenant_id = n.tenant_id AND u.id = n.recipient_id
                      WHERE n.type = 'meta_silent' AND u.role <> 'ceo'";
        assert_eq!(meta.count(others).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_that_come_only_by_reconciliation_say_that_the_webhook_fails() {
    let meta = MetaApp::working(22).await;
    meta.run("meta_reconciliation").await;
    meta.app.sql("UPDATE meta_pages SET created_at = now() - interval '2 days'").await;
    meta.simulator.send_forms(5);
    meta.run("meta_reconciliation").await;
    eventually("they are stored", async || meta.count("SELECT count(*) FROM lead_submissions").await == 5)
        .await;
    assert!(told(&meta).await.is_empty(), "a webhook may be late");
    meta.app.sql("UPDATE meta_lead_inbox SET received_at = now() - interval '20 minutes'").await;
    let list = told(&meta).await;
    assert_eq!(list.len(), 1);
    let text = list[0]["body"].as_str().unwrap();
    assert!(text.contains("5 leads") && text.contains("secreto del webhook"), "{text}");
    // A webhook comes again: nothing is wrong any more.
    let leads = meta.simulator.send_forms(1);
    meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    assert_eq!(told(&meta).await.len(), 1);
}

#[tokio::test]
async fn a_silence_that_these_hours_do_not_explain_is_told() {
    let meta = MetaApp::working(23).await;
    meta.run("meta_reconciliation").await;
    // Two leads an hour around the clock for a month, and then none for the last eight hours.
    meta.app
        .sql(
            "INSERT INTO leads (tenant_id, id, first_name) VALUES (1, '01900000-0000-7000-8000-00000000aa01', 'Ana');
             INSERT INTO lead_submissions (tenant_id, lead_id, leadgen_id, page_id, raw, submitted_at)
             SELECT 1, '01900000-0000-7000-8000-00000000aa01', n::text, '100000000000001', '{}',
                    now() - interval '8 hours' - n * interval '30 minutes'
             FROM generate_series(0, 28 * 48) n;
             UPDATE meta_pages SET created_at = now() - interval '60 days', last_lead_at = now() - interval '8 hours'",
        )
        .await;
    let list = told(&meta).await;
    assert_eq!(list.len(), 1);
    let text = list[0]["body"].as_str().unwrap();
    assert!(text.contains("hace 8 h") && text.contains("revise la campaña"), "{text}");
    assert_eq!(told(&meta).await.len(), 1);
    meta.app
        .sql("UPDATE meta_pages SET last_lead_at = now() - interval '3 hours'; DELETE FROM notifications")
        .await;
    assert!(told(&meta).await.is_empty(), "three hours happen");
}
