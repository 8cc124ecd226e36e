//! Who waits for whom: runners among each other, runners and clients, runners and a dying server.

use std::time::Duration;

use migrate::{ApplyOptions, Error, Event, Kind, Patience};
use sqlx::{ConnectOptions, Connection};

use crate::harness::{Diary, World, apply_options, patience, run};

/// sqlx's lock key of a database: what an application that migrates at start takes.
const SQLX_LOCK: &str = "sqlx_app";

/// A migration that waits until the table `gate` is there to be read: the test holds the key.
fn gated(world: &World) {
    world.migration(
        "002_gated",
        "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE;\nCREATE TABLE behind (x int);",
        "DROP TABLE behind;",
        "SELECT x FROM behind;",
    );
}

/// A database with the table `gate`, and a session that holds it, idle in its transaction.
async fn held(world: &World, application: &str) -> sqlx::PgConnection {
    world.table("001_gate", "gate");
    world.apply().await.unwrap();
    gated(world);
    let mut holder = world.session(application).await;
    run(&mut holder, "BEGIN; SELECT * FROM gate").await;
    holder
}

#[tokio::test]
async fn two_runners_exclude_each_other_and_the_second_names_the_first() {
    let world = World::new().await;
    let mut holder = held(&world, "slow-client").await;
    let set = world.set();
    let (first, second) = (Diary::default(), Diary::default());
    let (one, two) = (world.database_of("first"), world.database_of("second"));
    let options = apply_options();
    let apply_first = migrate::apply(&one, &set, &options, &first);
    let apply_second = async {
        first.until("the first runner works", |e| matches!(e, Event::Started { .. })).await;
        migrate::apply(&two, &set, &options, &second).await
    };
    let open = async {
        let names = |e: &Event| matches!(e, Event::LockWaiting { holder: Some(h), .. } if h.application == "crmctl/first" && h.pid > 0);
        second.until("the second runner names the first", names).await;
        run(&mut holder, "COMMIT").await;
    };
    let (first, second, ()) = tokio::join!(apply_first, apply_second, open);
    assert_eq!(first.unwrap().migrations.len(), 1);
    assert!(second.unwrap().migrations.is_empty(), "the first one has done it");
}

#[tokio::test]
async fn a_lock_that_stays_held_is_refused_with_its_holder() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let mut app = world.session(SQLX_LOCK).await;
    sqlx::migrate::Migrate::lock(&mut app).await.unwrap();
    let patience = Patience { migration_lock: Duration::from_millis(600), ..patience() };
    let options = ApplyOptions { patience, ..apply_options() };
    let error =
        migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains(SQLX_LOCK), "{error}");
    sqlx::migrate::Migrate::unlock(&mut app).await.unwrap();
    world.apply().await.unwrap();
}

#[tokio::test]
async fn sqlx_waits_while_we_migrate() {
    let world = World::new().await;
    let mut holder = held(&world, "slow-client").await;
    let set = world.set();
    let diary = Diary::default();
    let (database, options) = (world.database(), apply_options());
    let ours = migrate::apply(&database, &set, &options, &diary);
    let theirs = async {
        diary.until("we work", |e| matches!(e, Event::Started { .. })).await;
        let mut app = world.session(SQLX_LOCK).await;
        sqlx::migrate::Migrator::new(world.dir()).await.unwrap().run(&mut app).await.unwrap();
    };
    let open = async {
        let waiting = format!(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '{SQLX_LOCK}' AND wait_event = 'advisory'"
        );
        world.until("sqlx waits for our lock", &waiting).await;
        run(&mut holder, "COMMIT").await;
    };
    let (ours, (), ()) = tokio::join!(ours, theirs, open);
    assert_eq!(ours.unwrap().migrations.len(), 1);
    assert_eq!(world.status().await.latest, Some(2));
}

#[tokio::test]
async fn an_idle_blocker_is_named_and_outlived() {
    let world = World::new().await;
    let mut holder = held(&world, "report-tool").await;
    let set = world.set();
    let diary = Diary::default();
    let (database, options) = (world.database(), apply_options());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let client = async {
        diary.until("the blocker is named", |e| matches!(e, Event::Blocked { .. })).await;
        diary.until("an attempt is given up", |e| matches!(e, Event::Retrying { attempt: 2, .. })).await;
        run(&mut holder, "COMMIT").await;
    };
    let (applied, ()) = tokio::join!(apply, client);
    assert_eq!(applied.unwrap().latest, Some(2));
    let events = diary.events();
    let blocked = events.iter().find_map(|e| match e {
        Event::Blocked { blockers, age_ms, .. } => Some((blockers[0].clone(), *age_ms)),
        _ => None,
    });
    let (blocker, age) = blocked.unwrap();
    assert_eq!(
        (blocker.application.as_str(), blocker.state.as_deref()),
        ("report-tool", Some("idle in transaction"))
    );
    assert!(age.is_some() && blocker.since.is_some());
    assert!(events.iter().any(|e| matches!(e, Event::Retrying { sqlstate, .. } if sqlstate == "55P03")));
}

#[tokio::test]
async fn clients_queue_behind_us_no_longer_than_the_lock_timeout_and_are_counted() {
    let world = World::new().await;
    let mut holder = held(&world, "report-tool").await;
    let set = world.set();
    let diary = Diary::default();
    let (database, options) = (world.database(), apply_options());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let clients = async {
        diary.until("we queue", |e| matches!(e, Event::Blocked { .. })).await;
        let mut client = world.session("web").await;
        let mut slowest = Duration::ZERO;
        for _ in 0..3 {
            let asked = std::time::Instant::now();
            run(&mut client, "SELECT * FROM gate").await;
            slowest = slowest.max(asked.elapsed());
        }
        run(&mut holder, "COMMIT").await;
        slowest
    };
    let (applied, slowest) = tokio::join!(apply, clients);
    applied.unwrap();
    assert!(slowest < Duration::from_millis(2500), "a client waited {slowest:?}");
}

