//! The seed on a migrated database: twice is once, weak passwords stay local, figures hold together.

use crm_backend::password;
use crm_backend::seed::{SeedError, SeedOptions, seed};
use sqlx::{AssertSqlSafe, PgPool};

use crate::database::{revert, run, verify, with_database};
use crate::rows::{self, noon, options};

async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(pool).await.unwrap()
}

/// All rows of the tables the seed fills, as one hash.
async fn contents(pool: &PgPool) -> Vec<String> {
    let mut all = vec![];
    for table in [
        "tenants",
        "users",
        "leads",
        "lead_submissions",
        "conversations",
        "messages",
        "owner_history",
        "assignment_log",
        "lead_status_history",
        "notifications",
        "meta_pages",
    ] {
        // What the hashing salts and what the clock of the server writes are no part of the story.
        let drop = "- 'password_hash' - 'id' - 'password_changed_at'";
        let clock = if matches!(table, "tenants" | "users" | "meta_pages" | "lead_submissions") {
            "- 'created_at' - 'updated_at'"
        } else {
            ""
        };
        let sql = format!(
            "SELECT '{table} ' || md5(string_agg((to_jsonb(t) {drop} {clock})::text, E'\\n' ORDER BY (to_jsonb(t) {drop} {clock})::text)) FROM {table} t"
        );
        all.push(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap());
    }
    all
}

#[tokio::test]
async fn second_run_changes_nothing_and_says_so() {
    with_database(async |database| {
        let (pool, first) = rows::seeded(database).await;
        assert!(first.changed && first.accounts_created >= 10 && first.tenants.len() == 2, "{first:?}");
        let before = contents(&pool).await;
        let second = seed(&pool, options()).await.unwrap();
        assert!(
            !second.changed
                && second.accounts_created == 0
                && second.passwords_set == 0
                && second.tenants.is_empty(),
            "{second:?}"
        );
        assert_eq!(contents(&pool).await, before);
    })
    .await;
}

#[tokio::test]
async fn same_moment_tells_the_same_story() {
    let mut stories = vec![];
    for _ in 0..2 {
        with_database(async |database| {
            let (pool, _) = rows::seeded(database).await;
            stories.push(contents(&pool).await);
        })
        .await;
    }
    assert_eq!(stories[0], stories[1]);
}

#[tokio::test]
async fn fixed_accounts_log_in_with_the_given_password() {
    with_database(async |database| {
        let (pool, _) = rows::seeded(database).await;
        for (email, tenant, role) in [
            ("test@staging.com", 1, "ceo"),
            ("vendedor@staging.com", 1, "closer"),
            ("otro@staging.com", 1, "setter"),
            ("ceo2@staging.com", 2, "ceo"),
        ] {
            let (tenant_id, found, status, phc): (i32, String, String, String) =
                sqlx::query_as("SELECT tenant_id, role, status, password_hash FROM crm_login_lookup($1)")
                    .bind(email)
                    .fetch_one(&pool)
                    .await
                    .unwrap();
            assert_eq!((tenant_id, found.as_str(), status.as_str()), (tenant, role, "active"), "{email}");
            assert!(password::verify("test123", &phc), "{email}");
        }
    })
    .await;
}

#[tokio::test]
async fn weak_password_is_refused_outside_local_and_nothing_is_written() {
    with_database(async |database| {
        let pool = database.pool("crm_migrator").await;
        for weak in ["test123", "password123", ""] {
            let error = seed(&pool, SeedOptions::new(weak.into())).await.unwrap_err();
            assert!(matches!(error, SeedError::WeakPassword(_)) && error.hint().is_some(), "{weak}: {error}");
        }
        assert_eq!(number(&pool, "SELECT count(*) FROM tenants").await, 0);
    })
    .await;
}

