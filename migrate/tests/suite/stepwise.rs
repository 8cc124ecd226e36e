//! Migrations without a transaction: statement by statement, resumed where they stopped.

use migrate::{DriftKind, Error, Event, Kind, State};

use crate::harness::{Diary, World, apply_options, rollback_options};

/// A table with a duplicate, and a migration whose second statement trips over it.
async fn tripping(world: &World) {
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.sql("INSERT INTO leads VALUES (4, 'a')").await;
    world.migration(
        "002_unique",
        "-- no-transaction\nINSERT INTO leads VALUES (5, 'e');\nCREATE UNIQUE INDEX CONCURRENTLY leads_note ON leads (note);\nALTER TABLE leads ADD COLUMN done boolean;",
        "-- no-transaction\nALTER TABLE leads DROP COLUMN IF EXISTS done;\nDROP INDEX CONCURRENTLY IF EXISTS leads_note;",
        "SELECT done FROM leads;",
    );
}

#[tokio::test]
async fn several_statements_run_one_by_one_and_are_recorded() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY leads_note ON leads (note);\nVACUUM leads;\nCREATE INDEX CONCURRENTLY \"Leads Id\" ON public.leads (id);",
        "-- no-transaction\nDROP INDEX CONCURRENTLY leads_note;\nDROP INDEX CONCURRENTLY \"Leads Id\";",
        "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'leads'::regclass;",
    );
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
    let created =
        world.value("SELECT array_to_string(created, ',') FROM crmctl.migration WHERE version = 2").await;
    assert_eq!(created.as_deref(), Some("index public.leads_note,index public.\"Leads Id\""));
    world.rollback(2, &rollback_options()).await.unwrap();
    assert_eq!(world.value("SELECT to_regclass('leads_note')::text").await, None);
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_stopped_migration_resumes_at_the_next_statement_and_mends_its_own_invalid_index() {
    let world = World::new().await;
    tripping(&world).await;
    let error = world.apply().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(
        matches!(&error, Error::Statement(f) if f.line == 3 && f.sqlstate.as_deref() == Some("23505")),
        "{error}"
    );
    assert!(world.lock_is_free().await);
    let status = world.status().await;
    assert_eq!(
        (status.latest, status.migrations[1].state, status.drift[0].kind),
        (Some(1), State::Pending, DriftKind::Unfinished)
    );
    assert!(status.drift[0].message.contains("after 1 of 3 statements"), "{:?}", status.drift);

    world.sql("DELETE FROM leads WHERE id = 4").await;
    let diary = Diary::default();
    migrate::apply(&world.database(), &world.set(), &apply_options(), &diary).await.unwrap();
    assert_eq!(
        world.value("SELECT count(*)::text FROM leads").await.as_deref(),
        Some("4"),
        "the first statement ran once"
    );
    let events = diary.events();
    assert!(events.contains(&Event::Resumed { version: 2, statement: 2 }), "{events:?}");
    assert!(events.contains(&Event::Mended { version: 2, index: "leads_note".into() }), "{events:?}");
    assert!(world.status().await.drift.is_empty());
}

#[tokio::test]
async fn the_application_refuses_to_start_on_a_half_done_migration() {
    let world = World::new().await;
    tripping(&world).await;
    world.apply().await.unwrap_err();
    let mut conn = world.session("app").await;
    let outcome = sqlx::migrate::Migrator::new(world.dir()).await.unwrap().run(&mut conn).await;
    assert!(matches!(outcome, Err(sqlx::migrate::MigrateError::Dirty(2))));
}

#[tokio::test]
async fn statements_that_did_not_run_may_be_mended_and_those_that_ran_may_not() {
    let world = World::new().await;
    tripping(&world).await;
    world.apply().await.unwrap_err();
    let file = "002_unique.up.sql";
    let text = std::fs::read_to_string(world.dir().join(file)).unwrap();
    world.file(file, &text.replace("(5, 'e')", "(6, 'f')"));
    let Err(Error::Drift(drift)) = world.apply().await else { panic!("an edit of what ran is refused") };
    assert_eq!(drift[0].kind, DriftKind::Edited);
    world.file(file, &text.replace("CREATE UNIQUE INDEX", "CREATE INDEX"));
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
    assert!(world.status().await.drift.is_empty());
}

