//! Row-level security seen from crm_app: nothing without a tenant, never another tenant's row, and no
//! way to write one. Every table with a tenant is found in the catalog, so a new one cannot be forgotten.
//!
//! Length: one wall, seen from every side.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::database::{run, with_database};
use crate::rows;

/// Tables with a tenant_id, and what crm_app may do with them.
async fn tenant_tables(db: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' \
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )
    .fetch_all(db)
    .await
    .unwrap()
}

async fn count(db: &mut PgConnection, table: &str, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(db).await.unwrap()
}

async fn enter(db: &mut PgConnection, tenant: &str) {
    sqlx::query("SELECT set_config('app.tenant_id', $1, false)").bind(tenant).execute(db).await.unwrap();
}

async fn may(db: &mut PgConnection, table: &str, privilege: &str) -> bool {
    sqlx::query_scalar("SELECT has_table_privilege('crm_app', $1, $2)")
        .bind(table)
        .bind(privilege)
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_table_with_a_tenant_is_under_forced_security() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let open: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace \
             AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        // These hold nothing of any tenant.
        let free = ["job_state", "lead_status_transitions", "lead_statuses", "scheduled_run", "scheduler_state"];
        assert_eq!(open, free);
        assert!(tenant_tables(&mut db).await.len() >= 21);
    })
    .await;
}

#[tokio::test]
async fn tenant_comes_first_in_every_index_but_the_named_ones() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let others: Vec<String> = sqlx::query_scalar(
            "SELECT i.indexrelid::regclass::text FROM pg_index i \
             JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attname = 'tenant_id' \
             WHERE i.indkey[0] <> t.attnum AND i.indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
             ORDER BY 1",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        // Looked up before a tenant is known, or by readers of all tenants.
        let named = [
            "meta_lead_inbox_leadgen_key", "meta_lead_inbox_open_idx", "meta_lead_inbox_pkey", "meta_pages_page_key",
            "outbox_created_idx", "outbox_pkey", "outbox_xact_id_idx", "refresh_tokens_token_hash_key", "users_email_key",
        ];
        assert_eq!(others, named);
    })
    .await;
}

#[tokio::test]
async fn foreign_keys_between_tenant_tables_carry_the_tenant_and_have_an_index() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let keys: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT k.conname::text, pg_get_constraintdef(k.oid), EXISTS ( \
               SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) \
             FROM pg_constraint k JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attname = 'tenant_id' \
             WHERE k.contype = 'f'",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        assert!(keys.len() > 25);
        for (name, definition, _) in &keys {
            assert!(definition.starts_with("FOREIGN KEY (tenant_id, "), "{name}: {definition}");
        }
        // People are never deleted, so keys to them that nothing reads by need no index.
        let bare: Vec<_> = keys.iter().filter(|(_, definition, indexed)| !indexed && !definition.contains("REFERENCES users")).collect();
        assert_eq!(bare, Vec::<&(String, String, bool)>::new());
    })
    .await;
}

#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        for table in tenant_tables(&mut db).await.iter().chain(&["tenants".to_owned()]) {
            assert!(count(&mut db, table, "true").await >= 2, "`{table}` has no rows to hide");
            enter(&mut app, "").await;
            assert_eq!(count(&mut app, table, "true").await, 0, "{table}, empty setting");
            run(&mut app, "RESET app.tenant_id").await.unwrap();
            assert_eq!(count(&mut app, table, "true").await, 0, "{table}, unset");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_sees_all_of_its_rows_and_no_other() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        for table in tenant_tables(&mut db).await {
            for tenant in ["1", "2"] {
                enter(&mut app, tenant).await;
                let own = count(&mut db, &table, &format!("tenant_id = {tenant}")).await;
                assert_eq!(count(&mut app, &table, "true").await, own, "{table}");
                assert_eq!(count(&mut app, &table, &format!("tenant_id <> {tenant}")).await, 0, "{table}");
            }
        }
        enter(&mut app, "1").await;
        assert_eq!(count(&mut app, "tenants", "id <> 1").await, 0);
        assert_eq!(count(&mut app, "tenants", "true").await, 1);
    })
    .await;
}