#[tokio::test]
async fn new_password_replaces_the_old_one_and_ends_its_tokens() {
    with_database(async |database| {
        let (pool, first) = rows::seeded(database).await;
        let again =
            seed(&pool, SeedOptions { now: Some(noon()), ..SeedOptions::new("otra clave más larga".into()) })
                .await
                .unwrap();
        assert!(again.changed && again.tenants.is_empty());
        assert_eq!(again.passwords_set, first.accounts_created);
        let (phc, version): (String, i32) =
            sqlx::query_as("SELECT password_hash, token_version FROM crm_login_lookup('test@staging.com')")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert!(password::verify("otra clave más larga", &phc) && version == 1);
    })
    .await;
}

#[tokio::test]
async fn foreign_tenant_and_plain_role_are_refused() {
    with_database(async |database| {
        let app = database.pool("crm_app").await;
        assert!(
            matches!(seed(&app, options()).await, Err(SeedError::WrongRole { role }) if role == "crm_app")
        );
        let pool = database.pool("crm_migrator").await;
        sqlx::query("INSERT INTO tenants (id, name) VALUES (2, 'Empresa real')")
            .execute(&pool)
            .await
            .unwrap();
        let error = seed(&pool, options()).await.unwrap_err();
        assert!(
            matches!(&error, SeedError::ForeignTenant { id: 2, name } if name == "Empresa real"),
            "{error}"
        );
        assert_eq!(number(&pool, "SELECT count(*) FROM users").await, 0);
    })
    .await;
}

#[tokio::test]
async fn two_seeds_at_once_are_one() {
    with_database(async |database| {
        let pool = database.pool("crm_migrator").await;
        let (one, two) = tokio::join!(seed(&pool, options()), seed(&pool, options()));
        assert_ne!(one.unwrap().changed, two.unwrap().changed);
    })
    .await;
}

#[tokio::test]
async fn seed_works_while_016_is_reverted() {
    with_database(async |database| {
        let mut db = database.connect("crm_migrator").await;
        revert(&mut db, 16).await;
        let (_, report) = rows::seeded(database).await;
        assert!(
            report.tenants.iter().all(|tenant| tenant.written.leads > 0 && tenant.written.notifications == 0)
        );
    })
    .await;
}

