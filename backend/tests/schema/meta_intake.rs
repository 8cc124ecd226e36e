//! The gate of Meta's leads: what may pass it before a tenant is known, and no more.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::database::{run, with_database};

async fn store(db: &mut PgConnection, leads: &[(&str, &str)]) -> i64 {
    let notices: Vec<Value> = leads
        .iter()
        .map(|(lead, page)| json!({ "leadgen_id": lead, "page_id": page, "form_id": null, "submitted_at": null, "change": {} }))
        .collect();
    sqlx::query_scalar("SELECT crm_meta_store($1)").bind(json!(notices)).fetch_one(db).await.unwrap()
}

async fn claim(db: &mut PgConnection, limit: i32) -> Vec<(i32, String, i32)> {
    sqlx::query_as("SELECT tenant_id, leadgen_id, attempts FROM crm_meta_claim($1, interval '1 hour') ORDER BY leadgen_id")
        .bind(limit)
        .fetch_all(db)
        .await
        .unwrap()
}

async fn enter(db: &mut PgConnection, tenant: &str) {
    sqlx::query("SELECT set_config('app.tenant_id', $1, false)").bind(tenant).execute(db).await.unwrap();
}

async fn count(db: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
}

const PAGES: &str = "INSERT INTO tenants (id, name) VALUES (1, 'Uno'), (2, 'Dos'); \
                     INSERT INTO meta_pages (tenant_id, page_id) VALUES (1, '100'), (2, '200')";

#[tokio::test]
async fn leads_are_stored_for_the_tenant_of_their_page_and_once() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, PAGES).await.unwrap();
        let mut app = database.connect("crm_app").await;
        assert_eq!(store(&mut app, &[("a", "100"), ("b", "200"), ("c", "300"), ("a", "100")]).await, 3);
        assert_eq!(store(&mut app, &[("a", "100"), ("b", "200"), ("c", "300")]).await, 0, "told before");
        assert_eq!(store(&mut app, &[]).await, 0);
        let inbox = "SELECT count(*) FROM meta_lead_inbox";
        assert_eq!(count(&mut app, inbox).await, 0, "no tenant, no rows");
        enter(&mut app, "1").await;
        assert_eq!(count(&mut app, inbox).await, 1);
        assert_eq!(count(&mut db, "SELECT count(*) FROM meta_lead_inbox WHERE tenant_id IS NULL AND reason = 'unknown_page'").await, 1);
        // What reconciliation found first and the webhook tells of later is news once.
        run(&mut app, "INSERT INTO meta_lead_inbox (tenant_id, leadgen_id, page_id, change) VALUES (1, 'd', '100', '{}')").await.unwrap();
        assert_eq!(store(&mut app, &[("d", "100")]).await, 1);
        assert_eq!(store(&mut app, &[("d", "100")]).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lead_is_taken_by_one_and_again_only_after_its_time() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, PAGES).await.unwrap();
        let (mut one, mut two) = (database.connect("crm_app").await, database.connect("crm_app").await);
        store(&mut one, &[("a", "100"), ("b", "200"), ("c", "300"), ("e", "100")]).await;
        // Two at the same moment share what is due and take nothing twice; nobody takes what is nobody's.
        let mut first = one.begin().await.unwrap();
        let taken = claim(&mut first, 2).await;
        let rest = claim(&mut two, 50).await;
        first.commit().await.unwrap();
        let mut all: Vec<_> =
            taken.iter().chain(&rest).map(|(tenant, lead, n)| (*tenant, lead.as_str(), *n)).collect();
        all.sort_unstable();
        assert_eq!((taken.len(), all), (2, vec![(1, "a", 1), (1, "e", 1), (2, "b", 1)]));
        assert!(claim(&mut two, 50).await.is_empty());
        run(&mut db, "UPDATE meta_lead_inbox SET not_before = now() WHERE leadgen_id = 'a'").await.unwrap();
        assert_eq!(claim(&mut two, 50).await, [(1, "a".to_owned(), 2)]);
    })
    .await;
}

#[tokio::test]
async fn a_tenant_adopts_the_leads_of_its_own_pages_only() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, PAGES).await.unwrap();
        let mut app = database.connect("crm_app").await;
        store(&mut app, &[("c", "300"), ("d", "400")]).await;
        run(&mut db, "INSERT INTO meta_pages (tenant_id, page_id) VALUES (1, '300'), (2, '400')")
            .await
            .unwrap();
        for (tenant, page, adopted) in
            [("", "300", 0), ("2", "300", 0), ("1", "400", 0), ("1", "300", 1), ("1", "300", 0)]
        {
            enter(&mut app, tenant).await;
            let given: i64 =
                sqlx::query_scalar("SELECT crm_meta_adopt($1)").bind(page).fetch_one(&mut app).await.unwrap();
            assert_eq!(given, adopted, "tenant {tenant}, page {page}");
        }
        assert_eq!(claim(&mut app, 50).await, [(1, "c".to_owned(), 1)]);
    })
    .await;
}

#[tokio::test]
async fn the_gate_reads_no_token() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, "SET ROLE crm_gate").await.unwrap();
        let error = run(&mut db, "SELECT sealed_token FROM meta_pages").await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"));
    })
    .await;
}
