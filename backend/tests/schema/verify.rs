//! Verify files must fail when their promise is broken: each policy, each forced security, each index,
//! each grant and each trigger is broken in turn.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::database::{VERSIONS, run, verify, with_database};

/// Breaks one thing at a time, in a transaction that is rolled back; names what no verify file noticed.
async fn unnoticed(db: &mut PgConnection, sabotages: Vec<String>) -> Vec<String> {
    let mut unnoticed = vec![];
    for sabotage in sabotages {
        let mut transaction = db.begin().await.unwrap();
        run(&mut transaction, &sabotage).await.unwrap_or_else(|error| panic!("{sabotage}: {error}"));
        let mut noticed = false;
        for version in VERSIONS {
            noticed = noticed || verify(&mut transaction, version).await.is_err();
        }
        if !noticed {
            unnoticed.push(sabotage);
        }
        transaction.rollback().await.unwrap();
    }
    unnoticed
}

/// Breaks everything that `query` lists as statements.
async fn each_is_noticed(query: &str, at_least: usize) {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let sabotages: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&mut db).await.unwrap();
        assert!(sabotages.len() >= at_least, "only {} things to break", sabotages.len());
        assert_eq!(unnoticed(&mut db, sabotages).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn dropped_policy_is_noticed() {
    each_is_noticed("SELECT format('DROP POLICY %I ON %s', polname, polrelid::regclass) FROM pg_policy", 24)
        .await;
}

#[tokio::test]
async fn opened_policy_is_noticed() {
    let query = "SELECT format('ALTER POLICY %I ON %s USING (true)', polname, polrelid::regclass) \
                 FROM pg_policy WHERE polroles = ARRAY['crm_app'::regrole::oid]";
    each_is_noticed(query, 20).await;
}

#[tokio::test]
async fn switched_off_security_is_noticed() {
    let query = "SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', oid::regclass, how) \
                 FROM pg_class, (VALUES ('DISABLE'), ('NO FORCE')) way(how) WHERE relrowsecurity";
    each_is_noticed(query, 40).await;
}

#[tokio::test]
async fn missing_index_is_noticed() {
    let query = "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index \
                 WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
                 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)";
    each_is_noticed(query, 40).await;
}

#[tokio::test]
async fn missing_key_is_noticed() {
    let query = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) \
                 FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')";
    each_is_noticed(query, 60).await;
}

#[tokio::test]
async fn missing_grant_is_noticed() {
    let query = "SELECT format('REVOKE %s ON %s FROM crm_app', a.privilege_type, c.oid::regclass) \
                 FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 'crm_app'::regrole \
                 UNION ALL SELECT format('REVOKE %s (%I) ON %s FROM crm_app', a.privilege_type, c.attname, c.attrelid::regclass) \
                 FROM pg_attribute c, aclexplode(c.attacl) a WHERE a.grantee = 'crm_app'::regrole";
    each_is_noticed(query, 50).await;
}

#[tokio::test]
async fn missing_table_is_noticed() {
    let query = "SELECT format('DROP TABLE %s CASCADE', oid::regclass) FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    each_is_noticed(query, 25).await;
}

#[tokio::test]
async fn broken_function_or_trigger_is_noticed() {
    let query = "SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal \
                 UNION ALL SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal \
                 UNION ALL SELECT format('ALTER FUNCTION %s RESET ALL', oid::regprocedure) FROM pg_proc WHERE prosecdef \
                 UNION ALL SELECT format('ALTER FUNCTION %s SECURITY INVOKER', oid::regprocedure) FROM pg_proc WHERE prosecdef \
                 UNION ALL SELECT format('ALTER FUNCTION %s OWNER TO crm_migrator', oid::regprocedure) FROM pg_proc WHERE prosecdef \
                 UNION ALL SELECT format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', oid::regprocedure) FROM pg_proc WHERE prosecdef";
    each_is_noticed(query, 30).await;
}

#[tokio::test]
async fn wrong_data_is_noticed() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let sabotages = [
            "DELETE FROM scheduler_state",
            "DELETE FROM lead_status_transitions WHERE to_status = 'lost' AND from_status = 'new'",
            "UPDATE lead_statuses SET position = 99 WHERE code = 'new'",
            "INSERT INTO tenants (id, name) VALUES (1, 'Uno'); INSERT INTO leads (tenant_id) VALUES (1); UPDATE lead_counts SET leads = 2",
            "GRANT INSERT ON lead_counts TO crm_app",
            "GRANT UPDATE ON audit_log TO crm_app",
            "GRANT CREATE ON SCHEMA public TO crm_gate",
            "CREATE TABLE later (tenant_id int, id bigint, FOREIGN KEY (tenant_id, id) REFERENCES notifications (tenant_id, id))",
        ];
        let sabotages = sabotages.map(str::to_owned).to_vec();
        assert_eq!(unnoticed(&mut db, sabotages).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn complaint_names_what_is_broken() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, "DROP POLICY leads_tenant ON leads").await.unwrap();
        let complaint = verify(&mut db, 8).await.unwrap_err();
        assert!(complaint.contains("policy `leads_tenant` is missing"), "{complaint}");
    })
    .await;
}