/// What the conversations say about who waits is what their messages say, and so on through the tables.
#[tokio::test]
async fn figures_of_the_story_hold_together() {
    with_database(async |database| {
        let (pool, report) = rows::seeded(database).await;
        let written = &report.tenants[0].written;
        assert!(written.leads == 120 && (450..1_400).contains(&written.messages), "{written:?}");
        let contradictions = [
            ("waiting", "SELECT count(*) FROM conversations c WHERE c.waiting_since IS DISTINCT FROM (
               SELECT min(m.created_at) FROM messages m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND m.direction = 'inbound'
               AND m.created_at > coalesce((SELECT max(r.created_at) FROM messages r WHERE r.tenant_id = c.tenant_id AND r.conversation_id = c.id
                 AND r.author = 'user' AND r.delivery <> 'failed'), '-infinity'))"),
            ("last message", "SELECT count(*) FROM conversations c WHERE c.last_message_at IS DISTINCT FROM (
               SELECT max(m.created_at) FROM messages m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id)"),
            ("status", "SELECT count(*) FROM leads l WHERE (l.status, l.status_changed_at) IS DISTINCT FROM (
               SELECT (h.to_status, h.changed_at) FROM lead_status_history h WHERE h.tenant_id = l.tenant_id AND h.lead_id = l.id ORDER BY h.id DESC LIMIT 1)"),
            ("owner", "SELECT count(*) FROM leads l WHERE l.assigned_seller_id IS DISTINCT FROM (
               SELECT a.to_seller_id FROM assignment_log a WHERE a.tenant_id = l.tenant_id AND a.lead_id = l.id ORDER BY a.id DESC LIMIT 1)"),
            ("transition", "SELECT count(*) FROM lead_status_history h WHERE from_status IS NOT NULL
               AND NOT EXISTS (SELECT FROM lead_status_transitions t WHERE (t.from_status, t.to_status) = (h.from_status, h.to_status))"),
            ("future", "SELECT (SELECT count(*) FROM leads WHERE created_at > '2026-11-24T15:00:00Z') + (SELECT count(*) FROM messages WHERE created_at > '2026-11-24T15:00:00Z')"),
        ];
        for (what, sql) in contradictions {
            assert_eq!(number(&pool, sql).await, 0, "{what}");
        }
        let promised = [
            ("statuses", "SELECT count(DISTINCT status) - 7 FROM leads WHERE tenant_id = 1"),
            ("waiting", "SELECT count(*) FROM conversations WHERE tenant_id = 1 AND waiting_since IS NOT NULL AND assigned_seller_id IS NOT NULL"),
            ("unassigned", "SELECT count(*) FROM conversations WHERE tenant_id = 1 AND assigned_seller_id IS NULL"),
            ("assigned today", "SELECT count(*) FROM assignment_log WHERE tenant_id = 1 AND created_at >= '2026-11-24T03:00:00Z'"),
            ("leads today", "SELECT count(*) FROM leads WHERE tenant_id = 1 AND created_at >= '2026-11-24T03:00:00Z'"),
            ("tests", "SELECT count(*) FROM leads WHERE is_test"),
            ("merged", "SELECT count(*) FROM leads WHERE merged_into IS NOT NULL"),
            ("priorities", "SELECT count(DISTINCT priority) - 3 FROM notifications WHERE tenant_id = 1"),
            ("kinds", "SELECT count(DISTINCT type) - 4 FROM notifications WHERE tenant_id = 1"),
            ("read", "SELECT count(*) FROM notifications WHERE tenant_id = 1 AND read_at IS NOT NULL"),
            ("unread", "SELECT count(*) FROM notifications n JOIN users u ON (u.tenant_id, u.id) = (n.tenant_id, n.recipient_id) WHERE u.email = 'test@staging.com' AND n.read_at IS NULL"),
            ("tenant 2", "SELECT count(*) - 39 FROM leads WHERE tenant_id = 2"),
        ];
        for (what, sql) in promised {
            assert!(number(&pool, sql).await > 0, "{what}");
        }
        let mut db = database.connect("crm_migrator").await;
        run(&mut db, "SELECT 1").await.unwrap();
        verify(&mut db, 18).await.unwrap();
    })
    .await;
}

/// Identity columns were not moved by explicit ids: a tenant made by hand gets the next one.
#[tokio::test]
async fn next_tenant_gets_a_free_id() {
    with_database(async |database| {
        let (pool, _) = rows::seeded(database).await;
        assert_eq!(
            number(&pool, "INSERT INTO tenants (name) VALUES ('Tercero') RETURNING id::bigint").await,
            3
        );
    })
    .await;
}

/// Keys, indexes and what is said about them, of the tables that many rows go to.
async fn dress(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                          obj_description(c.oid, 'pg_constraint'))
         FROM pg_constraint c WHERE c.conrelid::regclass::text IN ('messages', 'lead_status_history', 'lead_submissions')
         UNION ALL
         SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, obj_description(i.indexrelid, 'pg_class'))
         FROM pg_index i WHERE i.indrelid::regclass::text IN ('messages', 'lead_status_history', 'lead_submissions')
         ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Many messages are loaded into bare tables; afterwards everything is there again as it was.
#[tokio::test]
async fn a_large_seed_leaves_keys_and_indexes_as_they_were() {
    with_database(async |database| {
    let pool = database.pool("crm_migrator").await;
    let before = dress(&pool).await;
    let report = seed(&pool, SeedOptions { leads: 1_500, messages: 50_000, ..options() }).await.unwrap();
    assert!(report.tenants[0].written.messages > 30_000, "{report:?}");
    assert_eq!(dress(&pool).await, before);
    assert!(before.len() > 15, "{before:#?}");
    let wrong = sqlx::query(
        "INSERT INTO messages (tenant_id, conversation_id, direction, author, body) VALUES (1, gen_random_uuid(), 'inbound', 'lead', 'x')",
    );
    assert!(wrong.execute(&pool).await.is_err(), "keys hold again");
    })
    .await;
}