#[tokio::test]
async fn an_index_that_was_finished_before_the_crash_is_not_made_twice() {
    let world = World::new().await;
    tripping(&world).await;
    world.apply().await.unwrap_err();
    // As if the run had died between the end of the build and the journal.
    world.sql("DELETE FROM leads WHERE id = 4").await;
    world.sql("DROP INDEX leads_note").await;
    world.sql("CREATE UNIQUE INDEX leads_note ON leads (note)").await;
    let oid = world.value("SELECT 'leads_note'::regclass::oid::text").await;
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
    assert_eq!(world.value("SELECT 'leads_note'::regclass::oid::text").await, oid);
}

#[tokio::test]
async fn an_invalid_index_of_somebody_else_is_refused_and_left_alone() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.sql("INSERT INTO leads VALUES (4, 'a')").await;
    let mut conn = world.session("hand").await;
    sqlx::raw_sql("CREATE UNIQUE INDEX CONCURRENTLY leads_note ON leads (note)")
        .execute(&mut conn)
        .await
        .unwrap_err();
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS leads_note ON leads (note);",
        "-- no-transaction\nDROP INDEX CONCURRENTLY leads_note;",
        "SELECT true;",
    );
    let error = world.apply().await.unwrap_err();
    assert!(matches!(&error, Error::InvalidIndex { index, line: 2, .. } if index == "leads_note"), "{error}");
    assert!(error.hint().unwrap().contains("DROP INDEX CONCURRENTLY leads_note"));
    world.sql("DROP INDEX leads_note").await;
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_failing_verification_leaves_it_unfinished_until_it_passes() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON leads (note);",
        "DROP INDEX i;",
        "SELECT false;",
    );
    let error = world.apply().await.unwrap_err();
    assert!(matches!(error, Error::Verify(_)), "{error}");
    assert_eq!(world.status().await.latest, Some(1));
    world.file("verify/002_index.sql", "SELECT true;");
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_concurrent_build_outlives_an_old_transaction() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON leads (note);",
        "DROP INDEX i;",
        "SELECT true;",
    );
    let mut old = world.session("old-reader").await;
    crate::harness::run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM leads").await;
    let diary = Diary::default();
    let (database, set, options) = (world.database(), world.set(), apply_options());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let end = async {
        let named = |e: &Event| matches!(e, Event::Blocked { blockers, .. } if blockers[0].application == "old-reader");
        diary.until("the old transaction is named", named).await;
        crate::harness::run(&mut old, "COMMIT").await;
    };
    let (applied, ()) = tokio::join!(apply, end);
    assert_eq!(applied.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_revert_that_stopped_is_told_and_goes_on_where_it_stopped() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON leads (note);\nCREATE INDEX CONCURRENTLY j ON leads (id);",
        "-- no-transaction\nDROP INDEX CONCURRENTLY i;\nDROP INDEX CONCURRENTLY j;",
        "SELECT true;",
    );
    world.apply().await.unwrap();
    // As a run leaves it that dies after the first drop, and within the second before its journal.
    world
        .sql(
            "DROP INDEX i, j;
             INSERT INTO crmctl.migration_step (version, direction, ordinal, digest, finished_at)
             VALUES (2, 'down', 1, '', now()), (2, 'down', 2, '', NULL)",
        )
        .await;
    let message = world.status().await.drift[0].message.clone();
    assert!(message.contains("after 1 of 2 statements"), "{message}");
    // Killed within the very first statement.
    world.sql("UPDATE crmctl.migration_step SET finished_at = NULL").await;
    assert_eq!(world.status().await.drift[0].kind, DriftKind::HalfReverted);
    let Err(Error::Drift(drift)) = world.apply().await else {
        panic!("half a revert is no ground to build on")
    };
    assert_eq!(drift[0].kind, DriftKind::HalfReverted);
    world.rollback(2, &rollback_options()).await.unwrap();
    assert_eq!(world.value("SELECT to_regclass('j')::text").await, None);
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_stopped_migration_cannot_be_turned_into_one_with_a_transaction() {
    let world = World::new().await;
    tripping(&world).await;
    world.apply().await.unwrap_err();
    world.file("002_unique.up.sql", "INSERT INTO leads VALUES (5, 'e');");
    let Err(Error::Drift(drift)) = world.apply().await else { panic!("the first statement would run twice") };
    assert_eq!(drift[0].kind, DriftKind::Edited);
}

#[tokio::test]
async fn a_stopped_migration_can_be_taken_back() {
    let world = World::new().await;
    tripping(&world).await;
    world.apply().await.unwrap_err();
    world.rollback(2, &rollback_options()).await.unwrap();
    assert!(world.status().await.drift.is_empty());
    assert_eq!(world.value("SELECT to_regclass('leads_note')::text").await, None);
}
