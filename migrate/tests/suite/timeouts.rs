//! What a timeout means: for code that may have committed, for a revert, for index work, for a slow file.

use std::time::Duration;

use migrate::{ApplyOptions, Error, Event, Kind, Patience};

use crate::harness::{Diary, World, apply_options, patience, rollback_options, run};

/// A file that commits a row and then waits for `gate`.
const COMMITS_AND_WAITS: &str = "DO $$ BEGIN
  INSERT INTO log VALUES ('batch'); COMMIT;
  LOCK TABLE gate IN ACCESS EXCLUSIVE MODE;
END $$;";

async fn gate_and_log() -> World {
    let world = World::new().await;
    world.table("001_gate", "gate").migration(
        "002_log",
        "CREATE TABLE log (line text);",
        "DROP TABLE log;",
        "SELECT line FROM log;",
    );
    world.apply().await.unwrap();
    world
}

#[tokio::test]
async fn code_that_may_have_committed_is_not_run_again_by_itself() {
    let world = gate_and_log().await;
    let up = format!("-- no-transaction\n-- crmctl:stage backfill\n{COMMITS_AND_WAITS}");
    world.migration("003_fill", &up, "SELECT 1;", "SELECT true;");
    let mut holder = world.session("report-tool").await;
    run(&mut holder, "BEGIN; SELECT * FROM gate").await;
    let error = world.apply().await.unwrap_err();
    assert!(
        matches!(&error, Error::HalfRun { file, line: 3, source: Some(_), .. } if file == "003_fill.up.sql"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("change the statement"), "{error}");
    run(&mut holder, "COMMIT").await;
    // Nobody was in the way any more, and still nobody but a person knows whether it may run again.
    let again = world.apply().await.unwrap_err();
    assert!(matches!(again, Error::HalfRun { source: None, .. }), "{again}");
    assert_eq!(again.kind(), Kind::Failed);
    assert_eq!(world.value("SELECT count(*)::text FROM log").await.as_deref(), Some("1"));
    // A person looked, and says so in the text.
    world.file("003_fill.up.sql", &up.replace("INSERT", "/* the first batch is in */ -- INSERT"));
    world.apply().await.unwrap();
    assert_eq!(world.value("SELECT count(*)::text FROM log").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_way_back_that_died_within_code_waits_for_a_word_in_its_journal() {
    let world = gate_and_log().await;
    let statement = "DO $$ BEGIN INSERT INTO log VALUES ('back'); END $$;";
    world.migration("003_fill", "SELECT 1;", &format!("-- no-transaction\n{statement}"), "SELECT true;");
    world.apply().await.unwrap();
    // As a run leaves it that dies within the statement.
    let begun = format!(
        "INSERT INTO crmctl.migration_step (version, direction, ordinal, digest)
         VALUES (3, 'down', 1, 'sha256:' || encode(sha256(convert_to('{}', 'UTF8')), 'hex'))",
        statement.replace('\'', "''")
    );
    world.sql(&begun).await;
    let error = world.rollback(3, &rollback_options()).await.unwrap_err();
    assert!(matches!(error, Error::HalfRun { step: (3, "down", 1), source: None, .. }), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("version 3, direction down, ordinal 1") && !hint.contains("change the"), "{hint}");
    world.sql("UPDATE crmctl.migration_step SET finished_at = now()").await;
    world.rollback(3, &rollback_options()).await.unwrap();
    assert_eq!(world.value("SELECT count(*)::text FROM log").await.as_deref(), Some("0"), "it was done");
}

#[tokio::test]
async fn a_stepwise_revert_outlives_a_lock_in_its_way() {
    let world = gate_and_log().await;
    world.migration(
        "003_more",
        "ALTER TABLE gate ADD COLUMN more int;",
        "-- no-transaction\nINSERT INTO log VALUES ('once');\nALTER TABLE gate DROP COLUMN more;",
        "SELECT more FROM gate;",
    );
    world.apply().await.unwrap();
    let diary = Diary::default();
    let (database, set, options) = (world.database(), world.set(), rollback_options());
    let mut holder = world.session("report-tool").await;
    // In the way of the second statement alone: the trial before it must come through.
    run(&mut holder, "BEGIN; LOCK TABLE crmctl.migration_step IN SHARE MODE").await;
    let revert = migrate::rollback(&database, &set, 3, &options, &diary);
    let release = async {
        diary
            .until(
                "an attempt is given up",
                |e| matches!(e, Event::Retrying { sqlstate, .. } if sqlstate == "55P03"),
            )
            .await;
        run(&mut holder, "COMMIT").await;
    };
    let (reverted, ()) = tokio::join!(revert, release);
    reverted.unwrap();
    assert_eq!(world.value("SELECT count(*)::text FROM log").await.as_deref(), Some("1"));
    assert!(world.status().await.drift.is_empty());
}

#[tokio::test]
async fn a_concurrent_build_may_take_longer_than_other_statements() {
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
    run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM leads").await;
    let patience = Patience { statement: Duration::from_secs(1), ..patience() };
    let options = ApplyOptions { patience, ..apply_options() };
    let (database, set) = (world.database_of("long"), world.set());
    let apply = migrate::apply(&database, &set, &options, &migrate::Silent);
    let end = async {
        let long = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'crmctl/long'
                    AND query LIKE 'CREATE INDEX%' AND clock_timestamp() - query_start > '1.5 s'";
        world.until("it takes longer than a statement may", long).await;
        run(&mut old, "COMMIT").await;
    };
    let (applied, ()) = tokio::join!(apply, end);
    assert_eq!(applied.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_header_gives_the_statements_of_its_file_another_time() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let patience = Patience { statement: Duration::from_secs(1), ..patience() };
    let options = ApplyOptions { patience, ..apply_options() };
    for head in ["", "-- no-transaction\n"] {
        let up = format!("{head}SELECT pg_sleep(1.2);");
        world.migration("002_slow", &up, "SELECT pg_sleep(1.2);", "SELECT true;");
        let apply =
            async || migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await;
        let error = apply().await.unwrap_err();
        assert!(matches!(&error, Error::Statement(f) if f.sqlstate.as_deref() == Some("57014")), "{error}");
        assert!(error.hint().unwrap().contains("crmctl:statement-timeout"), "{error}");
        world
            .file("002_slow.up.sql", &format!("{head}-- crmctl:statement-timeout 1m\nSELECT pg_sleep(1.2);"));
        apply().await.unwrap();
        let back = migrate::RollbackOptions { patience, ..rollback_options() };
        world.rollback(2, &back).await.unwrap();
    }
}
