//! What apply refuses, and that nothing has changed then.

use migrate::{ApplyOptions, DriftKind, Error, Kind};

use crate::harness::{World, accepting, apply_options};

/// Applies, expects an error of `kind` and that the database is as it was.
async fn refused(world: &World, options: &ApplyOptions, kind: Kind) -> Error {
    let before = world.fingerprint().await;
    let outcome = migrate::apply(&world.database(), &world.set(), options, &migrate::Silent).await;
    let error = outcome.expect_err("it should have been refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(world.fingerprint().await, before);
    assert!(world.lock_is_free().await);
    error
}

async fn drifted(world: &World) -> (DriftKind, String) {
    let Error::Drift(drift) = refused(world, &apply_options(), Kind::Refused).await else {
        panic!("no drift")
    };
    assert_eq!(world.status().await.drift, drift, "status says the same");
    (drift[0].kind, drift[0].message.clone())
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.table("002_notes", "notes").file("001_leads.up.sql", "CREATE TABLE leads (id bigint);");
    let (kind, message) = drifted(&world).await;
    assert_eq!(kind, DriftKind::Edited);
    assert!(message.contains("001_leads.up.sql"), "{message}");
}

#[tokio::test]
async fn other_line_ends_are_no_edit() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let text = std::fs::read_to_string(world.dir().join("001_leads.up.sql")).unwrap();
    world.file("001_leads.up.sql", &text.replace('\n', "\r\n"));
    assert!(world.apply().await.unwrap().migrations.is_empty());
    // A tool that read the file with those line ends stored another checksum of the same migration.
    world.sql("DELETE FROM _sqlx_migrations; DROP SCHEMA crmctl CASCADE; DROP TABLE leads").await;
    let mut conn = world.session("app").await;
    sqlx::migrate::Migrator::new(world.dir()).await.unwrap().run(&mut conn).await.unwrap();
    assert!(world.status().await.drift.is_empty());
}

#[tokio::test]
async fn an_applied_migration_without_its_files_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "notes");
    world.apply().await.unwrap();
    for file in ["001_leads.up.sql", "001_leads.down.sql", "verify/001_leads.sql"] {
        std::fs::remove_file(world.dir().join(file)).unwrap();
    }
    assert_eq!(
        drifted(&world).await,
        (DriftKind::MissingFile, "migration `1` (`leads`) is applied and its files are missing".into())
    );
}

#[tokio::test]
async fn a_late_migration_below_the_newest_applied_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("018_meta", "meta");
    world.apply().await.unwrap();
    world.table("016_notes", "notes");
    let (kind, message) = drifted(&world).await;
    assert_eq!(
        (kind, message.as_str()),
        (DriftKind::OutOfOrder, "`016_notes.up.sql` is not applied, though `18` is")
    );
}

#[tokio::test]
async fn what_another_tool_left_half_applied_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.table("002_notes", "notes");
    world.sql("INSERT INTO _sqlx_migrations VALUES (2, 'notes', now(), false, '', -1)").await;
    assert_eq!(drifted(&world).await.0, DriftKind::Failed);
}

#[tokio::test]
async fn broken_sql_names_file_line_and_code_and_leaves_nothing() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_broken",
        "-- a comment with an ñ\nCREATE TABLE half (x int);\n\nALTER TABLE half\n  ADD COLUMN y text,\n  ADD COLUMN z frobnicate;",
        "DROP TABLE half;",
        "SELECT true;",
    );
    let error = refused(&world, &apply_options(), Kind::Failed).await;
    let Error::Statement(failure) = &error else { panic!("{error}") };
    assert_eq!(
        (failure.file.as_str(), failure.line, failure.sqlstate.as_deref()),
        ("002_broken.up.sql", 6, Some("42704"))
    );
    assert_eq!(
        error.to_string(),
        "`002_broken.up.sql` line 6: type \"frobnicate\" does not exist (SQLSTATE 42704)"
    );
}

#[tokio::test]
async fn sql_that_cannot_be_parsed_is_judged_by_the_server() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_broken",
        "-- crmctl:stage expand\nCREATE TABLE half (x int);\nCREATE TABEL other (x int);\n",
        "SELECT 1;",
        "SELECT true;",
    );
    let error = refused(&world, &apply_options(), Kind::Failed).await;
    let Error::Statement(failure) = &error else { panic!("{error}") };
    assert_eq!((failure.line, failure.sqlstate.as_deref()), (3, Some("42601")));
}

#[tokio::test]
async fn an_error_without_a_position_names_its_statement() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_twice",
        "SELECT 1;\n\nINSERT INTO leads\nVALUES (1, 'again');",
        "SELECT 1;",
        "SELECT true;",
    );
    let error = refused(&world, &apply_options(), Kind::Failed).await;
    let Error::Statement(failure) = &error else { panic!("{error}") };
    assert_eq!((failure.line, failure.sqlstate.as_deref()), (3, Some("23505")));
}

