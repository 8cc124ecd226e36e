//! What the ledger makes of a server: its database and tables, once, and nothing where it has no business.

use super::*;

async fn exists(shared: &Shared) -> bool {
    let mut session = shared.options.clone().database("postgres").connect().await.unwrap();
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(shared.options.get_database())
        .fetch_one(&mut session)
        .await
        .unwrap()
}

#[tokio::test]
async fn reading_makes_no_database_and_the_first_lease_does() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    assert_eq!(ledger.holder().await.unwrap(), None);
    assert_eq!(ledger.records().await.unwrap(), Vec::new());
    assert!(!exists(&shared).await, "a look made it");
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.append(&lease, draft("one")).await.unwrap();
    assert_eq!(words(&shared.ledger()).await, ["one"]);
}

#[tokio::test]
async fn environments_of_one_server_know_nothing_of_each_other() {
    let shared = Shared::new();
    let (staging, production) = (shared.ledger(), PgLedger::new(&shared.dsn(), "production").unwrap());
    let lease = staging.acquire(&claim("run-1")).await.unwrap();
    staging.append(&lease, draft("staging")).await.unwrap();
    assert_eq!(production.holder().await.unwrap(), None);
    let other = production.acquire(&claim("run-2")).await.unwrap();
    production.append(&other, draft("production")).await.unwrap();
    assert_eq!((lease.token, other.token), (1, 1));
    assert_eq!(
        (words(&staging).await, words(&production).await),
        (vec!["staging".to_owned()], vec!["production".to_owned()])
    );
}

#[tokio::test]
async fn tables_of_a_newer_crmctl_are_neither_read_nor_written() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.release(&lease).await.unwrap();
    shared.run("UPDATE ledger.layout SET format = 2").await;
    let newer = |error: LedgerError| {
        assert!(matches!(error, LedgerError::NewerLayout { found: 2, known: 1 }), "{error:?}");
        assert!(error.hint().unwrap().contains("newer"), "{error:?}");
    };
    let late = shared.ledger();
    newer(late.acquire(&claim("run-2")).await.unwrap_err());
    newer(late.records().await.unwrap_err());
    newer(late.holder().await.unwrap_err());
}

#[tokio::test]
async fn database_of_an_application_is_refused() {
    let shared = Shared::new();
    let mut session = shared.options.clone().database("postgres").connect().await.unwrap();
    let name = shared.options.get_database().unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut session).await.unwrap();
    shared.run("CREATE TABLE public._sqlx_migrations (version bigint)").await;
    let refused = shared.ledger().acquire(&claim("run-1")).await.unwrap_err().to_string();
    assert!(refused.contains("is an application's") && refused.contains(name), "{refused}");
    let made: bool = sqlx::query_scalar("SELECT to_regnamespace('ledger') IS NOT NULL")
        .fetch_one(&mut shared.session().await)
        .await
        .unwrap();
    assert!(!made, "it made its tables there");
}

#[tokio::test]
async fn role_that_may_make_no_database_is_told_so() {
    let shared = Shared::new();
    let mut session = shared.options.clone().database("postgres").connect().await.unwrap();
    let role = format!("poor_{:x}", rand::rng().random::<u64>());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).execute(&mut session).await.unwrap();
    let poor = shared.options.clone().username(&role).to_url_lossy().to_string();
    let refused = PgLedger::new(&poor.into(), "staging").unwrap().acquire(&claim("run-1")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("cannot be made: permission denied"), "{refused}");
}

#[tokio::test]
async fn server_that_lets_nobody_in_is_away_and_no_secret_is_told() {
    let shared = Shared::new();
    let stranger = shared.options.clone().username("nobody_here").password("hunter2").to_url_lossy();
    let ledger = PgLedger::new(&stranger.to_string().into(), "staging").unwrap();
    let away = ledger.acquire(&claim("run-1")).await.unwrap_err();
    assert!(matches!(away, LedgerError::Away(_)), "{away:?}");
    assert!(away.to_string().contains("nobody_here") && !away.to_string().contains("hunter2"), "{away}");
    assert!(away.hint().unwrap().contains("crmctl rollback"));
    let Err(malformed) = PgLedger::new(&"hunter2".into(), "staging") else { panic!("that is no address") };
    assert!(!malformed.to_string().contains("hunter2"), "{malformed}");
}

#[tokio::test]
async fn rows_cannot_be_rewritten_by_mistake() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.append(&lease, draft("one")).await.unwrap();
    for rewrite in
        ["UPDATE ledger.record SET line = ''", "DELETE FROM ledger.record", "TRUNCATE ledger.record"]
    {
        let refused =
            sqlx::raw_sql(AssertSqlSafe(rewrite.to_owned())).execute(&mut shared.session().await).await;
        assert!(refused.unwrap_err().to_string().contains("append-only"), "{rewrite}");
    }
}

#[tokio::test]
async fn everything_in_the_database_says_what_it_is_for() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    ledger.acquire(&claim("run-1")).await.unwrap();
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 \
         AND col_description(c.oid, a.attnum) IS NULL \
         UNION ALL SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'ledger'::regnamespace \
         AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') IS NULL",
    )
    .fetch_all(&mut shared.session().await)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn no_clock_of_a_client_decides_anything() {
    let sources = [
        include_str!("../../postgres.rs"),
        include_str!("../acquire.rs"),
        include_str!("../append.rs"),
        include_str!("../journal.rs"),
        include_str!("../lease.rs"),
        include_str!("../link.rs"),
        include_str!("../server.rs"),
    ];
    for source in sources {
        for clock in ["Utc::now", "Local::now", "SystemTime"] {
            assert!(!source.contains(clock), "`{clock}` is read beside the server's clock");
        }
    }
    assert!(include_str!("../lease.rs").contains("expires_at = clock_timestamp() + interval '30 seconds'"));
}