#[tokio::test]
async fn a_blocker_that_stays_ends_the_run_named_and_without_a_trace() {
    let world = World::new().await;
    let _holder = held(&world, "report-tool").await;
    let before = world.fingerprint().await;
    let patience = Patience { attempts: Duration::from_millis(1500), ..patience() };
    let options = ApplyOptions { patience, ..apply_options() };
    let error =
        migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await.unwrap_err();
    assert!(matches!(error, Error::Blocked { version: 2, .. }), "{error}");
    assert!(error.to_string().contains("report-tool"), "{error}");
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(world.fingerprint().await, before);
    assert!(world.lock_is_free().await);
}

#[tokio::test]
async fn a_session_that_is_killed_leaves_nothing_half_done() {
    let world = World::new().await;
    let mut holder = held(&world, "report-tool").await;
    world.migration(
        "002_gated",
        "CREATE TABLE half (x int);\nLOCK TABLE gate IN ACCESS EXCLUSIVE MODE;\nCREATE TABLE behind (x int);",
        "DROP TABLE behind, half;",
        "SELECT x FROM behind;",
    );
    let before = world.fingerprint().await;
    let set = world.set();
    let diary = Diary::default();
    let (database, options) = (world.database_of("victim"), apply_options());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let kill = async {
        diary.until("it waits", |e| matches!(e, Event::Blocked { .. })).await;
        world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crmctl/victim'").await;
    };
    let (outcome, ()) = tokio::join!(apply, kill);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed, "{error}");
    run(&mut holder, "COMMIT").await;
    world.until("the lock is free", "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").await;
    assert_eq!(world.fingerprint().await, before);
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
    holder.close().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_dropped_in_the_middle_leaves_nothing_half_done() {
    let world = World::new().await;
    let mut holder = held(&world, "report-tool").await;
    let before = world.fingerprint().await;
    let set = world.set();
    let diary = Diary::default();
    let (database, options) = (world.database_of("victim"), apply_options());
    tokio::select! {
        _ = migrate::apply(&database, &set, &options, &diary) => panic!("it could not have finished"),
        () = diary.until("it waits", |e| matches!(e, Event::Blocked { .. })) => {}
    }
    run(&mut holder, "COMMIT").await;
    world
        .until(
            "its sessions are gone",
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'crmctl/victim%'",
        )
        .await;
    assert_eq!(world.fingerprint().await, before);
    assert_eq!(world.apply().await.unwrap().latest, Some(2));
}

#[tokio::test]
async fn a_run_may_be_moved_between_threads() {
    fn movable<T: Send>(value: T) -> T {
        value
    }
    let world = World::new().await;
    world.table("001_leads", "leads");
    let (database, set, options) = (world.database(), world.set(), apply_options());
    movable(migrate::apply(&database, &set, &options, &migrate::Silent)).await.unwrap();
    let back = crate::harness::accepting(3);
    movable(migrate::rollback(&database, &set, 1, &back, &migrate::Silent)).await.unwrap();
    movable(migrate::status(&database, &set)).await.unwrap();
}

#[tokio::test]
async fn only_who_is_in_the_way_of_the_last_attempt_is_named() {
    let world = World::new().await;
    let mut first = held(&world, "left-early").await;
    let set = world.set();
    let diary = Diary::default();
    let patience = Patience { attempts: Duration::from_secs(4), ..patience() };
    let (database, options) = (world.database(), ApplyOptions { patience, ..apply_options() });
    let apply = migrate::apply(&database, &set, &options, &diary);
    let swap = async {
        diary.until("an attempt is given up", |e| matches!(e, Event::Retrying { .. })).await;
        let mut second = world.session("stays").await;
        run(&mut second, "BEGIN; SELECT * FROM gate").await;
        run(&mut first, "COMMIT").await;
        second
    };
    let (outcome, _second) = tokio::join!(apply, swap);
    let Err(Error::Blocked { blockers, .. }) = outcome else { panic!("it stays in the way") };
    let names: Vec<&str> = blockers.iter().map(|b| b.application.as_str()).collect();
    assert_eq!(names, ["stays"]);
}

#[tokio::test]
async fn the_provisioned_role_sees_what_the_application_in_its_way_is_doing() {
    let world = World::new().await;
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/../backend/migrations/provision/roles.sql");
    world.as_superuser(&std::fs::read_to_string(roles).unwrap()).await;
    drop(held(&world, "nobody").await);
    world.sql("GRANT SELECT ON gate TO crm_app").await;
    let mut app = world.options().username("crm_app").application_name("crm-server").connect().await.unwrap();
    run(&mut app, "BEGIN; SELECT * FROM gate").await;
    let (database, set, options, diary) = (world.database(), world.set(), apply_options(), Diary::default());
    let apply = migrate::apply(&database, &set, &options, &diary);
    let look = async {
        diary.until("it is named", |e| matches!(e, Event::Blocked { .. })).await;
        run(&mut app, "COMMIT").await;
    };
    let (applied, ()) = tokio::join!(apply, look);
    applied.unwrap();
    let events = diary.events();
    let blocked = events.iter().find_map(|event| match event {
        Event::Blocked { blockers, .. } => blockers.first(),
        _ => None,
    });
    let blocker = blocked.unwrap();
    assert_eq!(
        (blocker.application.as_str(), blocker.user.as_deref(), blocker.state.as_deref()),
        ("crm-server", Some("crm_app"), Some("idle in transaction"))
    );
    assert!(blocker.since.is_some());
}
