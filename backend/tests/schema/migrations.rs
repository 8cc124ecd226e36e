//! Every migration goes up, back and up again, and leaves exactly what it found.

use sqlx::Connection;

use crate::database::{
    VERSIONS, apply, file, migrations, read, revert, run, verify, with_database, with_empty_database,
};
use crate::{fingerprint, rows};

#[tokio::test]
async fn each_down_undoes_its_up_exactly() {
    with_empty_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        for version in VERSIONS {
            let before = fingerprint::take(&mut db).await;
            apply(&mut db, version).await;
            let after = fingerprint::take(&mut db).await;
            assert_ne!(before, after, "{version} changes nothing");
            revert(&mut db, version).await;
            fingerprint::assert_same(&format!("{version} down"), &before, &fingerprint::take(&mut db).await);
            apply(&mut db, version).await;
            fingerprint::assert_same(
                &format!("{version} up again"),
                &after,
                &fingerprint::take(&mut db).await,
            );
        }
        for version in VERSIONS {
            verify(&mut db, version).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn everything_can_be_reverted_with_rows_in_every_table() {
    with_empty_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let empty = fingerprint::take(&mut db).await;
        for version in VERSIONS {
            apply(&mut db, version).await;
        }
        rows::fill(&mut db).await;
        for version in VERSIONS.into_iter().rev() {
            revert(&mut db, version).await;
        }
        fingerprint::assert_same("all the way back", &empty, &fingerprint::take(&mut db).await);
    })
    .await;
}

/// The runbook's `--rollback 16`: exactly 016 goes while 018 stays, and it can come back.
#[tokio::test]
async fn notifications_can_be_reverted_under_018_and_applied_again() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        rows::fill(&mut db).await;
        let whole = fingerprint::take(&mut db).await;
        revert(&mut db, 16).await;
        for version in VERSIONS.into_iter().filter(|version| *version != 16) {
            verify(&mut db, version).await.unwrap();
        }
        let without = fingerprint::take(&mut db).await;
        let gone: Vec<_> = whole.iter().filter(|line| !without.contains(line)).collect();
        assert!(gone.iter().all(|line| line.contains("notification")), "{gone:#?}");
        // The rest of the CRM works on: leads change, and their counts follow.
        run(&mut db, "UPDATE leads SET status = 'contacted'").await.unwrap();
        verify(&mut db, 18).await.unwrap();
        apply(&mut db, 16).await;
        fingerprint::assert_same("016 again", &whole, &fingerprint::take(&mut db).await);
        verify(&mut db, 16).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn statuses_arrive_over_leads_that_exist_and_count_them() {
    with_empty_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        for version in VERSIONS.into_iter().filter(|version| *version < 18) {
            apply(&mut db, version).await;
        }
        let leads = "INSERT INTO tenants (id, name) VALUES (1, 'Uno'); \
                     INSERT INTO leads (tenant_id, status, is_test) SELECT 1, 'won', n > 7 FROM generate_series(1, 9) n";
        run(&mut db, leads).await.unwrap();
        apply(&mut db, 18).await;
        let counted: i64 = sqlx::query_scalar("SELECT sum(leads)::bigint FROM lead_counts WHERE status = 'won'")
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(counted, 7);
        verify(&mut db, 18).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unknown_status_is_refused_by_name() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, "INSERT INTO tenants (id, name) VALUES (1, 'Uno')").await.unwrap();
        let error =
            run(&mut db, "INSERT INTO leads (tenant_id, status) VALUES (1, 'frozen')").await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().constraint(), Some("leads_status_fkey"));
    })
    .await;
}

#[tokio::test]
async fn roles_can_be_provisioned_again_and_by_many_at_once() {
    with_empty_database(async |database| {
        let mut superusers = vec![];
        for _ in 0..6 {
            superusers.push(database.connect("postgres").await);
        }
        let roles = read("provision/roles.sql");
        let mut before = database.connect("crm_migrator").await;
        let schema = fingerprint::take(&mut before).await;
        // One database's own grants are not made at once by two deployments: its lease sees to that.
        for superuser in &mut superusers {
            run(superuser, &roles).await.unwrap();
        }
        let only_roles = roles.split("DO $$").nth(1).map(|block| format!("DO $${block}")).unwrap();
        let all = superusers.iter_mut().map(|superuser| run(superuser, &only_roles));
        for result in futures_util::future::join_all(all).await {
            result.unwrap();
        }
        fingerprint::assert_same("roles again", &schema, &fingerprint::take(&mut before).await);
    })
    .await;
}

#[test]
fn each_migration_has_its_three_files_and_a_stage() {
    let mut ups = 0;
    for entry in std::fs::read_dir(migrations()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        ups += usize::from(name.ends_with(".up.sql"));
    }
    assert_eq!(ups, VERSIONS.len(), "a migration is missing from VERSIONS");
    for version in VERSIONS {
        assert!(file(version, "up").starts_with("-- crmctl:stage expand\n"), "{version}");
        assert!(file(version, "down").starts_with("-- "), "{version}");
        assert!(file(version, "verify").contains("RAISE EXCEPTION"), "{version}");
        for kind in ["up", "down", "verify"] {
            let text = file(version, kind);
            let own = text.lines().any(|line| {
                matches!(line.trim().to_uppercase().as_str(), "BEGIN;" | "COMMIT;" | "ROLLBACK;")
            });
            assert!(!own && !text.contains('\r'), "{version} {kind}");
        }
    }
}

/// `uuid_v7` is what ids of rows made by SQL come from.
#[tokio::test]
async fn uuid_v7_carries_version_variant_and_time() {
    with_database(async |database| {
        let mut db = database.connect("crm_app").await;
        let before = chrono::Utc::now().timestamp_millis() - 60_000;
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT uuid_v7() FROM generate_series(1, 500)")
            .fetch_all(&mut db)
            .await
            .unwrap();
        for id in &ids {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            let millis = i64::try_from(seconds).unwrap() * 1_000 + i64::from(nanos) / 1_000_000;
            assert!(millis > before && millis < before + 120_000, "{id}");
        }
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        db.close().await.unwrap();
    })
    .await;
}

/// The runner's table is there before the first migration, and goes back to how it was.
#[tokio::test]
async fn server_may_read_what_is_applied_and_not_write_it() {
    with_empty_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        let table = "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY); INSERT INTO _sqlx_migrations VALUES (1)";
        run(&mut db, table).await.unwrap();
        apply(&mut db, 1).await;
        verify(&mut db, 1).await.unwrap();
        let mut app = database.connect("crm_app").await;
        run(&mut app, "SELECT version FROM _sqlx_migrations").await.unwrap();
        assert!(run(&mut app, "DELETE FROM _sqlx_migrations").await.is_err());
        run(&mut db, "REVOKE SELECT ON _sqlx_migrations FROM crm_app").await.unwrap();
        assert!(verify(&mut db, 1).await.unwrap_err().contains("`_sqlx_migrations`"));
        revert(&mut db, 1).await;
        assert!(run(&mut app, "SELECT version FROM _sqlx_migrations").await.is_err());
    })
    .await;
}
