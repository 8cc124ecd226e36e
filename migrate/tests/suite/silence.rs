//! A server that vanishes: nobody waits for ever, and what may have happened is not called failed.

use std::time::Duration;

use migrate::{Applied, Error, Event, Kind, Patience};

use crate::harness::{Diary, World, apply_options, patience, rollback_options, run};
use crate::proxy::{After, Proxy};

fn impatient() -> migrate::ApplyOptions {
    let patience = Patience { silence: Duration::from_secs(2), ..patience() };
    migrate::ApplyOptions { patience, ..apply_options() }
}

#[track_caller]
fn in_doubt(outcome: Result<Applied, Error>, what: &str) {
    let error = outcome.expect_err("nothing came back");
    assert!(error.may_have_happened() && error.to_string().contains(what), "{error}");
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.hint().unwrap().contains("migrate status"));
}

/// `leads` applied, and a second migration that waits until `gate` is opened.
async fn waiting(world: &World) -> sqlx::PgConnection {
    world.table("001_gate", "gate");
    world.apply().await.unwrap();
    let up = "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE;\nCREATE TABLE notes (x int);";
    world.migration("002_notes", up, "DROP TABLE notes;", "SELECT x FROM notes;");
    let mut holder = world.session("holder").await;
    run(&mut holder, "BEGIN; SELECT * FROM gate").await;
    holder
}

#[tokio::test]
async fn a_server_that_falls_silent_within_a_statement_ends_the_run_in_doubt() {
    let world = World::new().await;
    let mut holder = waiting(&world).await;
    let (proxy, database) = Proxy::before(&world).await;
    let (set, diary, options) = (world.set(), Diary::default(), impatient());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let vanish = async {
        diary.until("it waits", |e| matches!(e, Event::Blocked { .. })).await;
        proxy.silence_all();
    };
    let (outcome, ()) = tokio::join!(apply, vanish);
    in_doubt(outcome, "cannot reach the server for");
    drop(proxy);
    run(&mut holder, "COMMIT").await;
    world.until("the lock is free", "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").await;
    world.apply().await.unwrap();
}

#[tokio::test]
async fn a_session_that_the_server_forgot_ends_the_run_in_doubt() {
    let world = World::new().await;
    let mut holder = waiting(&world).await;
    let (proxy, database) = Proxy::before(&world).await;
    let (set, diary, options) = (world.set(), Diary::default(), impatient());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let forget = async {
        diary.until("it waits", |e| matches!(e, Event::Blocked { .. })).await;
        proxy.silence_present();
        world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmctl/far'").await;
    };
    let (outcome, ()) = tokio::join!(apply, forget);
    in_doubt(outcome, "the server knows the session no more");
    run(&mut holder, "COMMIT").await;
    world.apply().await.unwrap();
}

