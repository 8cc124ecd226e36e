//! Leads that nobody tells of are found, and the three ways of losing them all the same are closed.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use crm_backend::simulator::{Manner, Mode, Options};

use super::{MetaApp, SECRET};
use crate::harness::{Person, eventually};

const STORED: &str = "SELECT count(*) FROM meta_lead_inbox WHERE state = 'assigned'";

async fn watermarks(meta: &MetaApp) -> Vec<DateTime<Utc>> {
    sqlx::query_scalar("SELECT watermark FROM meta_forms ORDER BY form_id")
        .fetch_all(&meta.app.database.migrator)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_that_nobody_told_of_are_found() {
    let meta = MetaApp::working(11).await;
    let leads = meta.simulator.send_forms(60);
    let manner = Manner { dropped_percent: 50, ..Manner::wild() };
    meta.simulator.tell(&meta.webhook, &leads, manner).await;
    meta.run("meta_reconciliation").await;
    meta.all_is_stored().await;
    let alone = meta.count("SELECT count(*) FROM meta_lead_inbox WHERE webhook_at IS NULL").await;
    assert!((10..50).contains(&alone), "{alone} were found by reconciliation alone");
    // Told late, after they were found: no second row, and it is known that the webhook works.
    let told = meta.simulator.tell(&meta.webhook, &leads, Manner::default()).await;
    assert_eq!(told.given_up, 0);
    assert_eq!(meta.count("SELECT count(*) FROM meta_lead_inbox WHERE webhook_at IS NULL").await, 0);
    assert_eq!(meta.count("SELECT count(*) FROM meta_lead_inbox").await, 60);
    // Only now that all is stored the watermarks come up to it.
    meta.app.sql("UPDATE meta_forms SET watermark = now() - interval '30 minutes'").await;
    meta.run("meta_reconciliation").await;
    let newest = meta.simulator.ledger().submissions.iter().map(|form| form.created_time).max();
    assert_eq!(watermarks(&meta).await.into_iter().max(), newest);
}

/// First way: the watermark moves past a lead that could not be stored.
#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_stays_before_a_lead_that_failed() {
    let mut meta = MetaApp::with(Options { forms: 1, ..Options::new(12, SECRET.into()) }).await;
    assert_eq!(meta.connect().await.status, StatusCode::CREATED);
    meta.replica();
    meta.run("meta_reconciliation").await;
    let connected = watermarks(&meta).await[0];
    meta.simulator.send_forms(3);
    meta.simulator.behave(Mode::Well);
    meta.run("meta_reconciliation").await;
    eventually("the leads are stored", async || meta.count(STORED).await == 3).await;
    // One of them had failed, half an hour before the others.
    meta.app
        .sql(
            "UPDATE meta_lead_inbox SET state = 'failed', reason = 'x', submitted_at = now() - interval '30 minutes'
             WHERE id = (SELECT min(id) FROM meta_lead_inbox);
             UPDATE meta_forms SET watermark = now() - interval '45 minutes'",
        )
        .await;
    meta.run("meta_reconciliation").await;
    let failed: DateTime<Utc> =
        sqlx::query_scalar("SELECT submitted_at FROM meta_lead_inbox WHERE state = 'failed'")
            .fetch_one(&meta.app.database.migrator)
            .await
            .unwrap();
    assert_eq!(watermarks(&meta).await[0], failed);
    assert!(failed < connected);
    // Stored after all, it holds nothing up any more.
    let ceo = meta.app.token(Person::Ceo).await;
    let id = meta.count("SELECT id FROM meta_lead_inbox WHERE state = 'failed'").await;
    assert_eq!(
        meta.app.post_as(&ceo, &format!("/crm/meta/intake/{id}/retry")).await.status,
        StatusCode::ACCEPTED
    );
    eventually("it is stored", async || meta.count(STORED).await == 3).await;
    meta.run("meta_reconciliation").await;
    assert!(watermarks(&meta).await[0] > failed);
    meta.compare().await;
}

/// Second way: new leads push others to pages that are never read.
#[tokio::test(flavor = "multi_thread")]
async fn leads_that_come_while_a_list_is_read_hide_no_others() {
    let mut meta = MetaApp::with(Options { forms: 1, ..Options::new(13, SECRET.into()) }).await;
    assert_eq!(meta.connect().await.status, StatusCode::CREATED);
    meta.replica();
    meta.run("meta_reconciliation").await;
    let old = meta.simulator.send_forms(230);
    // The newest are known already: a whole page of them says nothing of what lies behind.
    meta.simulator.tell(&meta.webhook, &old[110..], Manner { beside: 8, ..Manner::default() }).await;
    meta.simulator.grow_while_read(9);
    meta.run("meta_reconciliation").await;
    meta.simulator.grow_while_read(0);
    let known = "SELECT count(*) FROM meta_lead_inbox";
    assert!(meta.count(known).await >= 230, "all that were there when reading began");
    meta.run("meta_reconciliation").await;
    let all = meta.simulator.ledger().submissions.len();
    assert!(all >= 230 + 3 * 9, "each page that was read let new ones in: {all}");
    assert_eq!(meta.count(known).await, all as i64, "and then those that came meanwhile");
    meta.all_is_stored().await;
}

/// Third way: a token that may not read leads looks like a page without leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_hides_its_leads_is_no_page_without_leads() {
    let meta = MetaApp::working(14).await;
    meta.run("meta_reconciliation").await;
    let before = watermarks(&meta).await;
    meta.simulator.behave(Mode::AccessHidden);
    meta.simulator.send_forms(40);
    meta.run("meta_reconciliation").await;
    assert_eq!(watermarks(&meta).await, before);
    let status: (String, Option<String>) = sqlx::query_as("SELECT status, problem FROM meta_pages")
        .fetch_one(&meta.app.database.migrator)
        .await
        .unwrap();
    assert_eq!(status.0, "access_revoked");
    assert!(status.1.unwrap().contains("leads_retrieval"));
    meta.simulator.behave(Mode::Well);
    meta.run("meta_reconciliation").await;
    meta.all_is_stored().await;
    assert_eq!(
        meta.count("SELECT count(*) FROM meta_pages WHERE status = 'active' AND problem IS NULL").await,
        1
    );
}

/// A list that breaks off in the middle was not read: nothing is concluded from its first pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_breaks_off_moves_no_watermark() {
    let meta = MetaApp::working(15).await;
    meta.run("meta_reconciliation").await;
    let before = watermarks(&meta).await;
    meta.simulator.behave(Mode::Away);
    meta.simulator.send_forms(30);
    for mode in [Mode::Away, Mode::Wrong, Mode::Busy, Mode::TokenExpired] {
        meta.simulator.behave(mode);
        meta.run("meta_reconciliation").await;
        assert_eq!(watermarks(&meta).await, before, "{mode:?}");
        let told = "SELECT count(*) FROM meta_pages WHERE problem IS NOT NULL";
        assert_eq!(meta.count(told).await, 1, "{mode:?}");
    }
    meta.simulator.behave(Mode::Well);
    meta.run("meta_reconciliation").await;
    meta.all_is_stored().await;
}
