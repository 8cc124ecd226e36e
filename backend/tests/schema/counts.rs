//! Kept counts of leads equal a recount, whatever happens to leads, by whom and at the same time.

use sqlx::{AssertSqlSafe, Connection};

use crate::database::{run, verify, with_database};
use crate::rows;

#[tokio::test]
async fn counts_follow_every_kind_of_change() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        for change in [
            "INSERT INTO leads (tenant_id, lead_source, status) SELECT 1 + n % 2, 'META_ADS', 'qualified' FROM generate_series(1, 50) n",
            "UPDATE leads SET status = 'won' WHERE status = 'qualified' AND tenant_id = 1",
            "UPDATE leads SET is_test = true WHERE id IN (SELECT id FROM leads WHERE tenant_id = 2 LIMIT 5)",
            "UPDATE leads SET is_test = false",
            "UPDATE leads SET assigned_seller_id = (SELECT u.id FROM users u WHERE u.tenant_id = leads.tenant_id) WHERE status = 'won'",
            "UPDATE leads a SET merged_into = (SELECT id FROM leads b WHERE b.tenant_id = a.tenant_id AND b.status = 'new' LIMIT 1) WHERE status = 'won'",
            "UPDATE leads SET lead_source = 'REFERRAL', first_name = 'x'",
            "DELETE FROM leads WHERE merged_into IS NOT NULL AND NOT EXISTS (SELECT FROM conversations c WHERE c.lead_id = leads.id)",
            "INSERT INTO leads (tenant_id, id, phone) VALUES (1, '018f3f3e-0000-7000-8000-000000000001', '+5491112345678') ON CONFLICT DO NOTHING",
            "INSERT INTO leads (tenant_id, id, phone) VALUES (1, '018f3f3e-0000-7000-8000-000000000001', '+5491112345678') ON CONFLICT (tenant_id, id) DO UPDATE SET status = 'lost'",
        ] {
            run(&mut db, change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
            verify(&mut db, 18).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        }
        run(&mut db, "TRUNCATE leads CASCADE").await.unwrap();
        verify(&mut db, 18).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn rolled_back_change_is_not_counted() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut transaction = db.begin().await.unwrap();
        run(&mut transaction, "UPDATE leads SET status = 'won'").await.unwrap();
        transaction.rollback().await.unwrap();
        verify(&mut db, 18).await.unwrap();
        let won: Option<i64> =
            sqlx::query_scalar("SELECT sum(leads)::bigint FROM lead_counts WHERE status = 'won'")
                .fetch_one(&mut db)
                .await
                .unwrap();
        assert_eq!(won.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn many_writers_lose_no_count() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let writers = (0..8).map(async |writer| {
            let mut app = database.connect("crm_app").await;
            run(&mut app, "SET app.tenant_id = '1'").await.unwrap();
            for number in 0..25 {
                let sql = format!(
                    "INSERT INTO leads (tenant_id, first_name) VALUES (1, 'w{writer}-{number}'); \
                     UPDATE leads SET status = 'contacted' WHERE first_name = 'w{writer}-{number}'"
                );
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app).await.unwrap();
            }
        });
        futures_util::future::join_all(writers).await;
        verify(&mut db, 18).await.unwrap();
        let contacted: i64 = sqlx::query_scalar(
            "SELECT sum(leads)::bigint FROM lead_counts WHERE tenant_id = 1 AND status = 'contacted'",
        )
        .fetch_one(&mut db)
        .await
        .unwrap();
        assert_eq!(contacted, 200);
    })
    .await;
}

#[tokio::test]
async fn server_reads_counts_of_its_tenant_and_writes_none() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let mut app = database.connect("crm_app").await;
        run(&mut app, "SET app.tenant_id = '1'").await.unwrap();
        let own: i64 = sqlx::query_scalar("SELECT sum(leads)::bigint FROM lead_counts")
            .fetch_one(&mut app)
            .await
            .unwrap();
        assert_eq!(own, 2);
        for refused in [
            "UPDATE lead_counts SET leads = 0",
            "DELETE FROM lead_counts",
            "INSERT INTO lead_counts VALUES (1, 'A', 'b', true, 0, 1)",
        ] {
            assert!(run(&mut app, refused).await.is_err(), "{refused}");
        }
    })
    .await;
}