#[tokio::test]
async fn setting_that_is_no_number_is_an_error_not_a_leak() {
    with_database(async |database| {
        let mut app = database.connect("crm_app").await;
        enter(&mut app, "1 OR true").await;
        let error = run(&mut app, "SELECT * FROM leads").await;
        let code = error.unwrap_err().as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "22P02");
    })
    .await;
}

/// A row of tenant 2, written by crm_app while it works for tenant 1.
#[tokio::test]
async fn rows_of_another_tenant_cannot_be_written() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        enter(&mut app, "1").await;
        let mut tried = 0;
        for table in tenant_tables(&mut db).await {
            if may(&mut db, &table, "INSERT").await {
                tried += 1;
                assert_refused(&insert_foreign(&mut db, &mut app, &table).await, &table);
            }
            if may(&mut db, &table, "UPDATE").await {
                let moved = run(&mut app, &format!("UPDATE {table} SET tenant_id = 2")).await;
                assert_refused(&moved, &table);
                let foreign = sqlx::raw_sql(AssertSqlSafe(format!(
                    "UPDATE {table} SET tenant_id = 2 WHERE tenant_id = 2"
                )));
                assert_eq!(foreign.execute(&mut app).await.unwrap().rows_affected(), 0, "{table}");
            }
            if may(&mut db, &table, "DELETE").await {
                let deleted =
                    sqlx::raw_sql(AssertSqlSafe(format!("DELETE FROM {table} WHERE tenant_id = 2")));
                assert_eq!(deleted.execute(&mut app).await.unwrap().rows_affected(), 0, "{table}");
            }
        }
        assert!(tried >= 15, "only {tried} tables tried");
    })
    .await;
}

async fn insert_foreign(
    db: &mut PgConnection,
    app: &mut PgConnection,
    table: &str,
) -> Result<(), sqlx::Error> {
    let row: Value = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = 2 LIMIT 1"
    )))
    .fetch_one(&mut *db)
    .await
    .unwrap();
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute \
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
    )
    .bind(table)
    .fetch_one(&mut *db)
    .await
    .unwrap();
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(row).execute(app).await.map(drop)
}

fn assert_refused(result: &Result<(), sqlx::Error>, table: &str) {
    let error = result.as_ref().expect_err(&format!("`{table}` took a row of another tenant"));
    let error = error.as_database_error().unwrap();
    assert!(
        error.code().as_deref() == Some("42501") && error.message().contains("row-level security"),
        "{table}: {error}"
    );
}

#[tokio::test]
async fn other_tenants_ids_cannot_be_referenced() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        let stranger: uuid::Uuid =
            sqlx::query_scalar("SELECT id FROM users WHERE tenant_id = 2").fetch_one(&mut db).await.unwrap();
        enter(&mut app, "1").await;
        let error = sqlx::query("UPDATE leads SET assigned_seller_id = $1")
            .bind(stranger)
            .execute(&mut app)
            .await
            .unwrap_err();
        assert_eq!(error.as_database_error().unwrap().constraint(), Some("leads_assigned_seller_fkey"));
    })
    .await;
}

#[tokio::test]
async fn gate_functions_look_across_tenants_and_nothing_else_does() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        let (tenant, role): (i32, String) =
            sqlx::query_as("SELECT tenant_id, role FROM crm_login_lookup(' Closer2@Example.com ')")
                .fetch_one(&mut app)
                .await
                .unwrap();
        assert_eq!((tenant, role.as_str()), (2, "closer"));
        let hash: Vec<u8> = sqlx::query_scalar("SELECT token_hash FROM refresh_tokens WHERE tenant_id = 2")
            .fetch_one(&mut db)
            .await
            .unwrap();
        let tenant: i32 = sqlx::query_scalar("SELECT tenant_id FROM crm_refresh_lookup($1)")
            .bind(hash)
            .fetch_one(&mut app)
            .await
            .unwrap();
        assert_eq!(tenant, 2);
        let tenants: Vec<i32> =
            sqlx::query_scalar("SELECT id FROM crm_tenant_list()").fetch_all(&mut app).await.unwrap();
        assert_eq!(tenants, [1, 2]);
        for refused in [
            "SET ROLE crm_gate",
            "SET ROLE crm_migrator",
            "ALTER TABLE leads DISABLE ROW LEVEL SECURITY",
            "CREATE TABLE t ()",
            "DELETE FROM audit_log",
            "SET row_security = off; SELECT * FROM leads",
        ] {
            let error = run(&mut app, refused).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
            run(&mut app, "RESET ALL").await.unwrap();
        }
    })
    .await;
}