#[tokio::test]
async fn a_watchdog_that_is_cut_off_alone_looks_again_and_ends_nothing() {
    let world = World::new().await;
    let mut holder = waiting(&world).await;
    let (set, diary, options) = (world.set(), Diary::default(), impatient());
    let database = world.database_of("near");
    let apply = migrate::apply(&database, &set, &options, &diary);
    let cut = async {
        for _ in 0..3 {
            let watch = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE application_name = 'crmctl/near/watch'";
            world.until("the watchdog was there", watch).await;
        }
        run(&mut holder, "COMMIT").await;
    };
    let (outcome, ()) = tokio::join!(apply, cut);
    assert_eq!(outcome.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_may_have_happened_and_did() {
    for (after, what) in [(After::HangUp, "commit the migration"), (After::Silence, "reach the server")] {
        let world = World::new().await;
        world.table("001_leads", "leads");
        world.apply().await.unwrap();
        world.table("002_notes", "notes");
        let (proxy, database) = Proxy::before(&world).await;
        proxy.when(b"COMMIT", after);
        let outcome = migrate::apply(&database, &world.set(), &impatient(), &migrate::Silent).await;
        in_doubt(outcome, what);
        assert_eq!(world.status().await.latest, Some(2), "only a look tells");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_transaction_is_no_doubt() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.table("002_notes", "notes");
    let (proxy, database) = Proxy::before(&world).await;
    proxy.when(b"CREATE TABLE notes", After::HangUp);
    let error = migrate::apply(&database, &world.set(), &impatient(), &migrate::Silent).await.unwrap_err();
    assert!(!error.may_have_happened(), "{error}");
    assert_eq!(world.status().await.latest, Some(1));
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_lone_statement_leaves_a_doubt() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.migration(
        "002_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON leads (note);",
        "DROP INDEX i;",
        "SELECT true;",
    );
    let (proxy, database) = Proxy::before(&world).await;
    proxy.when(b"CREATE INDEX", After::HangUp);
    let outcome = migrate::apply(&database, &world.set(), &impatient(), &migrate::Silent).await;
    in_doubt(outcome, "finish `002_index.up.sql` line 2");
}

#[tokio::test]
async fn a_connection_that_breaks_after_a_lone_statement_leaves_a_doubt() {
    for (journal, what) in [
        ("SET finished_at", "write the step journal"),
        ("SET created = created", "what the migration changed"),
    ] {
        let world = World::new().await;
        world.table("001_leads", "leads");
        world.apply().await.unwrap();
        let up = "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON leads (note);";
        world.migration("002_index", up, "DROP INDEX i;", "SELECT true;");
        let (proxy, database) = Proxy::before(&world).await;
        proxy.when(journal.as_bytes(), After::HangUp);
        let outcome = migrate::apply(&database, &world.set(), &impatient(), &migrate::Silent).await;
        in_doubt(outcome, what);
        assert!(world.value("SELECT to_regclass('i')::text").await.is_some(), "it had happened");
        world.apply().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_breaks_between_statements_leaves_a_doubt() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let up = "-- no-transaction\nCREATE TABLE notes (x int);\nCREATE TABLE more (x int);";
    world.migration("002_notes", up, "DROP TABLE more; DROP TABLE notes;", "SELECT x FROM notes;");
    let (proxy, database) = Proxy::before(&world).await;
    proxy.when(b"CREATE TABLE more", After::HangUp);
    let outcome = migrate::apply(&database, &world.set(), &impatient(), &migrate::Silent).await;
    in_doubt(outcome, "finish `002_notes.up.sql` line 3");
    assert!(world.value("SELECT to_regclass('notes')::text").await.is_some(), "the first one had happened");
    world.apply().await.unwrap();
}

#[tokio::test]
async fn a_revert_whose_answer_is_lost_may_have_happened() {
    let world = World::new().await;
    world.migration("001_leads", "CREATE TABLE leads (x int);", "DROP TABLE leads;", "SELECT x FROM leads;");
    world.apply().await.unwrap();
    let (proxy, database) = Proxy::before(&world).await;
    proxy.when(b"COMMIT", After::HangUp);
    let error = migrate::rollback(&database, &world.set(), 1, &rollback_options(), &migrate::Silent).await;
    assert!(error.unwrap_err().may_have_happened());
    assert_eq!(world.value("SELECT to_regclass('leads')::text").await, None);
}

#[tokio::test]
async fn a_look_at_a_silent_server_ends() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let (proxy, database) = Proxy::before(&world).await;
    proxy.when(b"_sqlx_migrations", After::Silence);
    let error = migrate::status(&database, &world.set()).await.unwrap_err();
    assert!(matches!(error, Error::Unready { .. }) && !error.may_have_happened(), "{error}");
}

#[tokio::test]
async fn a_run_whose_tokens_began_anew_can_ask_where_to_go_on() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    assert_eq!(migrate::newest_token(&world.database()).await.unwrap(), None);
    let with = |token| migrate::ApplyOptions { token: Some(token), ..apply_options() };
    let apply =
        async |token| migrate::apply(&world.database(), &world.set(), &with(token), &migrate::Silent).await;
    apply(41).await.unwrap();
    assert!(matches!(apply(1).await, Err(Error::FenceLost { token: 1, newest: 41 })));
    let newest = migrate::newest_token(&world.database()).await.unwrap().unwrap();
    assert_eq!(newest, 41);
    apply(newest + 1).await.unwrap();
}