#[tokio::test]
async fn a_failing_verification_undoes_its_migration_and_keeps_the_one_before() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "notes");
    world.file("verify/002_notes.sql", "DO $$ BEGIN\n  RAISE EXCEPTION 'the promise is broken';\nEND $$;");
    let error = world.apply().await.unwrap_err();
    assert!(
        matches!(&error, Error::Verify(failure) if failure.message == "the promise is broken"),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(world.value("SELECT to_regclass('notes')::text").await, None);
    assert_eq!(world.status().await.latest, Some(1));
    world.file("verify/002_notes.sql", "SELECT id FROM notes;\nSELECT count(*) = 4 FROM notes;");
    let error = refused(&world, &apply_options(), Kind::Failed).await;
    assert_eq!(
        error.to_string(),
        "verification failed: `verify/002_notes.sql` line 2: `SELECT count(*) = 4 FROM notes` is not true"
    );
    world.file("verify/002_notes.sql", "SELECT count(*) = 3 FROM notes;");
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn an_older_run_is_kept_out_by_the_fence() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let with = |token| ApplyOptions { token: Some(token), ..apply_options() };
    migrate::apply(&world.database(), &world.set(), &with(7), &migrate::Silent).await.unwrap();
    world.table("002_notes", "notes");
    let error = refused(&world, &with(6), Kind::FenceLost).await;
    assert!(matches!(error, Error::FenceLost { token: 6, newest: 7 }));
    let older = migrate::RollbackOptions { token: Some(6), ..accepting(3) };
    let before = world.fingerprint().await;
    assert_eq!(world.rollback(1, &older).await.unwrap_err().kind(), Kind::FenceLost);
    assert_eq!(world.fingerprint().await, before);
    migrate::apply(&world.database(), &world.set(), &with(7), &migrate::Silent).await.unwrap();
}

#[tokio::test]
async fn a_run_without_work_still_fences_older_ones_out() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let with = |token| ApplyOptions { token: Some(token), ..apply_options() };
    migrate::apply(&world.database(), &world.set(), &with(9), &migrate::Silent).await.unwrap();
    assert_eq!(world.value("SELECT token::text FROM crmctl.fence").await.as_deref(), Some("9"));
    refused(&world, &with(8), Kind::FenceLost).await;
    world.table("002_notes", "notes");
    assert_eq!(world.apply().await.unwrap().token, 10, "without a token the next one is taken");
}

#[tokio::test]
async fn a_fence_raised_meanwhile_stops_the_migration_inside_its_transaction() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    // The newer run appears after we looked: between the look and the transaction of migration 3.
    world.migration("002_newer", "UPDATE crmctl.fence SET token = 99;", "SELECT 1;", "SELECT true;");
    world.table("003_notes", "notes");
    let error = world.apply().await.unwrap_err();
    assert!(matches!(error, Error::FenceLost { newest: 99, .. }), "{error}");
    assert_eq!(world.value("SELECT to_regclass('notes')::text").await, None);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused_without_its_address() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let dsn = secrecy::SecretString::from("postgres://u:hunter2@127.0.0.1:1/nowhere");
    let database = migrate::Database::new(&dsn, "run").unwrap();
    let error = migrate::status(&database, &world.set()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(!format!("{error:?} {database:?}").contains("hunter2"));
    let error = migrate::Database::new(&secrecy::SecretString::from("hunter2"), "run").unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_role_without_the_rights_is_refused_with_the_way_out() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.sql("REVOKE CREATE ON SCHEMA public FROM pg_database_owner").await;
    let error = refused(&world, &apply_options(), Kind::Refused).await;
    assert!(matches!(error, Error::Unready { .. }), "{error}");
    assert!(error.hint().unwrap().contains("the role that owns the database"));
}

#[tokio::test]
async fn a_verify_file_proves_what_it_says_or_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration("002_flag", "ALTER TABLE leads ADD COLUMN done boolean;", "SELECT 1;", "");
    let broken = [
        ("SELECT count(*) = 0, max(id) IS NULL FROM leads;", "is not true"),
        ("SELECT 'fine', true, count(*) = 0 FROM leads;", "is not true"),
        ("SELECT id, note IS NOT NULL FROM leads;", "is not true"),
        ("SELECT NULL::bool;", "is not true"),
        ("WITH bad AS (SELECT id FROM leads) SELECT count(*) = 0 FROM bad;", "is not true"),
        ("VALUES (true), (false);", "is not true"),
        ("SELECT NOT indisvalid AS invalid FROM pg_index WHERE indrelid = 'leads'::regclass;", "is not true"),
        ("SELECT indisexclusion FROM pg_index WHERE indrelid = 'leads'::regclass;", "is not true"),
        ("SELECT convalidated FROM pg_constraint WHERE conname = 'no_such';", "gives no row"),
        ("SELECT count(*) FROM leads;", "proves nothing"),
        ("SELECT 1;", "proves nothing"),
        ("SELECT missing FROM leads;", "does not exist"),
        ("SELECT true;\nSELECT 1;", "line 2"),
    ];
    for (verify, why) in broken {
        world.file("verify/002_flag.sql", verify);
        let error = refused(&world, &apply_options(), Kind::Failed).await;
        assert!(matches!(error, Error::Verify(_)) && error.to_string().contains(why), "{verify}: {error}");
    }
    let proofs = [
        "SELECT done, id FROM leads;",
        "SELECT done FROM leads WHERE false;",
        "SELECT note IS NOT NULL FROM leads WHERE false;",
        "SELECT count(*) = 3, bool_and(done IS NULL), 'a word' FROM leads;",
        "SELECT indisvalid FROM pg_index WHERE indrelid = 'leads'::regclass;",
        "CREATE TEMP TABLE seen AS SELECT id FROM leads;\nINSERT INTO leads VALUES (7) RETURNING id;\nSELECT pg_sleep(0);",
        "DO $$ BEGIN PERFORM done FROM leads; END $$;",
    ];
    for verify in proofs {
        world.file("verify/002_flag.sql", verify);
        world.apply().await.unwrap_or_else(|error| panic!("{verify}: {error}"));
        world.sql("DELETE FROM _sqlx_migrations WHERE version = 2; ALTER TABLE leads DROP done").await;
    }
}