/// Ids are given before commit: a slow transaction's row has a low id and shows up late.
#[tokio::test]
async fn outbox_reader_skips_no_slow_transaction() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, "INSERT INTO tenants (id, name) VALUES (1, 'Uno')").await.unwrap();
        let (mut slow, mut fast, mut reader) = (
            database.connect("crm_app").await,
            database.connect("crm_app").await,
            database.connect("crm_app").await,
        );
        for writer in [&mut slow, &mut fast] {
            enter(writer, "1").await;
        }
        let start: i64 =
            sqlx::query_scalar("SELECT crm_outbox_position()").fetch_one(&mut reader).await.unwrap();
        let mut late = slow.begin().await.unwrap();
        run(&mut late, "INSERT INTO outbox (tenant_id, event) VALUES (1, 'slow')").await.unwrap();
        run(&mut fast, "INSERT INTO outbox (tenant_id, event) VALUES (1, 'fast')").await.unwrap();
        assert_eq!(read(&mut reader, start, 0).await, []);
        late.commit().await.unwrap();
        // Writers of other databases on this server hold the horizon back too, for as long as they run.
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut both = vec![];
        while both.len() < 2 && Instant::now() < deadline {
            both = read(&mut reader, start, 0).await;
            tokio::task::yield_now().await;
        }
        let events: Vec<_> = both.iter().map(|(_, _, event)| event.as_str()).collect();
        assert_eq!(events, ["slow", "fast"]);
        let (xact, id, _) = both.last().unwrap();
        assert_eq!(read(&mut reader, *xact, *id).await, []);
    })
    .await;
}

async fn read(db: &mut PgConnection, xact: i64, id: i64) -> Vec<(i64, i64, String)> {
    sqlx::query_as("SELECT xact, id, event FROM crm_outbox_read($1, $2, 100)")
        .bind(xact)
        .bind(id)
        .fetch_all(db)
        .await
        .unwrap()
}

/// The policy's expression must be an index condition, not a filter over everybody's rows.
#[tokio::test]
async fn security_uses_the_index_on_the_tenant() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        run(&mut db, "INSERT INTO leads (tenant_id, created_at, lead_source) SELECT 1 + n % 2, now() - n * interval '1 minute', 'META_ADS' FROM generate_series(1, 20000) n; ANALYZE leads").await.unwrap();
        let mut app = database.connect("crm_app").await;
        enter(&mut app, "1").await;
        for (sql, index) in [
            ("SELECT count(*) FROM leads WHERE status = 'won'", "leads_tenant_status_idx"),
            ("SELECT id FROM leads WHERE lead_source = 'META_ADS' AND NOT is_test AND merged_into IS NULL ORDER BY created_at DESC, id DESC LIMIT 50", "leads_tenant_meta_list_idx"),
            ("SELECT count(*) FROM leads WHERE lead_source = 'META_ADS' AND NOT is_test AND merged_into IS NULL \
              AND created_at >= (SELECT date_trunc('day', now() AT TIME ZONE time_zone) AT TIME ZONE time_zone FROM tenants)", "leads_tenant_meta_list_idx"),
        ] {
            let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {sql}"))).fetch_all(&mut app).await.unwrap();
            let plan = plan.join("\n");
            let by_tenant = plan.contains("Index Cond: ((tenant_id =") || plan.contains("Index Cond: (tenant_id =");
            // Zone arithmetic is not leakproof: only its finished value becomes an index condition.
            let by_time = !sql.contains("created_at >=") || plan.contains("(created_at >= $");
            assert!(plan.contains(index) && by_tenant && by_time, "{plan}");
        }
    })
    .await;
}
