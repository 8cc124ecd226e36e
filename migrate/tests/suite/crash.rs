//! A run may die anywhere: what it leaves is whole, and the next one finishes.

use migrate::{ApplyOptions, Error, Event, Kind, Patience};

use crate::harness::{Diary, World, accepting, apply_options, patience, run};
use crate::proxy::Proxy;

/// The server has noticed that the run is gone.
async fn buried(world: &World) {
    let gone = "SELECT count(*) = 0 FROM pg_stat_activity
                WHERE application_name LIKE 'crmctl/%' AND datname = current_database()";
    world.until("the dead run's sessions are gone", gone).await;
}

/// Every place in which a run can be killed: before the server has what it sends, and after.
fn places() -> impl Iterator<Item = (usize, bool)> {
    (1..500).flat_map(|nth| [(nth, false), (nth, true)])
}

/// Each table is there exactly when its migration is recorded as applied.
async fn whole(world: &World, tables: &[(i64, &str)]) {
    for (version, table) in tables {
        let sql = format!(
            "SELECT (to_regclass('{table}') IS NOT NULL) = coalesce((SELECT success FROM _sqlx_migrations WHERE version = {version}), false)"
        );
        if world.value("SELECT to_regclass('_sqlx_migrations')::text").await.is_some() {
            assert_eq!(
                world.value(&format!("SELECT ({sql})::text")).await.as_deref(),
                Some("true"),
                "{table}"
            );
        }
    }
}

#[tokio::test]
async fn an_apply_killed_at_any_step_leaves_whole_migrations_and_is_finished_by_the_next() {
    let tables = [(1, "leads"), (2, "notes"), (3, "meta")];
    let (mut rounds, mut through) = (0, false);
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "notes").table("003_meta", "meta");
    for (nth, reaches) in places() {
        let (proxy, database) = Proxy::before(&world).await;
        let (set, options) = (world.set(), apply_options());
        let apply = migrate::apply(&database, &set, &options, &migrate::Silent);
        if let Some(done) = proxy.kill_at(nth, reaches, apply).await {
            done.unwrap();
            through = true;
            break;
        }
        drop(proxy);
        buried(&world).await;
        whole(&world, &tables).await;
        // Back and forth, so that each place is hit with work before it and behind it.
        if world.status().await.latest == Some(3) {
            world.rollback(3, &accepting(3)).await.unwrap();
        }
        rounds += 1;
    }
    assert!(through, "it never came to its end");
    assert!(rounds > 20, "the run was killed in {rounds} places only");
    assert_eq!(world.status().await.latest, Some(3));
    whole(&world, &tables).await;
}

#[tokio::test]
async fn a_rollback_killed_at_any_step_reverts_all_or_nothing() {
    let tables = [(1, "leads"), (2, "notes")];
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "notes");
    world.apply().await.unwrap();
    let (mut rounds, mut through) = (0, false);
    for (nth, reaches) in places() {
        let (proxy, database) = Proxy::before(&world).await;
        let (set, options) = (world.set(), accepting(3));
        let revert = migrate::rollback(&database, &set, 2, &options, &migrate::Silent);
        if let Some(done) = proxy.kill_at(nth, reaches, revert).await {
            done.unwrap();
            through = true;
            break;
        }
        drop(proxy);
        buried(&world).await;
        whole(&world, &tables).await;
        world.apply().await.unwrap();
        rounds += 1;
    }
    assert!(through, "it never came to its end");
    assert!(rounds > 20, "the run was killed in {rounds} places only");
    assert_eq!(world.value("SELECT to_regclass('notes')::text").await, None);
}

/// One table, and a migration of three statements that run one by one.
async fn stepwise() -> World {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_steps",
        "-- no-transaction\nINSERT INTO leads VALUES (10, 'x');\nCREATE INDEX CONCURRENTLY leads_note ON leads (note);\nUPDATE leads SET id = id + 100;",
        "SELECT 1;",
        "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'leads'::regclass;",
    );
    world
}

#[tokio::test]
async fn a_stepwise_migration_killed_at_any_step_runs_each_statement_once() {
    let (mut rounds, mut through) = (0, false);
    for (nth, reaches) in places() {
        // A world of its own for each place: what an earlier kill left would move the later ones.
        let world = stepwise().await;
        let (proxy, database) = Proxy::before(&world).await;
        let (set, options) = (world.set(), apply_options());
        let apply = migrate::apply(&database, &set, &options, &migrate::Silent);
        through = proxy.kill_at(nth, reaches, apply).await.is_some();
        drop(proxy);
        buried(&world).await;
        if !through {
            rounds += 1;
            world.apply().await.unwrap();
        }
        let ids = world.value("SELECT string_agg(id::text, ',' ORDER BY id) FROM leads").await;
        assert_eq!(ids.as_deref(), Some("101,102,103,110"), "killed at {nth}, which reached: {reaches}");
        assert_eq!(world.status().await.latest, Some(2));
        if through {
            break;
        }
    }
    assert!(through, "it never came to its end");
    assert!(rounds > 20, "the run was killed in {rounds} places only");
}

#[tokio::test]
async fn a_revert_whose_session_is_killed_says_so_and_changes_nothing() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let before = world.fingerprint().await;
    let mut holder = world.session("report-tool").await;
    run(&mut holder, "BEGIN; SELECT * FROM leads").await;
    let diary = Diary::default();
    let (database, set, options) = (world.database_of("victim"), world.set(), accepting(3));
    let revert = migrate::rollback(&database, &set, 1, &options, &diary);
    let kill = async {
        diary.until("it waits", |e| matches!(e, Event::Blocked { .. })).await;
        let kill =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmctl/victim'";
        world.sql(kill).await;
    };
    let (outcome, ()) = tokio::join!(revert, kill);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    assert!(!error.to_string().contains("reset"), "the first error is the one that matters: {error}");
    run(&mut holder, "COMMIT").await;
    assert_eq!(world.fingerprint().await, before);
    world.rollback(1, &options).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_lock_deadline_is_kept() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let mut app = world.session("app").await;
    sqlx::migrate::Migrate::lock(&mut app).await.unwrap();
    let patience = Patience { migration_lock: std::time::Duration::ZERO, ..patience() };
    let options = ApplyOptions { patience, ..apply_options() };
    let outcome = migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await;
    assert!(matches!(outcome, Err(Error::LockHeld { holder: Some(_), .. })));
}
